// The shape of a configuration file: what a person may write.

import { type Static, Type } from 'typebox';
import { RUN_FAILURES } from '../domain/errors.ts';

const Duration = Type.Union([Type.String(), Type.Number({ minimum: 0 })], {
  description: "'90s', '10m', '6h', '7d' or a number of seconds.",
});

const Bytes = Type.Union([Type.String(), Type.Integer({ minimum: 0 })], {
  description: "'512MB', '2GiB' or a number of bytes.",
});

/** Longest that anything may be which is held in memory, in bytes. */
const HELD_MAX = 2 ** 31 - 1;

const Replicas = Type.Object(
  {
    min: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000 })),
    max: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
    concurrency: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
    idle: Type.Optional(Duration),
    startTimeout: Type.Optional(Duration),
    memory: Type.Optional(Bytes),
    pids: Type.Optional(
      Type.Integer({ minimum: 16, maximum: 4_194_304, description: 'Processes and threads that a replica may have.' }),
    ),
    outputBytes: Type.Optional(Bytes),
    flushes: Type.Optional(
      Type.Boolean({
        description:
          'Whether a program writes out every line before it answers the run that the line is of, so that its lines are kept with that run.',
      }),
    ),
  },
  { additionalProperties: false },
);

const Isolation = Type.Object({ user: Type.Optional(Type.Enum(['own', 'server'])) }, { additionalProperties: false });

const Retry = Type.Object(
  {
    maxAttempts: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
    on: Type.Optional(Type.Array(Type.Enum([...RUN_FAILURES]))),
  },
  { additionalProperties: false },
);

/** Whose model is deployed: a file, a command, or a server. */
const Model = Type.Union(
  [
    Type.String({ minLength: 1 }),
    Type.Array(Type.String({ minLength: 1 }), { minItems: 1 }),
    Type.Object({ url: Type.String({ minLength: 1 }) }, { additionalProperties: false }),
  ],
  {
    description:
      "A file with a defineModel export, a Python file, a command like ['python3', 'serve.py'], or a server like { url: 'http://10.0.0.7:8080' }.",
  },
);

/** What keys may deploy. */
export const DeployFile = Type.Object(
  {
    allow: Type.Optional(
      Type.Array(Model, {
        description: 'Models, as endpoints have them; a folder stands for all files in it.',
      }),
    ),
    env: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), { description: 'Names of variables that may be given to them.' }),
    ),
    users: Type.Optional(
      Type.Array(Type.Enum(['own', 'server']), {
        minItems: 1,
        description:
          "Whom they may run as, with the operator's token as well: ['own'] unless set. The server's user may do all that the server can.",
      }),
    ),
  },
  {
    additionalProperties: false,
    description: 'What may be deployed over HTTP with a key of the scope manage, beyond what the endpoints are.',
  },
);
/** See the schema of the same name. */
export type DeployFile = Static<typeof DeployFile>;

/** An endpoint as it is written. */
export const EndpointFile = Type.Object(
  {
    model: Model,
    mode: Type.Optional(Type.Enum(['sync', 'async'])),
    default: Type.Optional(Type.Boolean()),
    batchSize: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    maxInFlight: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
    onRowError: Type.Optional(Type.Enum(['mark', 'drop', 'fail'])),
    timeout: Type.Optional(Duration),
    syncTimeout: Type.Optional(Duration),
    queueTtl: Type.Optional(Duration),
    queueLimit: Type.Optional(Type.Integer({ minimum: 0, maximum: 100_000_000 })),
    concurrencyLimit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1_000_000,
        description: 'Calls and chunks that may run at once over all servers.',
      }),
    ),
    retention: Type.Optional(Duration),
    retry: Type.Optional(Retry),
    replicas: Type.Optional(Replicas),
    isolation: Type.Optional(Isolation),
    env: Type.Optional(Type.Record(Type.String(), Type.String())),
    python: Type.Optional(
      Type.String({ minLength: 1, description: "The interpreter of a Python file: 'python3', './.venv/bin/python'." }),
    ),
    cwd: Type.Optional(Type.String({ minLength: 1 })),
    features: Type.Optional(Type.Array(Type.String({ minLength: 1 }))),
    target: Type.Optional(
      Type.String({ minLength: 1, description: 'The column of the input that predictions are compared with.' }),
    ),
    prediction: Type.Optional(
      Type.String({ minLength: 1, description: 'The column of the output that has the prediction.' }),
    ),
    task: Type.Optional(
      Type.Enum(['regression', 'classification'], {
        description: 'What is scored, where the values do not tell: 0 and 1 are numbers, and may be classes.',
      }),
    ),
    idColumn: Type.Optional(
      Type.String({ minLength: 1, description: 'The column of the input that tells rows apart.' }),
    ),
    evaluation: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          "A .csv or .jsonl file with rows to try the endpoint on; those whose column 'training' is true are left out.",
      }),
    ),
    face: Type.Optional(
      Type.Enum(['zenml'], {
        description: "Whose clients it answers in their own form: those of ZenML's pipeline deployments.",
      }),
    ),
    tags: Type.Optional(Type.Array(Type.String())),
    description: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);
