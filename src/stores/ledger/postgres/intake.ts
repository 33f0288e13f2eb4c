// Writing runs down. The queue limit is a counter row that is locked, held against the limit and
// raised in the transaction that stores the runs: a count of rows would let concurrent callers past
// it.

import type { RunId } from '../../../domain/ids.ts';
import { instant } from '../../../domain/time.ts';
import type { Enqueued, NewRun } from '../ledger.ts';
import type { Connections, Statement, Writer } from '../../postgres/connections.ts';
import { ENQUEUE, ENQUEUE_CHUNKS, FIND_KEYS, KEEP_KEYS, LOCK_PARENTS, valuesOf } from './enqueue.ts';
import { isRefusedBy, lacks, OutcomeUnknown, Unreachable } from '../../postgres/errors.ts';
import type { Hints } from './hints.ts';
import { LOCK_ENDPOINTS } from './places.ts';

// For a write whose connection was lost: run ids are made by the caller, so a run that is there is
// there by that write.
const STORED: Statement = {
  name: 'claimcheck_stored',
  text: `
  SELECT r.run_id, r.seq, r.created_at_ms,
    (SELECT count(*) FROM claimcheck.open_runs q
     WHERE q.endpoint = r.endpoint AND q.status = 'queued' AND q.kind <> 'chunk' AND q.seq < r.seq) AS ahead
  FROM claimcheck.runs r
  WHERE r.run_id = ANY($1::text[])`,
};

/**
 * How often a group is written anew because another server was first with one of its keys, or its
 * connection was lost.
 */
const TRIES_MAX = 20;

interface StoredRow {
  seq: number;
  ahead: number;
  created_at_ms: number;
}
interface JudgedRow {
  seq: number | null;
  ahead: number;
  created_at_ms: number;
  full_at: number;
}
interface KeysRow {
  replay_of: RunId | null;
  replay_fingerprint: string | null;
  twin: RunId | null;
}
type StoredRun = StoredRow & { run_id: string };
type Answers = ReadonlyMap<NewRun, Enqueued>;

/** A run with a key that an earlier one of the same group has. */
interface Follower {
  readonly run: NewRun;
  readonly leader: NewRun;
  readonly by: 'idempotency' | 'concurrency';
}
const NO_KEYS: KeysRow = { replay_of: null, replay_fingerprint: null, twin: null };

/** Takes runs in. */
export class IntakeVerbs {
  readonly #connections: Connections;
  readonly #hints: Hints;

  constructor(connections: Connections, hints: Hints) {
    this.#connections = connections;
    this.#hints = hints;
  }

  /** Writes the runs of several callers down in one transaction. */
  async enqueue(calls: readonly (readonly NewRun[])[]): Promise<Enqueued[][]> {
    const answers = await this.#untilKnown(calls.flat());
    for (const [run, { result }] of answers) if (result === 'enqueued') this.#hints.queued(run.endpoint);
    return calls.map((runs) => runs.map((run) => answers.get(run)!));
  }

