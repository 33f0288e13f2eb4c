// What a run was given and what it answered, as it was stored; until its retention is over.

import type { Readable } from 'node:stream';
import { BlobDamaged } from '../stores/blobs/blobs.ts';
import { ServiceError } from '../domain/errors.ts';
import type { RunId } from '../domain/ids.ts';
import type { ByteRange, Payload, PayloadFacts } from '../domain/payload.ts';
import type { RunReader } from '../stores/ledger/ledger.ts';
import type { Log } from '../system/log.ts';
import type { Payloads } from './payloads.ts';

/** An input or an output with all its bytes. */
export interface Stored extends PayloadFacts {
  readonly content: Uint8Array;
}

/** What it takes to read one. */
export interface StoredDeps {
  readonly ledger: RunReader;
  readonly payloads: Payloads;
  readonly log: Log;
}

/**
 * An input or an output: its bytes where they are few, or a stream of them, to be read to its end
 * or destroyed.
 */
export interface OpenStored extends PayloadFacts {
  readonly content: Uint8Array | Readable;
}

/**
 * The input or the output of a run, or null where it has none or it is no longer kept.
 *
 * @throws ServiceError `payload-damaged` when the store does not have the bytes that were put there
 */
export function readStored(deps: StoredDeps, runId: RunId, role: 'input' | 'output'): Promise<Stored | null> {
  return load(deps, runId, role, async (payload) => ({ ...payload, content: await deps.payloads.read(payload) }));
}

/**
 * As `readStored`, without holding what is large; a stream that turns out to be damaged fails
 * before its end.
 *
 * @param range some of the bytes; the facts are those of all
 */
export function openStored(
  deps: StoredDeps,
  runId: RunId,
  role: 'input' | 'output',
  range?: ByteRange,
): Promise<OpenStored | null> {
  return load(deps, runId, role, async (payload) => ({
    ...payload,
    content: await deps.payloads.open(payload, range),
  }));
}

async function load<Loaded>(
  { ledger, log }: StoredDeps,
  runId: RunId,
  role: 'input' | 'output',
  read: (payload: Payload) => Promise<Loaded>,
): Promise<Loaded | null> {
  const payload = await ledger.payload(runId, role);
  if (payload === null) return null;
  try {
    return await read(payload);
  } catch (cause) {
    if (!(cause instanceof BlobDamaged)) throw cause;
    // Its retention may have ended since the ledger was asked, and then the blob is gone as it
    // should be.
    if ((await ledger.run(runId))?.payloadsKept !== true) return null;
    log.error({ err: cause, run_id: runId }, `the ${role} of a run is damaged in the store`);
    throw new ServiceError('payload-damaged', `The ${role} of this run is damaged in the store.`, { runId, cause });
  }
}
