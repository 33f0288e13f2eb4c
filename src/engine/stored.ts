// What a run was given and what it answered, as it was stored; until its retention is over.

import { BlobDamaged } from '../blobs/blobs.ts';
import { ServiceError } from '../domain/errors.ts';
import type { RunId } from '../domain/ids.ts';
import type { PayloadFacts } from '../domain/payload.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Log } from '../log.ts';
import type { Payloads } from './payloads.ts';

/** An input or an output with all its bytes. */
export interface Stored extends PayloadFacts {
  readonly content: Uint8Array;
}

/** What it takes to read one. */
export interface StoredParts {
  readonly ledger: Ledger;
  readonly payloads: Payloads;
  readonly log: Log;
}

/**
 * The input or the output of a run, or null where it has none or it is no longer kept.
 *
 * @throws ServiceError `internal` when the store does not have the bytes that were put there
 */
export async function readStored(
  { ledger, payloads, log }: StoredParts,
  runId: RunId,
  role: 'input' | 'output',
): Promise<Stored | null> {
  const payload = await ledger.payload(runId, role);
  if (payload === null) return null;
  try {
    return { ...payload, content: await payloads.read(payload) };
  } catch (cause) {
    if (!(cause instanceof BlobDamaged)) throw cause;
    // Its retention may have ended since the ledger was asked, and then the blob is gone as it should be.
    if ((await ledger.run(runId))?.payloadsKept !== true) return null;
    log.error({ err: cause, run_id: runId }, `the ${role} of a run is damaged in the store`);
    throw new ServiceError('internal', `The ${role} of this run is damaged in the store.`, { runId, cause });
  }
}
