// A plain model of the ledger: what every verb of the port answers and leaves behind, written from
// the port and from the table of transitions, with lists and maps and no thought for speed. It
// knows nothing of any driver.

import { CALLBACK_EVENTS, type DeliveryId, deliveryIdOf } from '../../../src/domain/delivery.ts';
import type { RunError } from '../../../src/domain/errors.ts';
import type { RunId } from '../../../src/domain/ids.ts';
import type { BlobKey, Payload } from '../../../src/domain/payload.ts';
import type { Progress } from '../../../src/domain/batch.ts';
import { IDEMPOTENCY_KEY_KEPT, LINE_KEPT } from '../../../src/domain/retention.ts';
import { type EndedStatus, isEnded, type RunEvent, type RunStatus, TRANSITIONS } from '../../../src/domain/run.ts';
import { after, type Duration, type Instant, minutes, seconds } from '../../../src/domain/time.ts';
import type {
  AttemptRecord,
  AttemptResult,
  Backlog,
  Cancelled,
  Claim,
  ClaimedRun,
  ClaimRequest,
  Deployment,
  DeliveryClaim,
  DeliveryRecord,
  DeploymentState,
  EndpointDepth,
  Enqueued,
  FinishedAttempt,
  FinishedDelivery,
  Collected,
  NewRun,
  Purged,
  QueueFilter,
  Recorded,
  RunRecord,
  Swept,
  Settlement,
} from '../../../src/stores/ledger/ledger.ts';

/** Stands where the ledger writes a sentence of its own, which is then not compared. */
export const IN_THE_LEDGERS_WORDS = '(a sentence of the ledger)';

const LOST_WORKER: RunError = { type: 'replica-crashed', detail: IN_THE_LEDGERS_WORDS };
const WAITED_TOO_LONG: RunError = { type: 'queue-expired', detail: IN_THE_LEDGERS_WORDS };
/** How much later a run is looked at again that is still needed. */
const LOOK_AGAIN = minutes(10);

type Changing<Thing> = { -readonly [Key in keyof Thing]: Thing[Key] };
type ModelAttempt = Changing<AttemptRecord>;
type ModelDelivery = Changing<DeliveryRecord> & { readonly run: ModelRun; seriesFrom: number };

/** A run as the model has it. */
export interface ModelRun {
  /** What messages call it: `#1` is the first that was stored. */
  readonly name: string;
  readonly given: NewRun;
  readonly turn: number;
  readonly createdAt: Instant;
  readonly parent: ModelRun | null;
  readonly attempts: ModelAttempt[];
  /**
   * Where it stands in the order of arrival; told by the ledger, because only the order is
   * promised.
   */
  sequence: number;
  status: RunStatus;
  countedAttempts: number;
  version: number;
  dueAt: Instant;
  startedAt: Instant | null;
  finishedAt: Instant | null;
  owner: string | null;
  leaseUntil: Instant | null;
  alone: boolean;
  progress: Progress | null;
  output: Payload | null;
  error: RunError | null;
  payloadsKept: boolean;
  keptUntil: Instant | null;
}

interface ModelEndpoint {
  version: number;
  queueLimit: number;
  concurrencyLimit: number | null;
  /** What a configuration said last. */
  configFingerprint: string | null;
  readonly lines: Map<string, ModelLine>;
}

/** A version of an endpoint. */
export interface ModelVersion extends Changing<Deployment> {
  readonly version: number;
  state: DeploymentState;
  reason: string | null;
}

/** What waits with one priority, batches apart from the rest. */
interface ModelLine {
  /** The highest turn that was claimed. */
  served: number;
  readonly drawn: Map<string, number>;
}

interface ModelKey {
  readonly fingerprint: string;
  readonly runId: RunId;
  readonly createdAt: Instant;
}

/** The attempt that a run is in, or was in last; 0 before the first. */
export const attemptOf = (run: ModelRun): number => run.attempts.length;
const isOpen = ({ status }: ModelRun): boolean => !isEnded(status);
const isForReplicas = ({ given }: ModelRun): boolean => given.kind !== 'batch';

