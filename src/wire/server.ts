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

/** The answer of `GET /info`. */
export const InfoBody = Type.Object({
  name: Type.Literal('claimcheck'),
  version: Type.String(),
  ledger: Type.Enum(['sqlite', 'postgres'], {
    description: 'Where runs are kept: a file of this server alone, or a database that several share.',
  }),
  started_at: Type.String({ description: 'RFC 3339, UTC.' }),
  draining: Type.Boolean({ description: 'Whether it is stopping and takes no new work.' }),
  endpoints: Type.Integer({ description: 'How many there are.' }),
  limits: Type.Object({ body_bytes: Type.Integer({ description: 'Longest body that it takes.' }) }),
});
/** See the schema of the same name. */
export type InfoBody = Static<typeof InfoBody>;
