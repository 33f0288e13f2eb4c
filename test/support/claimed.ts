// Runs that are at work, in a ledger without an engine.

import { seconds } from '../../src/domain/time.ts';
import type { ClaimedRun, Ledger, NewRun } from '../../src/stores/ledger/ledger.ts';

/** Queues a run at the endpoint `echo` and claims it. */
export async function claimedRun(
  ledger: Ledger,
  run: NewRun,
  lane: 'replica' | 'engine' = 'replica',
): Promise<ClaimedRun> {
  await ledger.enqueue([run]);
  const slots = [{ replica: lane === 'engine' ? null : 'r', coldStart: null }];
  const lease = seconds(30);
  const [taken] = await ledger.claim({ endpoint: 'echo', version: 1, lane, slots, alone: true, owner: 'me', lease });
  return taken!;
}