/** See the head of this file. */
export class ModelLedger {
  now: Instant;
  readonly isShared: boolean;
  readonly endpoints = new Map<string, ModelEndpoint>();
  /** Every version, in the order of their numbers. */
  readonly versions: ModelVersion[] = [];
  /** In the order of arrival. */
  runs: ModelRun[] = [];
  deliveries: ModelDelivery[] = [];
  /** Runs that were forgotten altogether. */
  readonly forgotten: RunId[] = [];
  /** Runs that the verb before last has changed, or was asked about. */
  readonly touched = new Set<ModelRun>();
  /** Outcomes of runs that were refused. */
  lost = 0;
  readonly #keys = new Map<string, ModelKey>();
  readonly #names = new Map<string, string>();

  constructor(now: Instant, isShared: boolean) {
    this.now = now;
    this.isShared = isShared;
  }

  /** A text with the names of runs in place of their ids. */
  named(text: string): string {
    return [...this.#names].reduce((named, [runId, name]) => named.replaceAll(runId, name), text);
  }

  find(runId: RunId): ModelRun | undefined {
    return this.runs.find(({ given }) => given.runId === runId);
  }

  deploy(deployment: Deployment): number {
    const { name, fingerprint, source } = deployment;
    const known = this.endpoints.get(name);
    const standing = known === undefined ? undefined : this.#version(name, known.version);
    if (source === 'config' && known?.configFingerprint === fingerprint && standing?.fingerprint !== fingerprint)
      return known.version;
    const version = this.stage(deployment);
    this.#makeActive(name, version);
    if (source === 'config') this.endpoints.get(name)!.configFingerprint = fingerprint;
    return version;
  }

  stage(deployment: Deployment): number {
    const ofEndpoint = this.versions.filter(({ name }) => name === deployment.name);
    const known = ofEndpoint.find(({ fingerprint }) => fingerprint === deployment.fingerprint);
    if (known === undefined) {
      const version = ofEndpoint.length + 1;
      this.versions.push({ ...deployment, version, state: 'starting', reason: null });
      return version;
    }
    const { spec, queueLimit, concurrencyLimit } = deployment;
    Object.assign(known, { spec, queueLimit, concurrencyLimit, reason: null });
    if (known.state !== 'active') known.state = 'starting';
    return known.version;
  }

  settle(endpoint: string, version: number, settlement: Settlement): void {
    if (settlement.state === 'active') {
      this.#makeActive(endpoint, version);
      return;
    }
    const found = this.#version(endpoint, version);
    if (found.state === 'starting') Object.assign(found, settlement);
  }

  adopt(endpoint: string, version: number, served: readonly number[]): number {
    const runs = this.#at(endpoint);
    const atWork = new Set(runs.filter(({ status }) => status === 'running').map((run) => run.version));
    const leftBehind = runs.filter(
      (run) =>
        run.status === 'queued' &&
        run.version !== version &&
        this.versions.some((one) => one.name === endpoint && one.version === run.version) &&
        !served.includes(run.version) &&
        !atWork.has(run.version),
    );
    for (const run of leftBehind) {
      run.version = version;
      this.touched.add(run);
    }
    return leftBehind.length;
  }

  #version(endpoint: string, version: number): ModelVersion {
    return this.versions.find((one) => one.name === endpoint && one.version === version)!;
  }

