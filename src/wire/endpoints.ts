// An endpoint as it travels.

import { type Static, Type } from 'typebox';

const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);

/** An endpoint, its replicas and its queue. */
export const EndpointBody = Type.Object({
  name: Type.String(),
  version: Type.Integer(),
  mode: Type.Enum(['sync', 'async']),
  default: Type.Boolean(),
  description: Nullable(Type.String()),
  tags: Type.Array(Type.String()),
  features: Type.Array(Type.String()),
  batch_size: Nullable(Type.Integer()),
  max_in_flight: Type.Integer(),
  timeout: Type.Number({ description: 'Seconds.' }),
  queue_limit: Type.Integer(),
  replicas: Type.Object({ current: Type.Integer(), desired: Type.Integer(), min: Type.Integer(), max: Type.Integer() }),
  queued: Type.Integer(),
  backlog: Type.Integer({ description: 'Calls and chunks that wait for a replica.' }),
  running: Type.Integer(),
  drain_rate: Nullable(Type.Number({ description: 'Runs that ended per second lately.' })),
  trouble: Nullable(Type.String({ description: 'Why no replica becomes ready.' })),
});
/** See the schema of the same name. */
export type EndpointBody = Static<typeof EndpointBody>;

/** Every endpoint. */
export const EndpointList = Type.Object({ endpoints: Type.Array(EndpointBody) });
/** See the schema of the same name. */
export type EndpointList = Static<typeof EndpointList>;
