// Executes calls and chunks on replicas.

import { type Clock, jitter, startTimer } from '../clock.ts';
import { outputKey } from '../blobs/blobs.ts';
import { after, type Duration, toRfc3339 } from '../domain/time.ts';
import type { AttemptResult, ClaimedRun, Ledger } from '../ledger/ledger.ts';
import type { Log } from '../log.ts';
import { ATTEMPT_HEADER, DEADLINE_HEADER, RUN_ID_HEADER } from '../model/protocol.ts';
import type { Reply } from '../replicas/replica.ts';
import type { ReservedSlot, Supervisor } from '../replicas/supervisor.ts';
import type { BatchInputs } from './batch-inputs.ts';
import type { Deployed } from './deployment.ts';
import type { Lane } from './dispatcher.ts';
import type { DrainRate } from './drain-rate.ts';
import type { HeldClaim, StopReason } from './leases.ts';
import { failureOf, resultOfFailure } from './outcome.ts';
import type { Payloads } from './payloads.ts';
import type { RunEvents } from './run-events.ts';

/** Slots reserved at a time: enough to fill a replica fleet, few enough that a claim stays a short transaction. */
const RESERVE_MAX = 64;

/** What the lane works with. */
export interface ReplicaLaneParts {
  readonly deployed: Deployed;
  readonly supervisor: Supervisor;
  readonly ledger: Ledger;
  readonly payloads: Payloads;
  readonly inputs: BatchInputs;
  readonly events: RunEvents;
  readonly drainRate: DrainRate;
  /** Called with the delay after which a run is due again. */
  readonly onRetry: (delay: Duration) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** The lane for calls and chunks of one endpoint. */
export function replicaLane(parts: ReplicaLaneParts): Lane<ReservedSlot> {
  const { deployed, supervisor, ledger } = parts;
  return {
    name: 'replica',
    async reserve() {
      await startForBacklog();
      return supervisor.reserve(RESERVE_MAX);
    },
    execute: (claimed, slot, held) => execute(parts, claimed, slot, held),
  };

  async function startForBacklog(): Promise<void> {
    if (!supervisor.canGrow) return;
    const depth = (await ledger.depths()).find(({ endpoint }) => endpoint === deployed.spec.name);
    supervisor.demand(depth?.backlog ?? 0);
  }
}

async function execute(
  parts: ReplicaLaneParts,
  claimed: ClaimedRun,
  slot: ReservedSlot,
  held: HeldClaim,
): Promise<void> {
  const { ledger, events, drainRate, clock, log } = parts;
  const { runId, attempt } = claimed.claim;
  const result = await attemptResult(parts, claimed, slot, held);
  const [recorded] = await ledger.finish([{ claim: claimed.claim, result, progress: null }]);
  drainRate.ended(clock.now());
  if (recorded === 'lost') {
    if (result.kind === 'succeeded') await parts.payloads.discard(result.output);
    log.info({ run_id: runId, attempt }, 'outcome refused: the claim was lost');
    return;
  }
  if (result.kind === 'retry') parts.onRetry(result.delay);
  if (result.kind === 'succeeded' || result.kind === 'failed') {
    const { parentId, rows } = claimed.run;
    events.ended({ runId, parentId, rows, status: result.kind, error: result.kind === 'failed' ? result.error : null });
  }
}

async function attemptResult(
  parts: ReplicaLaneParts,
  claimed: ClaimedRun,
  slot: ReservedSlot,
  held: HeldClaim,
): Promise<AttemptResult> {
  const { payloads, deployed } = parts;
  const { runId, attempt } = claimed.claim;
  const input = await inputOf(parts, claimed).catch((error: unknown) => {
    parts.log.error({ err: error, run_id: runId }, 'the input of a run cannot be read');
    slot.release();
    return null;
  });
  if (input === null)
    return { kind: 'failed', error: { type: 'internal', detail: 'The input of this run is damaged in the store.' } };
  const reply = await invoke(parts, claimed, slot, held, input);
  const reason = held.signal.aborted ? (held.signal.reason as StopReason) : null;
  const failure = failureOf(reply, reason, claimed);
  if (failure !== null) return resultOfFailure(failure, claimed, deployed.spec.retry, jitter());
  const { bytes, contentType } = reply as Reply & { kind: 'output' };
  return { kind: 'succeeded', output: await payloads.store(bytes, contentType, outputKey(runId, attempt)) };
}

interface Input {
  readonly bytes: Uint8Array;
  readonly contentType: string;
}

/** A chunk's input is its rows of the parent's table; a call's is its own. */
async function inputOf({ payloads, inputs }: ReplicaLaneParts, { run, input }: ClaimedRun): Promise<Input> {
  if (run.parentId !== null && run.rows !== null) return inputs.slice(run.parentId, run.rows);
  return { bytes: await payloads.read(input!), contentType: input!.contentType };
}

async function invoke(
  parts: ReplicaLaneParts,
  claimed: ClaimedRun,
  slot: ReservedSlot,
  held: HeldClaim,
  { bytes, contentType }: Input,
): Promise<Reply> {
  const { run, claim } = claimed;
  const stopTimer = run.timeout === null ? null : startTimer(run.timeout, () => held.stop('timeout'));
  const headers: Record<string, string> = {
    'content-type': contentType,
    [RUN_ID_HEADER]: claim.runId,
    [ATTEMPT_HEADER]: String(claim.attempt),
  };
  if (run.accept !== null) headers['accept'] = run.accept;
  if (run.timeout !== null) headers[DEADLINE_HEADER] = toRfc3339(after(parts.clock.now(), run.timeout));
  try {
    return await slot.invoke({ headers, body: bytes }, held.signal);
  } finally {
    stopTimer?.();
  }
}