  #makeActive(name: string, version: number): void {
    for (const one of this.versions) if (one.name === name && one.state === 'active') one.state = 'superseded';
    const active = this.#version(name, version);
    Object.assign(active, { state: 'active', reason: null });
    const { queueLimit, concurrencyLimit } = active;
    const { lines = new Map<string, ModelLine>(), configFingerprint = null } = this.endpoints.get(name) ?? {};
    this.endpoints.set(name, { version, queueLimit, concurrencyLimit, configFingerprint, lines });
  }

  enqueue(given: readonly NewRun[]): Enqueued[] {
    return given.map((run) => this.#replayOf(run) ?? this.#duplicateOf(run) ?? this.#store(run));
  }

  claim({ endpoint: name, version, lane, slots, alone, owner, lease }: ClaimRequest): ClaimedRun[] {
    const endpoint = this.endpoints.get(name)!;
    const isForBatches = lane === 'engine';
    const running = this.#at(name).filter((run) => run.status === 'running' && isForReplicas(run)).length;
    const room = isForBatches
      ? Number.POSITIVE_INFINITY
      : (endpoint.concurrencyLimit ?? Number.POSITIVE_INFINITY) - running;
    const taken = this.#at(name)
      .filter((run) => run.version === version && isForReplicas(run) !== isForBatches && (alone || !run.alone))
      .filter((run) => this.#canBeClaimed(run))
      .toSorted(byUrgency)
      .slice(0, Math.max(0, Math.min(slots.length, room)));
    return taken.map((run, place) => {
      const slot = slots[place]!;
      this.#move(run, 'claim');
      run.attempts.push({
        attempt: attemptOf(run) + 1,
        ...slot,
        startedAt: this.now,
        finishedAt: null,
        stoppedAt: null,
        outcome: null,
        error: null,
      });
      run.countedAttempts += 1;
      run.startedAt ??= this.now;
      run.owner = owner;
      if (isForReplicas(run)) run.progress = null;
      run.leaseUntil = after(this.now, lease);
      const line = lineOf(endpoint, run.given);
      line.served = Math.max(line.served, run.turn);
      return {
        claim: claimOf(run),
        run: this.record(run),
        slot,
        alone: run.alone,
        countedAttempts: run.countedAttempts,
        input: run.given.input,
      };
    });
  }

  renew(claims: readonly Claim[], lease: Duration): Recorded[] {
    return claims.map((claim) =>
      this.#underClaim(claim, (run) => {
        run.leaseUntil = after(this.now, lease);
      }),
    );
  }

  progress(claim: Claim, progress: Progress): Recorded {
    return this.#underClaim(claim, (run) => {
      run.progress = progress;
    });
  }

  finish(finished: readonly FinishedAttempt[]): Recorded[] {
    const answers = finished.map(({ claim, result, progress }) => {
      const attempt = this.find(claim.runId)?.attempts[claim.attempt - 1];
      if (attempt !== undefined) attempt.stoppedAt ??= this.now;
      return this.#underClaim(claim, (run) => {
        if (progress !== null) run.progress = progress;
        this.#endAttempt(run, result);
      });
    });
    this.lost += answers.filter((answer) => answer === 'lost').length;
    return answers;
  }

  cancel(runId: RunId): Cancelled {
    const run = this.#touch(runId);
    if (run === undefined) return { result: 'unknown' };
    if (run.status === 'cancelled') return { result: 'already-cancelled' };
    return isEnded(run.status) ? { result: 'ended' } : { result: 'cancelled', stopped: this.#cancel(run) };
  }

  purge(filter: QueueFilter): Purged {
    const runs = this.#queued(filter);
    return { cancelled: runs.map(({ given }) => given.runId), stopped: runs.flatMap((run) => this.#cancel(run)) };
  }

  countQueued(filter: QueueFilter): number {
    return this.#queued(filter).length;
  }

  reclaim(owner: string): Swept[] {
    const lost = this.runs.filter(
      (run) => run.status === 'running' && (run.leaseUntil! <= this.now || (!this.isShared && run.owner !== owner)),
    );
    for (const run of lost) {
      const { lostWorkersMax } = run.given;
      const isCause = lostWorkersMax !== null && run.countedAttempts >= lostWorkersMax;
      this.#close(run, 'lost', LOST_WORKER);
      if (isCause) this.#end(run, 'fail', { error: LOST_WORKER });
      else this.#requeue(run, seconds(0), LOST_WORKER);
    }
    return lost.map((run) => sweptOf(run));
  }

  expire(): Swept[] {
    const expired = this.runs.filter((run) => run.status === 'queued' && !this.#mayWait(run));
    for (const run of expired) this.#end(run, 'expire', { error: WAITED_TOO_LONG });
    return expired.map((run) => sweptOf(run));
  }

  collect(): Collected {
    for (const [key, { createdAt }] of this.#keys)
      if (after(createdAt, IDEMPOTENCY_KEY_KEPT) <= this.now) this.#keys.delete(key);
    const due = this.runs.filter(({ keptUntil }) => keptUntil !== null && keptUntil <= this.now);
    // Whether somebody needs them is asked of all of them before the first is collected.
    const needed = new Map(
      due.filter((run) => this.#isNeeded(run)).map((run) => [run, run.parent?.keptUntil ?? this.now]),
    );
    const hadPayloads = new Set(due.filter(({ payloadsKept }) => payloadsKept));
    const blobs = due.map((run) => this.#collectRun(run, needed.get(run) ?? null));
    const gone = due.filter((run, place) => blobs[place] !== null && hadPayloads.has(run) && attemptOf(run) > 0);
    return {
      runs: due.length,
      blobs: blobs.flatMap((some) => some ?? []),
      logs: gone.map((run) => ({ runId: run.given.runId, attempts: attemptOf(run) })),
    };
  }

  /** How many deliveries a claim may take, oldest first: those that are due. */
  dueDeliveries(): ModelDelivery[] {
    return this.deliveries.filter(({ outcome, dueAt }) => outcome === null && dueAt <= this.now);
  }

  /**
   * Hands out a delivery; which ones, among those that have been due equally long, is for the
   * ledger to choose.
   */
  claimDelivery(deliveryId: DeliveryId, lease: Duration): DeliveryClaim {
    const delivery = this.deliveries.find((one) => one.deliveryId === deliveryId)!;
    delivery.attempt += 1;
    delivery.dueAt = after(this.now, lease);
    const { attempt } = delivery;
    delivery.attempts = [...delivery.attempts, { attempt, startedAt: this.now, finishedAt: null, answer: null }];
    this.touched.add(delivery.run);
    return { deliveryId, attempt };
  }

  finishDeliveries(finished: readonly FinishedDelivery[]): Recorded[] {
    return finished.map(({ claim, result }) => {
      const delivery = this.deliveries.find(({ deliveryId }) => deliveryId === claim.deliveryId);
      if (delivery === undefined || delivery.outcome !== null) return 'lost';
      this.touched.add(delivery.run);
      const { status, latency, detail } = result;
      delivery.attempts = delivery.attempts.map((one) =>
        one.attempt === claim.attempt && one.answer === null
          ? { ...one, finishedAt: this.now, answer: { status, latency, detail } }
          : one,
      );
      if (delivery.attempt !== claim.attempt || delivery.seriesFrom >= claim.attempt) return 'lost';
      delivery.detail = result.detail;
      if (result.kind === 'retry') delivery.dueAt = after(this.now, result.delay);
      else delivery.outcome = result.kind;
      return 'recorded';
    });
  }

  redeliver(deliveryId: DeliveryId): void {
    const delivery = this.deliveries.find((one) => one.deliveryId === deliveryId)!;
    Object.assign(delivery, { outcome: null, dueAt: this.now, seriesFrom: delivery.attempt });
    this.touched.add(delivery.run);
  }

  /** Every instant at which something may change by itself. */
  edges(): Instant[] {
    const ofRuns = this.runs.flatMap((run) => [
      ...(run.status === 'queued' ? [run.dueAt, this.#deadline(run)] : [run.leaseUntil]),
      run.keptUntil,
    ]);
    const ofKeys = [...this.#keys.values()].map(({ createdAt }) => after(createdAt, IDEMPOTENCY_KEY_KEPT));
    const ofDeliveries = this.deliveries.flatMap(({ outcome, dueAt }) => (outcome === null ? [dueAt] : []));
    return [...ofRuns, ...ofKeys, ...ofDeliveries].filter((edge) => edge !== null && edge > this.now) as Instant[];
  }

  record(run: ModelRun): RunRecord {
    const { given } = run;
    return {
      sequence: run.sequence,
      runId: given.runId,
      endpoint: given.endpoint,
      version: run.version,
      kind: given.kind,
      tenant: given.tenant,
      status: run.status,
      runName: given.runName,
      priority: given.priority,
      attempt: attemptOf(run),
      createdAt: run.createdAt,
      dueAt: run.dueAt,
      startedAt: run.startedAt,
      finishedAt: run.finishedAt,
      timeout: given.timeout,
      queueTtl: given.queueTtl,
      metadata: given.metadata,
      accept: given.accept,
      parentId: run.parent?.given.runId ?? null,
      rows: given.parent?.rows ?? null,
      batch: given.batch,
      progress: run.progress,
      input: factsOf(given.input),
      output: factsOf(run.output),
      payloadsKept: run.payloadsKept,
      error: run.error,
      concurrencyKey: given.concurrencyKey,
      retryOf: given.retryOf,
      retention: given.retention,
      callback: given.callback,
      trace: given.trace,
    };
  }

  payload(run: ModelRun, role: 'input' | 'output'): Payload | null {
    if (!run.payloadsKept) return null;
    return role === 'input' ? run.given.input : run.output;
  }

  deliveriesOf(run: ModelRun): DeliveryRecord[] {
    return this.deliveries
      .filter((one) => one.run === run)
      .map(({ run: _run, seriesFrom: _seriesFrom, ...record }) => record);
  }

  /** Chunks of a batch, in the order of their rows. */
  chunksOf(batch: ModelRun): ModelRun[] {
    return this.runs
      .filter(({ parent }) => parent === batch)
      .toSorted(
        (a, b) =>
          a.given.parent!.rows.from - b.given.parent!.rows.from || a.given.parent!.rows.to - b.given.parent!.rows.to,
      );
  }

  /** How many runs of its lane wait that are more urgent than a run. */
  ahead(run: ModelRun): number {
    return this.#at(run.given.endpoint).filter(
      (one) =>
        one.status === 'queued' &&
        one.version === run.version &&
        isForReplicas(one) === isForReplicas(run) &&
        byUrgency(one, run) < 0,
    ).length;
  }

  depths(): EndpointDepth[] {
    return [...this.endpoints.keys()].map((endpoint) => {
      const runs = this.#at(endpoint);
      const queued = runs.filter(({ status }) => status === 'queued');
      const topLevel = queued.filter(({ parent }) => parent === null);
      return {
        endpoint,
        queued: topLevel.length,
        backlog: queued.filter(isForReplicas).length,
        alone: queued.filter(({ alone }) => alone).length,
        running: runs.filter(({ status }) => status === 'running').length,
        oldestQueuedAt: topLevel[0]?.createdAt ?? null,
      };
    });
  }

  backlog(endpoint: string, version: number): Backlog {
    const queued = this.#at(endpoint).filter((run) => run.status === 'queued' && run.version === version);
    return { waiting: queued.filter(isForReplicas).length, alone: queued.filter(({ alone }) => alone).length };
  }

  hasOpenRuns(endpoint: string, version: number): boolean {
    return this.#at(endpoint).some((run) => run.version === version && isOpen(run));
  }

  #at(endpoint: string): ModelRun[] {
    return this.runs.filter(({ given }) => given.endpoint === endpoint);
  }

  #touch(runId: RunId): ModelRun | undefined {
    const run = this.find(runId);
    if (run !== undefined) this.touched.add(run);
    return run;
  }

  #replayOf({ tenant, idempotency }: NewRun): Enqueued | null {
    if (idempotency === null) return null;
    const kept = this.#keys.get(keyOf(tenant, idempotency.key));
    if (kept === undefined) return null;
    return kept.fingerprint === idempotency.fingerprint
      ? { result: 'replayed', runId: kept.runId }
      : { result: 'key-reused' };
  }

  #duplicateOf({ endpoint, tenant, concurrencyKey, idempotency }: NewRun): Enqueued | null {
    if (concurrencyKey === null) return null;
    const same = this.#at(endpoint).find(
      (run) => isOpen(run) && run.given.tenant === tenant && run.given.concurrencyKey === concurrencyKey,
    );
    if (same === undefined) return null;
    const { runId } = same.given;
    if (idempotency !== null)
      this.#keys.set(keyOf(tenant, idempotency.key), { ...idempotency, runId, createdAt: this.now });
    return { result: 'deduplicated', runId };
  }

  #store(given: NewRun): Enqueued {
    const { runId, tenant, idempotency, batch } = given;
    const endpoint = this.endpoints.get(given.endpoint)!;
    const queued = this.depths().find((depth) => depth.endpoint === given.endpoint)!.queued;
    const parent = given.parent === null ? null : this.#heldBy(given.parent.claim);
    if (given.parent !== null && (parent === null || this.#hasChunk(parent, given))) return { result: 'refused' };
    if (parent === null && queued >= endpoint.queueLimit) return { result: 'queue-full', queued };
    const line = lineOf(endpoint, given);
    const turn = Math.max(line.served, line.drawn.get(tenant) ?? 0) + 1;
    line.drawn.set(tenant, turn);
    const name = `#${this.#names.size + 1}`;
    this.#names.set(runId, name);
    const run: ModelRun = {
      name,
      given,
      turn,
      createdAt: this.now,
      parent,
      attempts: [],
      sequence: Number.NaN,
      status: 'queued',
      version: given.version,
      countedAttempts: 0,
      dueAt: this.now,
      startedAt: null,
      finishedAt: null,
      owner: null,
      leaseUntil: null,
      alone: false,
      progress: batch === null ? null : { done: 0, total: batch.rows, failed: 0 },
      output: null,
      error: null,
      payloadsKept: true,
      keptUntil: null,
    };
    this.runs.push(run);
    this.touched.add(run);
    if (idempotency !== null)
      this.#keys.set(keyOf(tenant, idempotency.key), { ...idempotency, runId, createdAt: this.now });
    return { result: 'enqueued', sequence: Number.NaN, ahead: parent === null ? queued : 0, createdAt: this.now };
  }

  #hasChunk(batch: ModelRun, { parent }: NewRun): boolean {
    const { from, to } = parent!.rows;
    return this.chunksOf(batch).some(({ given }) => given.parent!.rows.from === from && given.parent!.rows.to === to);
  }

  /** The run that a claim is the right to write to; null where that right is lost, or never was. */
  #heldBy({ runId, attempt }: Claim): ModelRun | null {
    const run = this.#touch(runId);
    return run !== undefined && run.status === 'running' && attemptOf(run) === attempt ? run : null;
  }

  #underClaim(claim: Claim, write: (run: ModelRun) => void): Recorded {
    const run = this.#heldBy(claim);
    if (run === null) return 'lost';
    write(run);
    return 'recorded';
  }

  #canBeClaimed(run: ModelRun): boolean {
    return run.status === 'queued' && run.dueAt <= this.now && this.#mayWait(run);
  }

  /** When it has waited too long; it waits anew whenever it is queued again. */
  #deadline({ dueAt, given }: ModelRun): Instant | null {
    return given.queueTtl === null ? null : after(dueAt, given.queueTtl);
  }

  #mayWait(run: ModelRun): boolean {
    const deadline = this.#deadline(run);
    return deadline === null || deadline > this.now;
  }

  #queued({ endpoint, createdBefore, runName }: QueueFilter): ModelRun[] {
    return this.#at(endpoint).filter(
      (run) =>
        run.status === 'queued' &&
        run.parent === null &&
        (createdBefore === undefined || run.createdAt < createdBefore) &&
        (runName === undefined || run.given.runName === runName),
    );
  }

  /** Every change of a status is one of the table, or the model is wrong. */
  #move(run: ModelRun, event: RunEvent): void {
    const { from, to } = TRANSITIONS[event];
    if (!(from as readonly RunStatus[]).includes(run.status))
      throw new Error(`The model lets ${event} find ${run.status}.`);
    run.status = to;
    run.owner = null;
    run.leaseUntil = null;
    this.touched.add(run);
  }

  #close(run: ModelRun, outcome: AttemptRecord['outcome'], error: RunError | null): void {
    Object.assign(run.attempts.at(-1)!, { outcome, error, finishedAt: this.now });
  }

  #endAttempt(run: ModelRun, result: AttemptResult): void {
    switch (result.kind) {
      case 'succeeded':
        this.#close(run, 'succeeded', null);
        return this.#end(run, 'succeed', { output: result.output });
      case 'failed':
        this.#close(run, 'failed', result.error);
        return this.#end(run, 'fail', { error: result.error });
      case 'retry':
        this.#close(run, 'failed', result.error);
        return this.#requeue(run, result.delay, result.error);
      case 'released':
        this.#close(run, 'released', null);
        run.countedAttempts -= 1;
        return this.#requeue(run, seconds(0), null);
    }
  }

  #requeue(run: ModelRun, delay: Duration, error: RunError | null): void {
    this.#move(run, 'requeue');
    run.dueAt = after(this.now, delay);
    if (error?.type === 'replica-crashed' && isForReplicas(run)) run.alone = true;
  }

  #end(
    run: ModelRun,
    event: 'succeed' | 'fail' | 'expire' | 'cancel',
    what: { output?: Payload; error?: RunError },
  ): void {
    this.#move(run, event);
    Object.assign(run, what, { finishedAt: this.now, keptUntil: after(this.now, run.given.retention) });
    const told = CALLBACK_EVENTS[run.status as EndedStatus];
    if (run.given.callback?.events.includes(told) === true)
      this.deliveries.push({
        run,
        deliveryId: deliveryIdOf(run.given.runId, told),
        event: told,
        url: run.given.callback.url,
        attempt: 0,
        createdAt: this.now,
        dueAt: this.now,
        outcome: null,
        detail: null,
        attempts: [],
        seriesFrom: 0,
      });
    for (const chunk of this.chunksOf(run)) if (isOpen(chunk)) this.#cancel(chunk);
  }

  /** Answers the claims that it has taken away. */
  #cancel(run: ModelRun): Claim[] {
    const own = run.status === 'running' ? [claimOf(run)] : [];
    const ofChunks = this.chunksOf(run)
      .filter(({ status }) => status === 'running')
      .map(claimOf);
    if (own.length > 0) this.#close(run, 'cancelled', null);
    this.#end(run, 'cancel', {});
    return [...own, ...ofChunks];
  }

  #isNeeded(run: ModelRun): boolean {
    const isTold = this.deliveries.some((one) => one.run === run && one.outcome === null);
    const { parent } = run;
    return isTold || this.chunksOf(run).length > 0 || (parent !== null && (isOpen(parent) || parent.payloadsKept));
  }

  /** @param neededUntil when it is looked at again at the earliest, where somebody needs it */
  #collectRun(run: ModelRun, neededUntil: Instant | null): BlobKey[] | null {
    this.touched.add(run);
    const blobs = run.payloadsKept ? [run.given.input, run.output].flatMap(blobOf) : [];
    const isFirstTime = run.given.kind !== 'chunk' && run.payloadsKept;
    if (isFirstTime) {
      run.payloadsKept = false;
      run.keptUntil = Math.max(run.keptUntil!, after(run.finishedAt!, LINE_KEPT)) as Instant;
      return blobs;
    }
    if (neededUntil !== null) {
      run.keptUntil = Math.max(after(this.now, LOOK_AGAIN), neededUntil) as Instant;
      return null;
    }
    this.runs = this.runs.filter((one) => one !== run);
    this.deliveries = this.deliveries.filter((one) => one.run !== run);
    this.touched.delete(run);
    this.forgotten.push(run.given.runId);
    return blobs;
  }
}

const keyOf = (tenant: string, key: string): string => `${tenant} ${key}`;
const claimOf = (run: ModelRun): Claim => ({ runId: run.given.runId, attempt: attemptOf(run) });
const byUrgency = (a: ModelRun, b: ModelRun): number =>
  b.given.priority - a.given.priority || a.turn - b.turn || a.sequence - b.sequence;
const sweptOf = (run: ModelRun): Swept => ({
  runId: run.given.runId,
  endpoint: run.given.endpoint,
  parentId: run.parent?.given.runId ?? null,
  status: run.status,
});
const blobOf = (payload: Payload | null): BlobKey[] =>
  payload !== null && 'blob' in payload.body ? [payload.body.blob] : [];

function factsOf(payload: Payload | null): RunRecord['input'] {
  return payload === null ? null : { contentType: payload.contentType, bytes: payload.bytes, sha256: payload.sha256 };
}

function lineOf({ lines }: ModelEndpoint, { kind, priority }: NewRun): ModelLine {
  const name = `${kind === 'batch' ? 'batches' : 'calls'} ${priority}`;
  const line = lines.get(name) ?? { served: 0, drawn: new Map<string, number>() };
  lines.set(name, line);
  return line;
}
