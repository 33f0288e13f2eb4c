// The bytes of an input or an output: what is known about them, and where they are.

declare const blobKeyBrand: unique symbol;

/** The name of a blob: made by the blob store, never from anything a user sent. */
export type BlobKey = string & { readonly [blobKeyBrand]: true };

/** What is known of a payload without reading it. */
export interface PayloadFacts {
  /** As its sender declared it, parameters included. */
  readonly contentType: string;
  readonly bytes: number;
  /** Lower-case hexadecimal, 64 characters; checked whenever the payload is read whole. */
  readonly sha256: string;
}

/** A payload: small ones travel with their run's row, larger ones lie in the blob store. */
export interface Payload extends PayloadFacts {
  readonly body: { readonly inline: Uint8Array } | { readonly blob: BlobKey };
}

/**
 * Some of a payload's bytes: from `from` up to, but not including, `to`, counted from 0. Never
 * none.
 */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Largest payload kept in the ledger, in bytes; anything longer goes to the blob store.
 * Source: the reliability page (pitfall "large results in the DB"), which takes 16 KiB as peers do.
 */
export const INLINE_PAYLOAD_BYTES_MAX = 16 * 1_024;

/**
 * Largest payload that is held in memory on its way, in bytes; anything longer flows between the
 * socket and the disk. Tables and envelopes of any length are held: they are looked into.
 * Source: a megabyte is read in a millisecond, and a thousand of them fit into memory.
 */
export const HELD_PAYLOAD_BYTES_MAX = 1_024 * 1_024;

/**
 * Largest JSON output that is shown inside its run, in bytes. Source: the HTTP contract
 * (`outputs`).
 */
export const EMBEDDED_JSON_BYTES_MAX = 256 * 1_024;

/**
 * The content type of an input that is only named: its bytes are the URL, and the lane that
 * executes the run fetches what is there. Never taken from a request.
 */
export const LOCATION_TYPE = 'application/vnd.claimcheck.location';

/**
 * Whether a content type is JSON: `application/json`, with parameters or not, or any
 * `application/…+json`.
 */
export const isJson = (contentType: string): boolean =>
  /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(contentType.trim());
