// A batch run: its table is cut into chunk runs, a few at a time; their outputs are put together in order. It holds no replica.
// What its chunks did is in the ledger, so a batch that is taken up again after a crash goes on where it stood.

import { newRunId } from '../clock.ts';
import type { BatchOptions, RowRange } from '../domain/batch.ts';
import type { RunError } from '../domain/errors.ts';
import { lostWorkersMax } from '../domain/retry.ts';
import type { Payload } from '../domain/payload.ts';
import { outputKey } from '../blobs/blobs.ts';
import type { AttemptResult, ClaimedRun, Ledger, NewRun } from '../ledger/ledger.ts';
import { tableFormatOf } from '../table/format.ts';
import { type MergePart, mergeTables } from '../table/merge.ts';
import { sliceTable } from '../table/split.ts';
import type { DiskRoom } from '../storage/disk-room.ts';
import type { TraceText } from '../tracing/trace-context.ts';
import type { BatchInput, BatchInputs } from './batch-inputs.ts';
import { ChunkEnds } from './chunk-ends.ts';
import { ChunkPlan, type Settled } from './chunk-plan.ts';
import type { Deployed } from './deployment.ts';
import type { HeldClaim } from './leases.ts';
import type { RunObserver } from './observer.ts';
import type { Payloads } from './payloads.ts';
import type { RunEvents } from './run-events.ts';
import type { Watch } from './watch.ts';

/** Chunk outputs read together, so that they share a turn of the ledger. */
const READ_AT_ONCE = 64;

/** What a batch works with. */
export interface BatchParts {
  readonly deployed: Deployed;
  readonly ledger: Ledger;
  readonly payloads: Payloads;
  readonly inputs: BatchInputs;
  readonly events: RunEvents;
  readonly watch: Watch;
  readonly room: DiskRoom;
  readonly observer: RunObserver;
  /** The trace that its chunks join. */
  readonly trace: TraceText | null;
  /** Called when chunks were queued. */
  readonly onQueued: () => void;
}

/** How a batch ended, and how far it came. */
export interface BatchEnd {
  readonly result: AttemptResult;
  readonly plan: ChunkPlan | null;
}

/** Runs one batch to its end, or until its claim is stopped; then it is handed back, and its chunks stay. */
export async function runBatch(parts: BatchParts, claimed: ClaimedRun, held: HeldClaim): Promise<BatchEnd> {
  const { runId } = claimed.claim;
  const input = await parts.inputs.open(runId);
  const options = claimed.run.batch!;
  const ends = new ChunkEnds(parts.watch, parts.ledger, held);
  try {
    const plan = new ChunkPlan(input.index.rows, options.size, await parts.ledger.chunks(runId));
    const result = await new Batch(parts, claimed, held, ends, input, plan).run(options);
    return { result, plan };
  } finally {
    ends.close();
    parts.inputs.close(runId);
  }
}

class Batch {
  readonly #parts: BatchParts;
  readonly #claimed: ClaimedRun;
  readonly #held: HeldClaim;
  readonly #ends: ChunkEnds;
  readonly #input: BatchInput;
  readonly #plan: ChunkPlan;
  #noting: Promise<unknown> | null = null;

  constructor(
    parts: BatchParts,
    claimed: ClaimedRun,
    held: HeldClaim,
    ends: ChunkEnds,
    input: BatchInput,
    plan: ChunkPlan,
  ) {
    this.#parts = parts;
    this.#claimed = claimed;
    this.#held = held;
    this.#ends = ends;
    this.#input = input;
    this.#plan = plan;
  }

