// Executes calls and chunks on replicas.
//
// A run that has lost its worker runs alone from then on, so that the blame falls on no other when its worker is lost again. Where a
// replica takes several runs at once, the lane must make room for that, and does so only while such a solo run waits: it reserves the
// whole of an idle replica, and where none is idle it spares one until it is. Whatever the ledger then hands out for the whole replica
// decides: a solo run keeps all of it until the replica has stopped working on it, any other run shares it again at once.
//
// The ledger is not asked for solo runs before every claim, but only after something that can have made one: a retry of this server that is
// due, and the sweep, which comes every second and so hears of what it took back itself, of another server's, and of an earlier one's.
// As long as there are any, the lane goes on asking. A solo run waits one sweep longer at the most than it would otherwise.

import { type Clock, jitter, startTimer } from '../system/clock.ts';
import { BlobDamaged, fetchedKey, outputKey } from '../stores/blobs/blobs.ts';
import type { ModelSource } from '../domain/endpoint.ts';
import type { RunError } from '../domain/errors.ts';
import type { RunId } from '../domain/ids.ts';
import { HELD_PAYLOAD_BYTES_MAX, LOCATION_TYPE, type Payload } from '../domain/payload.ts';
import { after, type Duration, elapsed, milliseconds, toRfc3339 } from '../domain/time.ts';
import type { AttemptResult, ClaimedRun, Ledger } from '../stores/ledger/ledger.ts';
import type { Log } from '../system/log.ts';
import {
  ATTEMPT_HEADER,
  CALLBACK_HEADER,
  DEADLINE_HEADER,
  METADATA_HEADER,
  METADATA_HEADER_MAX,
  ROWS_HEADER,
  RUN_ID_HEADER,
} from '../model/protocol.ts';
import type { RunLogs } from '../stores/run-logs/run-logs.ts';
import type { Callbacks } from '../replicas/callbacks.ts';
import type { Invocation, Reply } from '../replicas/contract.ts';
import type { ReservedSlot, Supervisor } from '../replicas/supervisor.ts';
import type { DiskRoom } from '../stores/disk/disk-room.ts';
import { traceHeaders } from '../system/trace-context.ts';
import type { Traced, Tracing } from '../system/tracing.ts';
import type { BatchInputs } from './batch/inputs.ts';
import type { Deployed } from './deployment.ts';
import type { Lane } from './dispatcher.ts';
import type { DrainRates } from './drain-rate.ts';
import { asDeclared, type Declared } from './feature-names.ts';
import { digitsOf } from './handed-numbers.ts';
import type { HeldClaim, StopReason } from './leases.ts';
import { attemptAttributes, outcomeOf, type RunObserver } from './observer.ts';
import { fetchInput, type FetchDeps, InputUnavailable } from './located-input.ts';
import { finish, handedBack, isTroubleOfServer } from './finish.ts';
import { type Failure, failureOf, resultOfFailure } from './outcome.ts';
import { isHeld, type Payloads } from './payloads.ts';
import { openReports, type AttemptReports } from './reports.ts';
import { textTypeOf } from '../table/border.ts';
import { disorderIn } from './batch/row-order.ts';
import type { RunEvents } from './run-events.ts';
import { checkFetched, InputUnfit, needsAllRows } from './whole-table.ts';

/** Slots reserved at a time: enough to fill a replica fleet, few enough that a claim stays a short transaction. */
const RESERVE_MAX = 64;

