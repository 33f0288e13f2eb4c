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
  scoring: Nullable(
    Type.Object(
      {
        target: Nullable(Type.String({ description: 'The column of the input that predictions are compared with.' })),
        prediction: Nullable(Type.String({ description: 'The column of the output that has the prediction.' })),
        task: Nullable(Type.Enum(['regression', 'classification'])),
        id_column: Nullable(Type.String({ description: 'The column of the input that tells rows apart.' })),
        evaluation: Type.Boolean({ description: 'Whether there is evaluation data to try it on.' }),
      },
      { description: 'How captures of it are scored; what is null, the values or the request say.' },
    ),
  ),
  batch_size: Nullable(Type.Integer()),
  max_in_flight: Type.Integer(),
  on_row_error: Type.Enum(['mark', 'drop', 'fail']),
  timeout: Type.Number({ description: 'Longest time of one attempt, in seconds.' }),
  sync_timeout: Type.Number({ description: 'Longest synchronous wait, in seconds.' }),
  queue_ttl: Type.Number({ description: 'Longest wait in the queue, in seconds.' }),
  queue_limit: Type.Integer(),
  concurrency_limit: Nullable(
    Type.Integer({ description: 'Calls and chunks that may run at once, over all servers.' }),
  ),
  retention: Type.Number({
    description: 'How long inputs and outputs are kept after the end of their run, in seconds.',
  }),
  replicas: Type.Object({
    current: Type.Integer({ description: 'Replicas that are ready.' }),
    desired: Type.Integer({ description: 'Replicas that the work which is there asks for.' }),
    min: Type.Integer(),
    max: Type.Integer(),
  }),
  queued: Type.Integer(),
  backlog: Type.Integer({ description: 'Calls and chunks that wait for a replica.' }),
  running: Type.Integer(),
  oldest_age_seconds: Nullable(Type.Number({ description: 'How long the run has waited that waits longest.' })),
  drain_rate: Nullable(Type.Number({ description: 'Calls and batches that ended per second lately.' })),
  state: Type.Enum(['idle', 'starting', 'ready', 'backing-off', 'failing']),
  rollout: Nullable(
    Type.Object({
      version: Type.Integer(),
      state: Type.Enum(['starting', 'failed']),
      reason: Nullable(Type.String({ description: 'Why it never became ready.' })),
    }),
  ),
  trouble: Nullable(Type.String({ description: 'Why no replica becomes ready.' })),
  failures: Type.Integer({
    description: 'Starts in a row that failed, or whose replica was lost before it had done anything.',
  }),
  retry_at: Nullable(Type.String({ description: 'No replica is started before that time, as one has failed.' })),
  last_start_seconds: Nullable(
    Type.Number({ description: 'How long the last replica that became ready took for it.' }),
  ),
});
/** See the schema of the same name. */
export type EndpointBody = Static<typeof EndpointBody>;

/** Every endpoint. */
export const EndpointList = Type.Object({ endpoints: Type.Array(EndpointBody) });
/** See the schema of the same name. */
export type EndpointList = Static<typeof EndpointList>;

/** The body of `POST /endpoints/{endpoint}/warm`, which may be left out. */
export const WarmRequest = Type.Object(
  {
    replicas: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1_000,
        description: 'How many shall be ready; max at most. Without it as many as are kept anyway, and at least one.',
      }),
    ),
  },
  { additionalProperties: false },
);
/** See the schema of the same name. */
export type WarmRequest = Static<typeof WarmRequest>;

/** The query of `DELETE /endpoints/{endpoint}/queue`, once its texts have been read. */
export const PurgeQuery = Type.Object(
  {
    older_than: Type.Optional(
      Type.Number({ minimum: 0, description: 'Only runs that arrived longer ago than so many seconds.' }),
    ),
    run_name: Type.Optional(Type.String()),
    dry_run: Type.Optional(Type.Boolean({ description: 'Counts the runs and cancels none.' })),
  },
  { additionalProperties: false },
);
/** See the schema of the same name. */
export type PurgeQuery = Static<typeof PurgeQuery>;

/** What a purge has cancelled; with `dry_run`, what it would cancel. */
export const PurgeBody = Type.Object({
  cancelled: Type.Integer(),
  dry_run: Type.Optional(Type.Literal(true)),
});
/** See the schema of the same name. */
export type PurgeBody = Static<typeof PurgeBody>;