  /**
   * Writes until the outcome of every run is known. A connection may be lost during the commit:
   * what is there then is looked up, before the rest is written anew and after it, since the first
   * write may be on its way still. And another server may be first with an idempotency key: the
   * whole group is undone then, and finds that key when it is written anew.
   */
  async #untilKnown(runs: readonly NewRun[]): Promise<Answers> {
    let mayBeThere = false;
    for (let tries = 1; ; tries += 1) {
      try {
        // Chunks are refused as well where an earlier call, of which nobody knew whether it was
        // done, has written them.
        if (!mayBeThere) return await this.#withThose(await this.#write(runs));
        const there = await this.#lookUp(runs);
        const written = await this.#write(runs.filter((run) => !there.has(run)));
        const refused = [...written].filter(([, { result }]) => result !== 'enqueued').map(([run]) => run);
        return new Map([...there, ...written, ...(await this.#lookUp(refused))]);
      } catch (error) {
        if (tries === TRIES_MAX) throw error;
        if (mayBeThere && error instanceof Unreachable) throw new OutcomeUnknown(error.message, { cause: error });
        if (error instanceof OutcomeUnknown) mayBeThere = true;
        else if (lacks(error, 'endpoint')) throw neverDeployed(runs, error);
        else if (
          !isRefusedBy(error, 'an_idempotency_key_is_used_once') &&
          !(mayBeThere && isRefusedBy(error, 'a_run_id_is_used_once'))
        )
          throw error;
      }
    }
  }

  async #withThose(written: Answers): Promise<Answers> {
    const refused = [...written].filter(([, { result }]) => result === 'refused').map(([run]) => run);
    return refused.length === 0 ? written : new Map([...written, ...(await this.#lookUp(refused))]);
  }

  async #lookUp(runs: readonly NewRun[]): Promise<Answers> {
    if (runs.length === 0) return new Map();
    const rows = await this.#connections.read<StoredRun>(STORED, [runs.map(({ runId }) => runId)]);
    const found = byRunId(rows);
    const there = runs.filter(({ runId }) => found.has(runId));
    return new Map(there.map((run) => [run, enqueued(found.get(run.runId)!)]));
  }

  /**
   * Top-level runs are one statement. Chunks are stored by one that begins once their batch is
   * locked, and runs with concurrency keys by one that begins once their endpoint is: a
   * transaction that stores such a run has that lock, so every one that there is can be seen.
   */
  #write(runs: readonly NewRun[]): Promise<Answers> {
    const parents = runs.flatMap(({ parent }) => (parent === null ? [] : [parent.claim.runId]));
    const endpoints = runs.flatMap(({ endpoint, concurrencyKey }) => (concurrencyKey === null ? [] : [endpoint]));
    if (parents.length + endpoints.length === 0)
      return writeInOrder(runs, this.#connections, (statement, values) => this.#connections.read(statement, values));
    return this.#connections.transaction(async (writer) => {
      if (parents.length > 0) await writer.write(LOCK_PARENTS, [parents]);
      if (endpoints.length > 0) await writer.write(LOCK_ENDPOINTS, [runs.map(({ endpoint }) => endpoint)]);
      return writeInOrder(runs, writer, (statement, values) => writer.write(statement, values));
    });
  }
}

/**
 * Answers the runs one after the other, as if they had come one by one: of several new ones with
 * one key the first is stored.
 */
async function writeInOrder(runs: readonly NewRun[], writer: Writer, read: Writer['write']): Promise<Answers> {
  const known = await findKeys(runs, read);
  const answers = new Map<NewRun, Enqueued>();
  const leaders = new Map<string, NewRun>();
  const followers: Follower[] = [];
  const fresh: NewRun[] = [];
  for (const run of runs) {
    const { replay_of: original, replay_fingerprint: fingerprint, twin } = known.get(run) ?? NO_KEYS;
    const keys = [idempotencyKeyOf(run), concurrencyKeyOf(run)];
    const [first, second] = keys.map((key) => (key === null ? undefined : leaders.get(key)));
    // An idempotency key is looked at first: what comes again is no duplicate.
    if (original !== null) answers.set(run, replayOf(run, original, fingerprint));
    else if (first !== undefined) followers.push({ run, leader: first, by: 'idempotency' });
    else {
      if (twin !== null) answers.set(run, duplicateOf(twin));
      else if (second !== undefined) followers.push({ run, leader: second, by: 'concurrency' });
      else fresh.push(run);
      for (const key of keys.filter((one) => one !== null)) leaders.set(key, leaders.get(key) ?? run);
    }
  }
  for (const [run, answer] of await store(fresh, writer)) answers.set(run, answer);
  const left: NewRun[] = [];
  for (const follower of followers) {
    const answer = answerTo(follower, answers.get(follower.leader)!);
    if (answer === null) left.push(follower.run);
    else answers.set(follower.run, answer);
  }
  await keepKeys(answers, writer);
  if (left.length > 0) for (const [run, answer] of await writeInOrder(left, writer, read)) answers.set(run, answer);
  return answers;
}

/**
 * The idempotency keys of duplicates stand for the runs that those were told of: the same request
 * later, when that has ended, is no new one.
 */
async function keepKeys(answers: Answers, writer: Writer): Promise<void> {
  const kept = [...answers].flatMap(([{ tenant, idempotency }, answer]) =>
    answer.result === 'deduplicated' && idempotency !== null ? [{ tenant, ...idempotency, runId: answer.runId }] : [],
  );
  if (kept.length === 0) return;
  await writer.write(KEEP_KEYS, [
    kept.map(({ tenant }) => tenant),
    kept.map(({ key }) => key),
    kept.map(({ fingerprint }) => fingerprint),
    kept.map(({ runId }) => runId),
  ]);
}

/** What the keys stand for, of the runs that have any. */
async function findKeys(runs: readonly NewRun[], read: Writer['write']): Promise<ReadonlyMap<NewRun, KeysRow>> {
  const keyed = runs.filter(({ idempotency, concurrencyKey }) => idempotency !== null || concurrencyKey !== null);
  if (keyed.length === 0) return new Map();
  const rows = await read<KeysRow>(FIND_KEYS, [
    keyed.map(({ endpoint }) => endpoint),
    keyed.map(({ tenant }) => tenant),
    keyed.map(({ idempotency }) => idempotency?.key ?? null),
    keyed.map(({ concurrencyKey }) => concurrencyKey),
  ]);
  return new Map(keyed.map((run, place) => [run, rows[place]!]));
}

async function store(runs: readonly NewRun[], writer: Writer): Promise<Answers> {
  const chunks = runs.filter(({ parent }) => parent !== null);
  const topLevel = runs.filter(({ parent }) => parent === null);
  const stored = topLevel.length === 0 ? [] : await storeTopLevel(writer, topLevel);
  return new Map([...stored, ...(chunks.length === 0 ? [] : await storeChunks(writer, chunks))]);
}

async function storeTopLevel(writer: Writer, runs: readonly NewRun[]): Promise<Answers> {
  const rows = await writer.write<JudgedRow>(ENQUEUE, valuesOf(runs));
  return new Map(
    runs.map((run, place) => {
      const { seq, ahead, created_at_ms, full_at: queued } = rows[place]!;
      return [run, seq === null ? { result: 'queue-full', queued } : enqueued({ seq, ahead, created_at_ms })];
    }),
  );
}

async function storeChunks(writer: Writer, runs: readonly NewRun[]): Promise<Answers> {
  const stored = byRunId(await writer.write<StoredRun>(ENQUEUE_CHUNKS, valuesOf(runs)));
  return new Map(
    runs.map((run) => {
      const row = stored.get(run.runId);
      return [run, row === undefined ? { result: 'refused' } : enqueued(row)];
    }),
  );
}

const byRunId = (rows: readonly StoredRun[]): Map<string, StoredRun> => new Map(rows.map((row) => [row.run_id, row]));

const idempotencyKeyOf = ({ tenant, idempotency }: NewRun): string | null =>
  idempotency === null ? null : JSON.stringify(['idempotency', tenant, idempotency.key]);
const concurrencyKeyOf = ({ endpoint, tenant, concurrencyKey }: NewRun): string | null =>
  concurrencyKey === null ? null : JSON.stringify(['concurrency', endpoint, tenant, concurrencyKey]);

const enqueued = ({ seq, ahead, created_at_ms: createdAt }: StoredRow): Enqueued => ({
  result: 'enqueued',
  sequence: seq,
  ahead,
  createdAt: instant(createdAt),
});
/** Where the first of them found no room, there is none for the others either. */
function answerTo({ run, leader, by }: Follower, answer: Enqueued): Enqueued | null {
  const isSameRequest = run.idempotency?.fingerprint === leader.idempotency?.fingerprint;
  const original = answer.result === 'enqueued' ? leader.runId : answer.result === 'deduplicated' ? answer.runId : null;
  // The key of a leader that was refused stands for nothing, so another request with it is judged
  // by itself.
  if (original === null) return by === 'concurrency' || isSameRequest ? answer : null;
  if (by === 'concurrency') return duplicateOf(original);
  return replayOf(run, original, leader.idempotency?.fingerprint);
}

const duplicateOf = (runId: RunId): Enqueued => ({ result: 'deduplicated', runId });
const replayOf = ({ idempotency }: NewRun, runId: RunId, fingerprint: string | null | undefined): Enqueued =>
  idempotency?.fingerprint === fingerprint ? { result: 'replayed', runId } : { result: 'key-reused' };

function neverDeployed(runs: readonly NewRun[], cause: unknown): Error {
  const endpoints = [...new Set(runs.map(({ endpoint }) => endpoint))].join(', ');
  return new Error(`Endpoint ${endpoints} was never deployed to this ledger.`, { cause });
}
