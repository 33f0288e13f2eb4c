// Writing the outcome of an attempt. What the table or the model did is an outcome; what a store
// says is none, and never ends a run: its claim is released, and the run is taken up again.

import { type Backoff, pauseOf } from '../domain/backoff.ts';
import { isStorageTrouble } from '../domain/errors.ts';
import { isLack, isSystemError } from '../domain/system-error.ts';
import { type Duration, milliseconds, seconds } from '../domain/time.ts';
import type { AttemptResult, ClaimedRun, FinishedAttempt, Ledger, Recorded } from '../stores/ledger/ledger.ts';
import type { Log } from '../system/log.ts';
import type { DiskRoom } from '../stores/disk/disk-room.ts';
import type { HeldClaim } from './leases.ts';

/** How long a run waits that was handed back. */
const PAUSES: Backoff = { first: milliseconds(500), max: seconds(30) };

/** What it takes to write an outcome. */
export interface FinishDeps {
  readonly ledger: Pick<Ledger, 'finish'>;
  readonly room: DiskRoom;
}

/**
 * Writes what an attempt came to: as often as it takes, until it is written, the claim is somebody
 * else's, or the server stops.
 */
export async function finish(
  { ledger, room }: FinishDeps,
  attempt: FinishedAttempt,
  held: HeldClaim,
): Promise<Recorded> {
  let time: 'first' | 'again' = 'first';
  const [recorded] = await room.untilRoom(() => {
    const finishing = ledger.finish([attempt], time);
    time = 'again';
    return finishing;
  }, held.over);
  return recorded!;
}

/**
 * Whether an error speaks of a store, or of what this server lacks, and so not of the run that met
 * it.
 */
export const isTroubleOfServer = (error: unknown): boolean =>
  isStorageTrouble(error) || isSystemError(error) || isLack(error);

/**
 * What an attempt comes to that met with such an error: it is handed back.
 *
 * @throws the error itself where it speaks of anything else
 */
export function handedBack(error: unknown, claimed: ClaimedRun, log: Log): AttemptResult {
  if (!isTroubleOfServer(error)) throw error;
  const delay = releasePauseOf(claimed);
  log.warn(
    { err: error, run_id: claimed.claim.runId, again_in_ms: delay },
    'a run was put back: what it needs of a store cannot be had now',
  );
  return { kind: 'released', delay };
}

/** How long a run waits that is handed back: the longer the more often it was. */
export function releasePauseOf({ claim, countedAttempts }: ClaimedRun): Duration {
  const before = claim.attempt - countedAttempts;
  return pauseOf(PAUSES, before);
}