/** See the schema of the same name. */
export type EndpointFile = Static<typeof EndpointFile>;

/** A whole configuration as it is written. */
export const ConfigFile = Type.Object(
  {
    endpoints: Type.Record(Type.String(), EndpointFile),
    host: Type.Optional(Type.String({ minLength: 1 })),
    port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
    hosts: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        description:
          "Names that requests may have for this server beside this machine's: 'models.example'. '*' for any.",
      }),
    ),
    publicUrl: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          "Where it is found through a proxy: 'https://example.com/models'. Its path stands before those in answers.",
      }),
    ),
    trustProxy: Type.Optional(
      Type.Union([Type.Boolean(), Type.Array(Type.String({ minLength: 1 }))], {
        description: "Whose X-Forwarded headers are believed: true for everybody's, or networks like '10.0.0.0/8'.",
      }),
    ),
    data: Type.Optional(Type.String({ minLength: 1 })),
    database: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'A postgres:// URL for the runs, in place of a file in the data folder.',
      }),
    ),
    insecure: Type.Optional(
      Type.Boolean({ description: 'Whether to listen beyond this machine while there is no key to ask for.' }),
    ),
    logLevel: Type.Optional(Type.Enum(['debug', 'info', 'warn', 'error', 'silent'])),
    isolation: Type.Optional(
      Type.Object(
        { firstUid: Type.Optional(Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1 })) },
        { additionalProperties: false },
      ),
    ),
    cors: Type.Optional(
      Type.Object(
        {
          origins: Type.Array(Type.String({ pattern: '^https?://[^/*?#]+$' }), {
            minItems: 1,
            description:
              "Sites whose pages may use this server from a browser: 'https://app.example'. There is no '*'.",
          }),
        },
        { additionalProperties: false },
      ),
    ),
    deploy: Type.Optional(DeployFile),
    cache: Type.Optional(
      Type.Object(
        { unusedFor: Type.Optional(Duration) },
        {
          additionalProperties: false,
          description: 'How long an answer is kept that nobody asks for (30d).',
        },
      ),
    ),
    egress: Type.Optional(
      Type.Object(
        {
          httpsOnly: Type.Optional(
            Type.Boolean({ description: 'Whether callbacks and inputs by reference must be https:// URLs.' }),
          ),
          allow: Type.Optional(
            Type.Array(Type.String({ minLength: 1 }), {
              description:
                "What they may lead to though it is not public: networks ('10.1.2.0/24'), addresses and names ('hooks.internal').",
            }),
          ),
        },
        { additionalProperties: false },
      ),
    ),
    limits: Type.Optional(
      Type.Object(
        {
          bodyBytes: Type.Optional(
            Type.Integer({
              minimum: 1_024,
              maximum: 2 ** 40,
              description: 'Longest body (2 GiB). It flows to the disk, and costs no memory.',
            }),
          ),
          tableBytes: Type.Optional(
            Type.Integer({
              minimum: 1_024,
              maximum: HELD_MAX,
              description:
                'Longest table that is held while its batch is at work (256 MiB): Arrow, and what is fetched by reference. CSV and JSON Lines stay on the disk.',
            }),
          ),
          envelopeBytes: Type.Optional(
            Type.Integer({
              minimum: 1_024,
              maximum: HELD_MAX,
              description: 'Longest envelope (64 MiB); held while it is taken in.',
            }),
          ),
          connections: Type.Optional(
            Type.Integer({
              minimum: 1,
              maximum: 1_000_000,
              description: 'Connections that may be open at once (10,000).',
            }),
          ),
          connectionsPerAddress: Type.Optional(
            Type.Integer({
              minimum: 1,
              maximum: 1_000_000,
              description: 'Those of one address, or of one IPv6 network of 64 bits (2,000). A proxy is one address.',
            }),
          ),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);
/** See the schema of the same name. */
export type ConfigFile = Static<typeof ConfigFile>;
