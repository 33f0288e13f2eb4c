// What is kept of an endpoint's answers, as it travels. Keys and answers are the client's own
// affair: the server knows digests and text.

import { type Static, Type } from 'typebox';

/** Most keys of one request: as text they are 3.5 MB, which is read and checked in some 50 ms. */
const CACHE_KEYS_MAX = 100_000;

const Key = Type.String({
  pattern: '^[0-9a-f]{32}$',
  description: 'The first 16 bytes of a SHA-256 in hexadecimal.',
});
const Keys = Type.Array(Key, { maxItems: CACHE_KEYS_MAX });
const Version = Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1, description: 'A version of the endpoint.' });
/** The form of a caller's id. */
export const CALLER = /^[A-Za-z0-9_-]{8,64}$/;
const Caller = Type.String({
  pattern: CALLER.source,
  description: 'The caller that computes what is not there: an id of the client’s own making, new for every table.',
});
const Lease = Type.Number({
  minimum: 1,
  maximum: 300,
  description: 'Seconds after which the claims lapse, unless they are renewed.',
});

/** The body of `POST /endpoints/{endpoint}/cache/lookup`. */
export const CacheLookup = Type.Object(
  {
    version: Version,
    any_version: Type.Optional(
      Type.Boolean({ description: 'Whether answers of other versions will do; the newest is taken (false).' }),
    ),
    caller: Caller,
    lease: Lease,
    keys: Keys,
  },
  { additionalProperties: false },
);
/** See the schema of the same name. */
export type CacheLookup = Static<typeof CacheLookup>;

/** The query of `POST /endpoints/{endpoint}/cache/entries`, once its texts have been read. */
export const CacheEntriesQuery = Type.Object({ version: Version, caller: Caller }, { additionalProperties: false });

/** How many answers were new. */
export const CacheKept = Type.Object({ kept: Type.Integer() });
/** See the schema of the same name. */
export type CacheKept = Static<typeof CacheKept>;

/** The body of `PUT /endpoints/{endpoint}/cache/claims/{caller}`. */
export const CacheLease = Type.Object(
  {
    lease: Lease,
    run: Type.Optional(
      Type.Object(
        {
          id: Type.String({ description: 'A batch of this endpoint whose output is JSON Lines.' }),
          key_columns: Type.Array(Type.String(), { minItems: 1, description: 'What a row of its table is known by.' }),
          output_key_column: Type.Optional(
            Type.String({ description: 'The column of the output that must have the key as it was sent.' }),
          ),
        },
        {
          additionalProperties: false,
          description:
            'The run that computes the rows. Until it has ended, the server keeps its answers as its parts end and renews the claims, also where the caller is gone.',
        },
      ),
    ),
  },
  { additionalProperties: false },
);
/** See the schema of the same name. */
export type CacheLease = Static<typeof CacheLease>;

/** How many claims a caller has. */
export const CacheClaims = Type.Object({ claims: Type.Integer() });
/** See the schema of the same name. */
export type CacheClaims = Static<typeof CacheClaims>;

/** How much is kept of an endpoint, and how often it was of use. */
export const CacheInfoBody = Type.Object({
  rows: Type.Integer(),
  bytes: Type.Integer({ description: 'Of the answers alone.' }),
  hits: Type.Integer({ description: 'Keys that were answered.' }),
  misses: Type.Integer({ description: 'Keys that had to be computed.' }),
  keys: Type.Integer({ description: 'Keys that have an answer, each once, however many versions have one.' }),
  versions: Type.Array(Type.Object({ version: Type.Integer(), rows: Type.Integer(), bytes: Type.Integer() }), {
    description: 'Newest first.',
  }),
});
/** See the schema of the same name. */
export type CacheInfoBody = Static<typeof CacheInfoBody>;

/** The body of `POST /endpoints/{endpoint}/cache/entries/delete`. */
export const CacheDeletion = Type.Object({ keys: Keys }, { additionalProperties: false });
/** See the schema of the same name. */
export type CacheDeletion = Static<typeof CacheDeletion>;

/** How many answers were forgotten. */
export const CacheDeleted = Type.Object({ deleted: Type.Integer() });
/** See the schema of the same name. */
export type CacheDeleted = Static<typeof CacheDeleted>;

/** What compacting has given back. */
export const CacheCompacted = Type.Object({
  freed_bytes: Type.Integer({ description: '0 where the store does not say, as Postgres does not.' }),
});
/** See the schema of the same name. */
export type CacheCompacted = Static<typeof CacheCompacted>;