/** What the lane works with. */
export interface ReplicaLaneDeps extends FetchDeps {
  readonly deployed: Deployed;
  readonly supervisor: Supervisor;
  readonly ledger: Ledger;
  readonly payloads: Payloads;
  readonly inputs: BatchInputs;
  readonly events: RunEvents;
  readonly room: DiskRoom;
  readonly logs: RunLogs;
  readonly callbacks: Callbacks;
  readonly drainRates: DrainRates;
  readonly observer: RunObserver;
  readonly tracing: Tracing;
  /** Called with the delay after which a run is due again. */
  readonly onRetry: (delay: Duration) => void;
  /** Called when another run may start of which the supervisor does not know: a slot was given back unused, or an outcome was written that counted. */
  readonly onFree: () => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** A lane that gives a run a replica of its own where it must. */
export interface ReplicaLane extends Lane<ReservedSlot> {
  /** Runs that must run alone may wait: the ledger is asked with the next reservation. */
  lookForSoloRuns(): void;
}

/** The lane for calls and chunks of one endpoint. */
export function replicaLane(deps: ReplicaLaneDeps): ReplicaLane {
  const { deployed, supervisor, ledger } = deps;
  const { concurrency } = deployed.spec.replicas;
  let looks = false;
  /** Whether what waits is counted with the next reservation also where no replica can be added: fewer may be needed. */
  let counts = true;

  return {
    name: 'replica',
    async reserve() {
      const soloRunWaits = await takeStock();
      if (concurrency === 1) return { slots: supervisor.reserve(RESERVE_MAX), alone: true };
      const whole = soloRunWaits ? supervisor.reserveWhole() : null;
      if (whole === null) return { slots: supervisor.reserve(RESERVE_MAX, soloRunWaits), alone: false };
      // Enough until something new is heard: where another run is more urgent, or the solo run not due yet, the others go on meanwhile.
      looks = false;
      return { slots: [whole], alone: true };
    },
    execute(claimed, slot, held) {
      // There may be more of them.
      if (claimed.alone) lookForSoloRuns();
      else slot.share();
      return execute(deps, claimed, slot, held);
    },
    lookForSoloRuns,
  };

  function lookForSoloRuns(): void {
    looks = concurrency > 1;
    counts = true;
  }

  /** Starts replicas for what waits, and tells whether some of it must run alone; asks the ledger only where the answer matters. */
  async function takeStock(): Promise<boolean> {
    if (!supervisor.canGrow && !looks && !counts) return false;
    const looked = looks;
    looks = false;
    counts = false;
    const { waiting, alone } = await ledger.backlog(deployed.spec.name, deployed.version);
    // A run that runs alone fills a replica.
    supervisor.demand(waiting + alone * (concurrency - 1));
    const soloRunWaits = looked && alone > 0;
    looks ||= soloRunWaits;
    return soloRunWaits;
  }
}

async function execute(deps: ReplicaLaneDeps, claimed: ClaimedRun, slot: ReservedSlot, held: HeldClaim): Promise<void> {
  const { ledger, events, drainRates, observer, clock, log } = deps;
  const { runId, attempt } = claimed.claim;
  const startedAt = clock.steady();
  const reports = openReports(deps, claimed.claim);
  events.changed(runId, 'state');
  const traced = deps.tracing.attempting(claimed.run.trace, () => attemptAttributes(claimed));
  const result = await attemptResult(deps, claimed, slot, held, { reports, traced })
    .catch((error: unknown) => handedBack(error, claimed, log))
    .finally(() => reports.close());
  const finishing = finish(deps, { claim: claimed.claim, result, progress: reports.lastProgress() }, held);
  // Asked for in the same breath: an embedded ledger reads it in the transaction that writes the outcome.
  // Where it cannot be read, who waits reads it.
  const reading = events.hasWaiters(runId) ? ledger.details(runId).catch(() => null) : Promise.resolve(null);
  const [recorded, details] = await Promise.all([finishing, reading]);
  events.changed(runId, 'state');
  // The replica was free before, but to the ledger this run still counted.
  if (deps.deployed.spec.concurrencyLimit !== null) deps.onFree();
  const error = 'error' in result ? result.error : null;
  const outcome = outcomeOf(result, recorded, held);
  observer.attempted(claimed, outcome, elapsed(startedAt, clock.steady()), error);
  traced.end({ attributes: { 'claimcheck.outcome': outcome }, error });
  if (recorded === 'lost') {
    if (result.kind === 'succeeded') await deps.payloads.discard(result.output);
    log.info({ run_id: runId, attempt }, 'outcome refused: the claim was lost');
    return;
  }
  if ('delay' in result && result.delay !== undefined) deps.onRetry(result.delay);
  if (result.kind === 'succeeded' || result.kind === 'failed') {
    const { kind, parentId, rows, callback } = claimed.run;
    drainRates.ended(kind, clock.steady());
    const hasCallback = callback !== null;
    const told = { runId, parentId, rows, status: result.kind, error, hasCallback };
    events.ended({ ...told, ...(details !== null && { details }) });
    observer.ended(claimed.run, result.kind, error);
  }
}

async function attemptResult(
  deps: ReplicaLaneDeps,
  claimed: ClaimedRun,
  slot: ReservedSlot,
  held: HeldClaim,
  beside: Beside,
): Promise<AttemptResult> {
  const { payloads, deployed } = deps;
  const { runId, attempt } = claimed.claim;
  const input = await inputOf(deps, claimed, held).catch((cause: unknown) => {
    slot.release();
    deps.onFree();
    return { cause };
  });
  if ('cause' in input) return resultWithoutInput(deps, claimed, held, input.cause);
  const invoked = await invoke(deps, claimed, slot, held, { ...input, ...beside });
  // What stays is taken by the next pass for orphans: nobody's run fails for it.
  if (input.fetched !== null)
    await payloads
      .discard(input.fetched)
      .catch((err: unknown) => deps.log.warn({ err, run_id: runId }, 'a fetched input could not be deleted'));
  const reply = asGivenBack(input, invoked);
  if (reply.kind === 'own-fault') {
    if (reply.of === 'output' || isTroubleOfServer(reply.cause)) throw reply.cause;
    return unreadableInput(deps.log, runId, reply.cause);
  }
  const reason = held.signal.aborted ? (held.signal.reason as StopReason) : null;
  const failure = failureOf(reply, reason, claimed) ?? disorderOf(deps, claimed, input, reply);
  if (failure !== null) return resultOfFailure(failure, claimed, deployed.spec.retry, jitter());
  if (reply.kind === 'kept') return { kind: 'succeeded', output: reply.output };
  const { bytes, contentType } = reply as Reply & { kind: 'output' };
  const store = (): Promise<Payload> => payloads.store(bytes, contentType, outputKey(runId, attempt));
  return { kind: 'succeeded', output: await deps.room.untilRoom(store, held.signal) };
}

/** The store answers, and what it has is not the input: another attempt would find the same. */
function unreadableInput(log: Log, runId: RunId, cause: unknown): AttemptResult {
  log.error({ err: cause, run_id: runId }, 'the input of a run cannot be read');
  const error = (
    cause instanceof BlobDamaged
      ? { type: 'payload-damaged', detail: 'The input of this run is damaged in the store.' }
      : { type: 'internal', detail: 'The input of this run cannot be read; the server log has the cause.' }
  ) satisfies RunError;
  return { kind: 'failed', error };
}

/** What an attempt comes to whose input could not be had; one that is only named may be there the next time. */
function resultWithoutInput(
  { deployed, log }: ReplicaLaneDeps,
  claimed: ClaimedRun,
  held: HeldClaim,
  cause: unknown,
): AttemptResult {
  if (isTroubleOfServer(cause)) throw cause;
  const isUnfit = cause instanceof InputUnfit;
  if (!isUnfit && !(cause instanceof InputUnavailable)) return unreadableInput(log, claimed.claim.runId, cause);
  // What the runner says of a table that it cannot read is of this type too.
  const type = isUnfit ? 'model-error' : 'input-unavailable';
  const failure: Failure = held.signal.aborted
    ? failureOf({ kind: 'stopped' }, held.signal.reason as StopReason, claimed)!
    : { kind: 'failed', error: { type, detail: cause.message } };
  return resultOfFailure(failure, claimed, deployed.spec.retry, jitter());
}

/** A chunk whose rows came back in another order: halved, its rows come to stand where they belong. */
function disorderOf({ deployed }: ReplicaLaneDeps, { run }: ClaimedRun, input: Input, reply: Reply): Failure | null {
  const idColumn = deployed.spec.scoring?.idColumn ?? null;
  if (idColumn === null || run.rows === null || reply.kind !== 'output') return null;
  const error = disorderIn({ bytes: input.body as Uint8Array, contentType: input.contentType }, reply, idColumn);
  return error === null ? null : { kind: 'failed', error };
}

/** What goes on beside an invocation: its replica's reports, and its span. */
interface Beside {
  readonly reports: AttemptReports;
  readonly traced: Traced;
}

interface Input {
  readonly body: Invocation['body'];
  readonly contentType: string;
  /** Gives an output the digits that a program may have lost, and the caller's names for columns; null where it has them. */
  readonly giveBack: GiveBack | null;
  /** How much of the attempt's time went by until it was there. */
  readonly took: Duration;
  /** What was stored for this attempt alone, and goes with it; null where that is nothing. */
  readonly fetched: Payload | null;
}

type GiveBack = Declared['giveBack'];

/** A chunk's input is its rows of the parent's table; a call's is its own. Both under the names that the endpoint declares. */
async function inputOf(deps: ReplicaLaneDeps, claimed: ClaimedRun, held: HeldClaim): Promise<Input> {
  const { payloads, inputs } = deps;
  const { run, input } = claimed;
  const there = { took: milliseconds(0), fetched: null };
  if (run.parentId !== null && run.rows !== null) {
    const { bytes, contentType, columns } = await inputs.slice(run.parentId, run.rows);
    return { ...declaredInput(deps, { bytes, contentType }, columns), ...there };
  }
  if (input === null) throw new BlobDamaged('The ledger has neither the bytes nor the blob of the input.');
  const { contentType, bytes } = input;
  if (!isHeld(input) && !needsAllRows(deps.deployed, contentType))
    return { body: { bytes, open: () => payloads.stream(input) }, contentType, giveBack: null, ...there };
  const content = await payloads.read(input);
  return contentType === LOCATION_TYPE
    ? fetchedInput(deps, claimed, content, held)
    : { ...declaredInput(deps, { bytes: content, contentType }, null), ...there };
}

/** An input that was only named. What is long goes to the disk as it comes and from there to the replica, like any other long input. */
async function fetchedInput(
  deps: ReplicaLaneDeps,
  { run, claim }: ClaimedRun,
  location: Uint8Array,
  { signal }: HeldClaim,
): Promise<Input> {
  const { payloads, room, clock, inputBytesMax } = deps;
  const startedAt = clock.steady();
  const key = fetchedKey(claim.runId, claim.attempt);
  const keep = (chunks: AsyncIterable<Uint8Array>, contentType: string): Promise<Payload> =>
    payloads.storeStream(chunks, contentType, key, inputBytesMax, (work) => room.untilRoom(work, signal));
  const { timeout } = run;
  const { content, contentType } = await fetchInput(deps, location, { timeout, signal }, HELD_PAYLOAD_BYTES_MAX, keep);
  await checkFetched(deps.deployed, payloads, contentType, 'kept' in content ? content.kept : content).catch(
    async (error: unknown) => {
      if ('kept' in content) await payloads.discard(content.kept);
      throw error;
    },
  );
  const took = elapsed(startedAt, clock.steady());
  const fetched = content instanceof Uint8Array ? null : content.kept;
  if (fetched !== null && !needsAllRows(deps.deployed, contentType)) {
    const body = { bytes: fetched.bytes, open: () => payloads.stream(fetched) };
    return { body, contentType, giveBack: null, took, fetched };
  }
  const bytes = content instanceof Uint8Array ? content : await payloads.read(content.kept);
  return { ...declaredInput(deps, { bytes, contentType }, null), took, fetched };
}

/** A table in hand, or a row, under the declared names; whatever else it is, as it came. */
function declaredInput(
  { deployed: { spec } }: ReplicaLaneDeps,
  content: { readonly bytes: Uint8Array; readonly contentType: string },
  columns: readonly string[] | null,
): Omit<Input, 'took' | 'fetched'> {
  const { bytes, contentType } = content;
  const declared = asDeclared(content, spec.features, columns);
  const body = declared?.bytes ?? bytes;
  // Our runners know what was a double, and have written the digits.
  const keepDigits = isOurRunner(spec.model) ? null : digitsOf({ bytes: body, contentType });
  return { body, contentType, giveBack: inTurn(keepDigits, declared?.giveBack ?? null) };
}

const isOurRunner = ({ runtime }: ModelSource): boolean => runtime === 'node' || runtime === 'python';

const inTurn = (first: GiveBack | null, then: GiveBack | null): GiveBack | null =>
  first === null || then === null
    ? (first ?? then)
    : ({ bytes, contentType }) => then({ bytes: first({ bytes, contentType }), contentType });

const asGivenBack = ({ giveBack }: Input, reply: Reply): Reply =>
  giveBack === null || reply.kind !== 'output' ? reply : { ...reply, bytes: giveBack(reply) };

/** Stores the output of a call while it comes, where it is long; a chunk's is looked into, and held, and so is one of which digits or columns are given back. */
function keepOutput(
  { payloads, room, deployed }: ReplicaLaneDeps,
  { run, claim }: ClaimedRun,
  held: HeldClaim,
  { giveBack }: Pick<Input, 'giveBack'>,
): Pick<Invocation, 'keep'> {
  if (run.rows !== null || giveBack !== null) return {};
  const key = outputKey(claim.runId, claim.attempt);
  const { outputBytes } = deployed.spec.replicas;
  return {
    keep: (chunks, contentType) =>
      payloads.storeStream(chunks, contentType, key, outputBytes, (work) => room.untilRoom(work, held.signal)),
  };
}

async function invoke(
  deps: ReplicaLaneDeps,
  claimed: ClaimedRun,
  slot: ReservedSlot,
  held: HeldClaim,
  { body, contentType, giveBack, took, reports, traced }: Input & Beside,
): Promise<Reply> {
  const { run, claim } = claimed;
  const { replicas, model } = deps.deployed.spec;
  const isOurs = isOurRunner(model);
  const timeout = run.timeout === null ? null : milliseconds(Math.max(1, run.timeout - took));
  const stopTimer = timeout === null ? null : startTimer(timeout, () => held.stop('timeout'));
  const headers: Record<string, string> = {
    // First, so that whatever a propagator writes replaces nothing of ours.
    ...traceHeaders(traced.text),
    'content-type': contentType,
    [RUN_ID_HEADER]: claim.runId,
    [ATTEMPT_HEADER]: String(claim.attempt),
    [CALLBACK_HEADER]: reports.url,
  };
  const metadata = inAscii(run.metadata);
  if (isOurs || metadata.length <= METADATA_HEADER_MAX) headers[METADATA_HEADER] = metadata;
  // A chunk of a table that is answered as Arrow is asked for as text.
  if (run.rows !== null) headers[ROWS_HEADER] = String(run.rows.to - run.rows.from);
  if (run.accept !== null) headers['accept'] = run.rows === null ? run.accept : textTypeOf(run.accept);
  if (timeout !== null) headers[DEADLINE_HEADER] = toRfc3339(after(deps.clock.now(), timeout));
  try {
    // Our runner says whose line it is, also where it works on several runs at once; a program's is certain by its author's word alone.
    const isAlone = replicas.concurrency === 1 || claimed.alone;
    const ownsOutput = !isOurs && isAlone && replicas.flushes === true;
    const { reporter } = reports;
    const beside = { reporter, ownsOutput, tenant: run.tenant };
    return await slot.invoke(
      { headers, body, ...keepOutput(deps, claimed, held, { giveBack }), ...beside },
      held.signal,
    );
  } finally {
    stopTimer?.();
  }
}

/** JSON that stands in a header: what is not ASCII is escaped, and white space between values may hold no line end. */
const inAscii = (json: string): string =>
  json
    .replaceAll(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replaceAll(/[\r\n\t]/g, ' ');
