// The port to where answers are kept, so that a row which was computed once is not computed again:
// a server's own store, a database that several servers share, or a file beside a program. Rows are
// known by digests alone; what a row was, nothing here can tell.
//
// The first caller that asks for a key which nobody knows gets a claim on it, and all others are
// told that it is being computed. A claim lapses unless it is renewed, so a caller that dies frees
// its keys. It guards work and not truth: two that compute the same key do no harm.

import type { Duration, Instant } from '../domain/time.ts';

declare const cacheKeyBrand: unique symbol;

/** What a row is known by: the first 16 bytes of a SHA-256, as 32 lower-case hexadecimal digits. */
export type CacheKey = string & { readonly [cacheKeyBrand]: true };

/** The form of a `CacheKey`. */
export const CACHE_KEY = /^[0-9a-f]{32}$/;

/**
 * Whose answers, and of which endpoint. In a file beside a program, the tenant is the URL of the
 * server.
 */
export interface CachePlace {
  readonly tenant: string;
  readonly endpoint: string;
}

/** What is asked for. */
export interface Question {
  /** The version of the endpoint that answers now. */
  readonly version: number;
  /** Whether answers of other versions will do; then the newest there is. */
  readonly anyVersion: boolean;
  /** Who asks, and will compute what is not there: an id of the caller's own making. */
  readonly caller: string;
  /** How long a claim stands unless it is renewed. */
  readonly lease: Duration;
  readonly keys: readonly CacheKey[];
  /** Once the answers are that long together, the rest of the keys is left for another question. */
  readonly bytesMax: number;
}

/**
 * What is known of a key: its answer, that it is now the caller's to compute, or that somebody else
 * computes it.
 */
export type Found = { readonly answer: string } | 'mine' | 'others';

/** An answer to be kept: JSON text without a line end, every digit as the model wrote it. */
export interface Answered {
  readonly key: CacheKey;
  readonly answer: string;
}

/** Answers that were computed. */
export interface ComputedAnswers {
  /** The version that computed them, also where another was asked for. */
  readonly version: number;
  readonly caller: string;
  readonly entries: readonly Answered[];
  /**
   * Whether a key that is known gets this answer in place of the one it has (false): the same
   * answer, of which more is known now.
   */
  readonly replaces?: boolean | undefined;
}

/** How much is kept of one version of an endpoint. */
export interface VersionInfo {
  readonly version: number;
  readonly rows: number;
  /** Of the answers alone, without what the store needs to find them. */
  readonly bytes: number;
}

/** How much is kept of an endpoint, and how often it was of use. */
export interface CacheInfo {
  /** Answers of all versions. */
  readonly rows: number;
  /** Of the answers alone. */
  readonly bytes: number;
  /** Keys that were answered, and keys that had to be computed. */
  readonly hits: number;
  readonly misses: number;
  /** Keys that have an answer, each once, however many versions have one. */
  readonly keys: number;
  /** Newest first; none that has nothing. */
  readonly versions: readonly VersionInfo[];
}

/** What all versions have together. */
export const totalOf = (versions: readonly VersionInfo[]): Pick<CacheInfo, 'rows' | 'bytes'> => ({
  rows: versions.reduce((sum, { rows }) => sum + rows, 0),
  bytes: versions.reduce((sum, { bytes }) => sum + bytes, 0),
});

/**
 * What a look at keys counts for: those that had an answer, and those that are to be computed by
 * who asked. What others compute is neither.
 */
export const usesOf = (found: readonly Found[]): Pick<CacheInfo, 'hits' | 'misses'> => ({
  hits: found.filter((one) => typeof one === 'object').length,
  misses: found.filter((one) => one === 'mine').length,
});

/**
 * See the head of this file. Every method may be called by several processes at once; each call is
 * one transaction unless it says otherwise.
 */
export interface CacheStore {
  /**
   * What is known of the keys, in their order: of as many from the first on as `bytesMax` lets in,
   * and of one at least.
   */
  lookUp(place: CachePlace, question: Question): Promise<readonly Found[]>;
  /**
   * Keeps answers, and ends the caller's claims on their keys. A key that is known keeps the answer
   * it has, unless it is replaced. Answers how many are new.
   */
  keep(place: CachePlace, kept: ComputedAnswers): Promise<number>;
  /** Renews every claim of a caller, from now on. Answers how many it has. */
  renew(place: CachePlace, caller: string, lease: Duration): Promise<number>;
  /** Ends every claim of a caller. */
  release(place: CachePlace, caller: string): Promise<void>;
  info(place: CachePlace): Promise<CacheInfo>;
  /**
   * Forgets every answer of an endpoint, in more than one transaction where there are many. Answers
   * how many.
   */
  clear(place: CachePlace): Promise<number>;
  /** Forgets the answers of these keys, of every version. Answers how many. */
  deleteEntries(place: CachePlace, keys: readonly CacheKey[]): Promise<number>;
  /**
   * Forgets answers of any endpoint that nobody has asked for since, and claims that have lapsed.
   * Answers how many: when it is 0, there are no more.
   */
  evict(unusedSince: Instant): Promise<number>;
  /**
   * Gives room that is no longer needed back to the disk. Answers how many bytes, as far as the
   * store can tell.
   */
  compact(): Promise<number>;
  close(): Promise<void>;
}

/** The store of one endpoint's answers. */
export type AnswerStore = {
  readonly [Verb in Exclude<keyof CacheStore, 'evict'>]: CacheStore[Verb] extends (
    place: CachePlace,
    ...args: infer Args
  ) => infer Result
    ? (...args: Args) => Result
    : CacheStore[Verb];
};

/**
 * How old the time may be that says when an answer was last used, in milliseconds: a day. To write
 * it down with every use would make a write of every look.
 */
export const USED_WITHIN_MS = 86_400_000;