  async run({ maxInFlight, onRowError }: BatchOptions): Promise<AttemptResult> {
    const plan = this.#plan;
    this.#noteProgress();
    while (!plan.complete) {
      if (onRowError === 'fail' && plan.firstFailure !== null)
        return { kind: 'failed', error: errorOfRow(plan.firstFailure) };
      await this.#enqueue(plan.next(maxInFlight - plan.outstanding));
      if (this.#held.signal.aborted) return { kind: 'released' };
      for (const chunk of await this.#ends.next()) plan.ended(chunk);
      if (this.#held.signal.aborted) return { kind: 'released' };
      this.#noteProgress();
    }
    await this.#noting;
    if (onRowError === 'fail' && plan.firstFailure !== null)
      return { kind: 'failed', error: errorOfRow(plan.firstFailure) };
    return {
      kind: 'succeeded',
      output: await this.#merge(plan.settledInOrder().filter((settled) => onRowError !== 'drop' || 'chunk' in settled)),
    };
  }

  async #enqueue(ranges: readonly RowRange[]): Promise<void> {
    if (ranges.length === 0) return;
    const { ledger, room, observer, onQueued } = this.#parts;
    const chunks = ranges.map((rows) => this.#chunk(rows));
    const results = await room.insist(() => ledger.enqueue(chunks), this.#held.signal);
    // Refused means that the claim is lost: somebody cancelled the batch, or another server has taken it up.
    if (results.some(({ result }) => result === 'refused')) this.#held.stop('lost');
    else {
      for (const chunk of chunks) observer.queued(chunk);
      onQueued();
    }
  }

  #chunk(rows: RowRange): NewRun {
    const { run, claim } = this.#claimed;
    const { spec } = this.#parts.deployed;
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
      trace: this.#parts.trace,
    };
  }

  #outputType(): string {
    return this.#claimed.run.accept ?? this.#input.contentType;
  }

  /** One note at a time: while one is being written, later ones wait for the next chunk, and the last is written with the outcome. */
  #noteProgress(): void {
    this.#noting ??= this.#parts.ledger
      .progress(this.#claimed.claim, this.#plan.progress)
      .then(() => this.#parts.events.changed(this.#claimed.claim.runId, 'state'))
      .finally(() => (this.#noting = null));
    // A failure to note progress shows when the outcome is written.
    this.#noting.catch(() => {});
  }

  async #merge(settled: readonly Settled[]): Promise<Payload> {
    const { payloads, room } = this.#parts;
    const { runId, attempt } = this.#claimed.claim;
    const parts: MergePart[] = [];
    for (let start = 0; start < settled.length; start += READ_AT_ONCE) {
      parts.push(...(await Promise.all(settled.slice(start, start + READ_AT_ONCE).map((range) => this.#part(range)))));
    }
    if (parts.length === 0) parts.push({ kind: 'rows', bytes: this.#emptyTable(), rows: 0 });
    const bytes = mergeTables(parts, tableFormatOf(this.#outputType())!);
    const key = outputKey(runId, attempt);
    return room.insist(() => payloads.store(bytes, this.#outputType(), key), this.#held.signal);
  }

  async #part(settled: Settled): Promise<MergePart> {
    const { bytes, index } = this.#input;
    const { from, to } = settled.rows;
    const rows = to - from;
    if ('error' in settled)
      return {
        kind: 'failed',
        input: sliceTable(bytes, index, from, to),
        inputFormat: index.format,
        rows,
        error: settled.error,
      };
    const output = await this.#parts.ledger.payload(settled.chunk, 'output');
    return { kind: 'rows', bytes: await this.#parts.payloads.read(output!), rows };
  }

  /** A table without rows: the model was never asked, so its columns are not known, and the input's stand in their place. */
  #emptyTable(): Uint8Array {
    const sameFormat = tableFormatOf(this.#outputType()) === this.#input.index.format;
    return sameFormat
      ? sliceTable(this.#input.bytes, this.#input.index, 0, 0)
      : mergeTables([], tableFormatOf(this.#outputType())!);
  }
}

function errorOfRow({ from, error }: RowRange & { readonly error: string }): RunError {
  return { type: 'model-error', detail: `Row ${from + 1} failed (on_row_error is "fail"): ${error}` };
}
