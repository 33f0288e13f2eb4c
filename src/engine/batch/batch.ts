// A batch run: its table is cut into chunk runs, a few at a time; their outputs are put together in
// order. It holds no replica. What its chunks did is in the ledger, so a batch that is taken up
// again after a crash goes on where it stood.

import { newRunId } from '../../system/clock.ts';
import type { BatchOptions, RowRange } from '../../domain/batch.ts';
import { failedRow, type RunError } from '../../domain/errors.ts';
import { lostWorkersMax } from '../../domain/retry.ts';
import type { Payload } from '../../domain/payload.ts';
import { type UntilRoom, outputKey } from '../../stores/blobs/blobs.ts';
import type { AttemptResult, ClaimedRun, Ledger, NewRun } from '../../stores/ledger/ledger.ts';
import { BORDER_TYPES } from '../../table/format.ts';
import type { DiskRoom } from '../../stores/disk/disk-room.ts';
import type { TraceText } from '../../system/trace-context.ts';
import type { ArrowConverter } from './arrow-converter.ts';
import type { BatchInputs } from './inputs.ts';
import { outputOf } from './output.ts';
import type { BatchTable } from './table.ts';
import { ChunkEnds } from './chunk-ends.ts';
import { ChunkPlan, type Settled } from './chunk-plan.ts';
import type { Deployed } from '../deployment.ts';
import type { HeldClaim } from '../leases.ts';
import { releasePauseOf } from '../finish.ts';
import { isDone, lostInARow, whyGivenUp } from './lost-servers.ts';
import type { RunObserver } from '../observer.ts';
import type { Payloads } from '../payloads.ts';
import { ProgressNotes } from './progress-notes.ts';
import { SUSPECT_AFTER, type Turn } from './suspects.ts';
import type { RunEvents } from '../run-events.ts';
import type { Watch } from '../watch.ts';

/** What a batch works with. */
export interface BatchDeps {
  readonly deployed: Deployed;
  readonly ledger: Ledger;
  readonly payloads: Payloads;
  readonly arrow: ArrowConverter;
  readonly inputs: BatchInputs;
  readonly events: RunEvents;
  readonly watch: Watch;
  readonly room: DiskRoom;
  readonly observer: RunObserver;
  /** The trace that its chunks join. */
  readonly trace: TraceText | null;
  /** Called when chunks were queued. */
  readonly onQueued: () => void;
  /** Its turn among batches that have lost servers. */
  readonly turn: Turn;
}

/** How a batch ended, and how far it came. */
export interface BatchEnd {
  readonly result: AttemptResult;
  readonly plan: ChunkPlan | null;
}

/** A batch of which nobody knows any more how it was to be cut. */
const DAMAGED: RunError = {
  type: 'payload-damaged',
  detail: 'The options of this batch were damaged in the ledger; hand the table in again.',
};

/**
 * Runs one batch to its end, or until its claim is stopped; then it is handed back, and its chunks
 * stay.
 */
export async function runBatch(deps: BatchDeps, claimed: ClaimedRun, held: HeldClaim): Promise<BatchEnd> {
  const { runId } = claimed.claim;
  const lost = await lostInARow(deps.ledger, claimed);
  const error = whyGivenUp(lost);
  if (error !== null) return { result: { kind: 'failed', error }, plan: null };
  const options = claimed.run.batch;
  if (options === null) return { result: { kind: 'failed', error: DAMAGED }, plan: null };
  if (lost < SUSPECT_AFTER) deps.turn.pass();
  else if (!(await deps.turn.take()))
    return { result: { kind: 'released', delay: releasePauseOf(claimed) }, plan: null };
  const table = await deps.inputs.open(runId);
  const ends = new ChunkEnds(deps.watch, deps.ledger, held);
  try {
    const plan = new ChunkPlan(table.rows, options.size, await deps.ledger.chunks(runId));
    const result = await new Batch(deps, claimed, held, ends, table, plan).run(options);
    return { result, plan };
  } finally {
    ends.close();
    deps.inputs.close(runId);
  }
}

class Batch {
  readonly #deps: BatchDeps;
  readonly #claimed: ClaimedRun;
  readonly #held: HeldClaim;
  readonly #ends: ChunkEnds;
  readonly #table: BatchTable;
  readonly #plan: ChunkPlan;
  readonly #notes: ProgressNotes;

