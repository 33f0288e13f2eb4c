// What the server says of itself, as it travels.

import { type Static, Type } from 'typebox';

/** The answer of `GET /health`. */
export const HealthBody = Type.Object({ status: Type.Literal('alive') });
/** See the schema of the same name. */
export type HealthBody = Static<typeof HealthBody>;

/** The answer of `GET /ready`. */
export const ReadyBody = Type.Object({ status: Type.Literal('ready') });
/** See the schema of the same name. */
export type ReadyBody = Static<typeof ReadyBody>;

/** The answer of `GET /openapi.json`. */
export const OpenApiBody = Type.Object({ openapi: Type.String() }, { description: 'The document itself.' });
