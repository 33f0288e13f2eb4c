// A run, and a page of runs, as they travel.

import { type Static, Type } from 'typebox';

const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);
const Time = Type.String({ description: 'RFC 3339, UTC.' });

/** Where a run stands. */
export const RunStatus = Type.Enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']);

/** Why a run failed: the slug of a problem, and what happened. */
export const RunFailureBody = Type.Object({
  type: Type.String(),
  title: Type.String(),
  detail: Type.String(),
  retryable: Type.Boolean(),
});

/** One try at executing a run. */
export const AttemptBody = Type.Object({
  attempt: Type.Integer(),
  replica: Nullable(Type.String()),
  cold_start_seconds: Nullable(Type.Number()),
  started_at: Time,
  finished_at: Nullable(Time),
  stopped_at: Nullable(Time),
  outcome: Nullable(Type.Enum(['succeeded', 'failed', 'cancelled', 'lost', 'released'])),
  error: Nullable(RunFailureBody),
});
/** See the schema of the same name. */
export type AttemptBody = Static<typeof AttemptBody>;

/** What is known of an output before it is fetched. */
export const OutputFacts = Type.Object({
  href: Type.String(),
  content_type: Type.String(),
  bytes: Type.Integer(),
  sha256: Type.String(),
});

/** How far a run has come. */
export const ProgressBody = Type.Object({
  done: Type.Integer(),
  total: Nullable(Type.Integer({ description: 'Null where the model does not know.' })),
  failed: Type.Integer(),
  unit: Type.Enum(['rows', 'steps']),
  message: Nullable(Type.String()),
});
/** See the schema of the same name. */
export type ProgressBody = Static<typeof ProgressBody>;

/** A run. */
export const RunBody = Type.Object({
  run_id: Type.String(),
  endpoint: Type.String(),
  version: Type.Integer(),
  run_name: Nullable(Type.String()),
  status: RunStatus,
  done: Type.Boolean({ description: 'Whether the status is final.' }),
  created_at: Time,
  started_at: Nullable(Time),
  finished_at: Nullable(Time),
  queue: Nullable(Type.Object({ ahead: Type.Integer(), estimated_start_seconds: Nullable(Type.Number()) })),
  waiting_on: Nullable(Type.Enum(['capacity', 'cold_start', 'retry_delay', 'children', 'draining'])),
  timeout: Nullable(Type.Number({ description: 'Seconds.' })),
  queue_ttl: Nullable(Type.Number({ description: 'Seconds.' })),
  priority: Type.Integer(),
  progress: Nullable(ProgressBody),
  batch: Nullable(Type.Object({ size: Type.Integer(), max_in_flight: Type.Integer(), on_row_error: Type.String() })),
  rows: Nullable(
    Type.Object(
      { from: Type.Integer(), to: Type.Integer() },
      { description: "A chunk's rows of its parent's table, counted from 0." },
    ),
  ),
  attempts: Type.Array(AttemptBody),
  outputs: Type.Unknown({ description: 'The output, where it is JSON at most 256 KiB, and still kept.' }),
  output: Nullable(OutputFacts),
  error: Nullable(RunFailureBody),
  metadata: Type.Record(Type.String(), Type.Unknown()),
  parent_id: Nullable(Type.String()),
  retry_of: Nullable(Type.String({ description: 'The ended run whose input this one tries again.' })),
  concurrency_key: Nullable(Type.String()),
  deduplicated: Type.Optional(
    Type.Literal(true, {
      description:
        'Only in the answer to a submission: no run was made, because this one has the same concurrency key.',
    }),
  ),
  links: Type.Object({
    self: Type.String(),
    output: Type.String(),
    events: Type.String(),
    logs: Type.String(),
    cancel: Type.String(),
    children: Type.Optional(Type.String()),
    parts: Type.Optional(Type.String()),
    deliveries: Type.Optional(Type.String()),
  }),
});
/** See the schema of the same name. */
export type RunBody = Static<typeof RunBody>;

/** A line of a list: a run without its attempts and outputs, which `GET /runs/{id}` has. */
export const RunLine = Type.Omit(RunBody, ['attempts', 'outputs', 'queue', 'waiting_on', 'deduplicated']);
/** See the schema of the same name. */
export type RunLine = Static<typeof RunLine>;

/** A page of runs, newest first. */
export const RunPage = Type.Object({ runs: Type.Array(RunLine), next_cursor: Nullable(Type.String()) });
/** See the schema of the same name. */
export type RunPage = Static<typeof RunPage>;

/** The query of `GET /runs`, once its texts have been read. */
export const RunQuery = Type.Object(
  {
    endpoint: Type.Optional(Type.String()),
    status: Type.Optional(RunStatus),
    run_name: Type.Optional(Type.String()),
    parent_id: Type.Optional(Type.String()),
    created_after: Type.Optional(Time),
    created_before: Type.Optional(Time),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
    cursor: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);
/** See the schema of the same name. */
export type RunQuery = Static<typeof RunQuery>;

/** Longest that one poll may wait, in seconds: shorter than the idle limits of common proxies. */
const WAIT_SECONDS_MAX = 60;

/** The query of `GET /runs/{id}`, once its texts have been read. */
export const WaitQuery = Type.Object(
  {
    wait: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: WAIT_SECONDS_MAX,
        description: 'Answers when the run ends, or so many seconds from now.',
      }),
    ),
  },
  { additionalProperties: false },
);

/** The query of `GET /runs/{id}/output`, once its texts have been read. */
export const OutputQuery = Type.Object(
  {
    partial: Type.Optional(
      Type.Boolean({
        description:
          'Of a batch that has no output, since it failed, was cancelled or goes on: the rows that are done, and the others marked in `inference_error`.',
      }),
    ),
  },
  { additionalProperties: false },
);
/** See the schema of the same name. */
export type OutputQuery = Static<typeof OutputQuery>;