  constructor(
    deps: BatchDeps,
    claimed: ClaimedRun,
    held: HeldClaim,
    ends: ChunkEnds,
    table: BatchTable,
    plan: ChunkPlan,
  ) {
    this.#deps = deps;
    this.#claimed = claimed;
    this.#held = held;
    this.#ends = ends;
    this.#table = table;
    this.#plan = plan;
    this.#notes = new ProgressNotes(() => this.#noteProgress());
  }

  async run(options: BatchOptions): Promise<AttemptResult> {
    try {
      return await this.#run(options);
    } finally {
      // The last is written with the outcome.
      await this.#notes.close();
    }
  }

  async #run({ maxInFlight, onRowError }: BatchOptions): Promise<AttemptResult> {
    const plan = this.#plan;
    this.#notes.changed();
    while (!plan.complete) {
      if (onRowError === 'fail' && plan.firstFailure !== null)
        return { kind: 'failed', error: errorOfRow(plan.firstFailure) };
      await this.#enqueue(plan.next(maxInFlight - plan.outstanding));
      if (this.#held.signal.aborted) return { kind: 'released' };
      for (const chunk of await this.#ends.next()) {
        plan.ended(chunk);
        if (isDone(chunk)) this.#deps.turn.done();
      }
      if (this.#held.signal.aborted) return { kind: 'released' };
      this.#notes.changed();
    }
    if (onRowError === 'fail' && plan.firstFailure !== null)
      return { kind: 'failed', error: errorOfRow(plan.firstFailure) };
    return this.#finish(plan.settledInOrder().filter((settled) => onRowError !== 'drop' || 'chunk' in settled));
  }

  async #finish(settled: readonly Settled[]): Promise<AttemptResult> {
    try {
      return { kind: 'succeeded', output: await this.#merge(settled) };
    } catch (error) {
      if (this.#held.signal.aborted) return { kind: 'released' };
      throw error;
    }
  }

  async #enqueue(ranges: readonly RowRange[]): Promise<void> {
    if (ranges.length === 0) return;
    const { ledger, room, observer, onQueued } = this.#deps;
    const chunks = ranges.map((rows) => this.#chunk(rows));
    const results = await room.untilRoom(() => ledger.enqueue(chunks), this.#held.signal);
    // Refused means that the claim is lost: somebody cancelled the batch, or another server has
    // taken it up.
    if (results.some(({ result }) => result === 'refused')) this.#held.stop('lost');
    else {
      for (const chunk of chunks) observer.queued(chunk);
      onQueued();
    }
  }

  #chunk(rows: RowRange): NewRun {
    const { run, claim } = this.#claimed;
    const { spec } = this.#deps.deployed;
    return {
      runId: newRunId(),
      endpoint: run.endpoint,
      version: run.version,
      kind: 'chunk',
      runName: null,
      priority: run.priority,
      timeout: run.timeout ?? spec.timeout,
      queueTtl: null,
      lostWorkersMax: lostWorkersMax(spec.retry),
      metadata: '{}',
      accept: this.#outputType(),
      input: null,
      batch: null,
      parent: { claim, rows },
      idempotency: null,
      tenant: run.tenant,
      concurrencyKey: null,
      retryOf: null,
      retention: run.retention,
      callback: null,
      trace: this.#deps.trace,
    };
  }

  #outputType(): string {
    return this.#claimed.run.accept ?? BORDER_TYPES[this.#table.given];
  }

  async #noteProgress(): Promise<void> {
    const { ledger, events } = this.#deps;
    const { claim } = this.#claimed;
    await ledger.progress(claim, this.#plan.progress);
    events.changed(claim.runId, 'state');
  }

  #merge(settled: readonly Settled[]): Promise<Payload> {
    const { ledger, payloads, arrow, room } = this.#deps;
    const { runId, attempt } = this.#claimed.claim;
    const { takes, outputSchema, spec } = this.#deps.deployed;
    const deps = {
      ledger,
      payloads,
      arrow,
      table: this.#table,
      accept: this.#claimed.run.accept,
      row: takes === 'rows' ? outputSchema : null,
      outputBytes: spec.replicas.outputBytes,
      signal: this.#held.signal,
    };
    const untilRoom: UntilRoom = (work) => room.untilRoom(work, this.#held.signal);
    const key = outputKey(runId, attempt);
    // All of it is put together again where there was no room for its beginning.
    return untilRoom(() => payloads.storeStream(outputOf(deps, settled), this.#outputType(), key, Infinity, untilRoom));
  }
}

function errorOfRow({ from, error }: RowRange & { readonly error: string }): RunError {
  return { type: 'model-error', detail: failedRow(from + 1, error) };
}
