// The request of an invocation: an envelope of JSON, or raw bytes with the options in the query.

import { type Static, Type } from 'typebox';

const Seconds = (maximum: number) => Type.Number({ exclusiveMinimum: 0, maximum });

/** How a table is run. */
export const BatchChoice = Type.Object(
  {
    size: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'Rows per chunk.' })),
    max_in_flight: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 10_000, description: 'Chunks outstanding at once.' }),
    ),
    on_row_error: Type.Optional(
      Type.Enum(['mark', 'drop', 'fail'], { description: 'What to do with rows that fail alone.' }),
    ),
  },
  { additionalProperties: false },
);

/** Longest `timeout` that a request may ask for, in seconds; an endpoint's own may be longer. */
const TIMEOUT_SECONDS_MAX = 3_600;
/** Longest `queue_ttl` that a request may ask for, in seconds. */
const QUEUE_TTL_SECONDS_MAX = 7 * 86_400;

/** What can be told of a run. */
export const CallbackEvent = Type.Enum(['run.succeeded', 'run.failed', 'run.cancelled']);
/** See the schema of the same name. */
export type CallbackEvent = Static<typeof CallbackEvent>;

/** What an invocation may say beside its input, in an envelope's members. */
const InvokeOptions = {
  async: Type.Optional(
    Type.Boolean({
      description:
        'true: answer 202 at once; false: wait for the end. Unset: the Prefer header, then the endpoint decides.',
    }),
  ),
  run_name: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
  timeout: Type.Optional({ ...Seconds(TIMEOUT_SECONDS_MAX), description: 'Limit of one attempt, in seconds.' }),
  queue_ttl: Type.Optional({
    ...Seconds(QUEUE_TTL_SECONDS_MAX),
    description: 'Longest wait in the queue, in seconds.',
  }),
  priority: Type.Optional(Type.Integer({ minimum: -100, maximum: 100, description: 'Higher starts first.' })),
  concurrency_key: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      description: 'While a run of the endpoint with this key has not ended, no other is made: the answer is that run.',
    }),
  ),
  callback_url: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 2_048,
      description: 'Where the end of the run is told: a webhook, signed, and sent until it has arrived.',
      examples: ['https://hooks.example/claimcheck'],
    }),
  ),
  callback_events: Type.Optional(
    Type.Array(CallbackEvent, { minItems: 1, maxItems: 3, description: 'What is told; unset, every end.' }),
  ),
  metadata: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), {
      maxProperties: 64,
      description: 'Kept with the run and shown with it.',
    }),
  ),
  batch: Type.Optional(Type.Union([Type.Boolean(), BatchChoice])),
};

/**
 * The envelope: `input`, or `parameters` (an object) as pipeline callers name it, or where the
 * input is to be fetched; and the options.
 */
export const InvokeEnvelope = Type.Object(
  {
    input: Type.Optional(Type.Unknown()),
    parameters: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    input_location: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 2_048,
        description:
          'A URL in the place of the input, which is fetched when an attempt starts and handed on whole, with the content type that it is answered with.',
        examples: ['https://files.example/molecules.csv'],
      }),
    ),
    skip_artifact_materialization: Type.Optional(
      Type.Boolean({
        description:
          'Pipeline callers send it. Without effect: an output is always kept, and always in the answer as well.',
      }),
    ),
    ...InvokeOptions,
  },
  { additionalProperties: false },
);
/** See the schema of the same name. */
export type InvokeEnvelope = Static<typeof InvokeEnvelope>;

/** The query of a raw invocation, once its texts have been read as numbers and booleans. */
export const InvokeQuery = Type.Object(
  {
    async: InvokeOptions.async,
    run_name: InvokeOptions.run_name,
    timeout: InvokeOptions.timeout,
    queue_ttl: InvokeOptions.queue_ttl,
    priority: InvokeOptions.priority,
    concurrency_key: InvokeOptions.concurrency_key,
    callback_url: InvokeOptions.callback_url,
    callback_events: Type.Optional(
      Type.String({
        pattern: '^run\\.(?:succeeded|failed|cancelled)(?:,run\\.(?:succeeded|failed|cancelled)){0,2}$',
        description: 'The same, with commas between them.',
        examples: ['run.succeeded,run.failed'],
      }),
    ),
    batch: Type.Optional(Type.Boolean()),
    batch_size: BatchChoice.properties.size,
    max_in_flight: BatchChoice.properties.max_in_flight,
    on_row_error: BatchChoice.properties.on_row_error,
  },
  { additionalProperties: false },
);
/** See the schema of the same name. */
export type InvokeQuery = Static<typeof InvokeQuery>;
