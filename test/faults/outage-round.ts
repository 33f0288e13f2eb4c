// One round of the fault "Postgres is away": a server takes calls and batches, its database stands
// still or is shut down for a time, and when it is back everything that was acknowledged succeeds,
// once. Meanwhile who asks is told the truth.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunBody } from '../../src/wire/runs.ts';
import { serve, serveCommand } from '../../tools/serve.ts';
import type { StoppablePostgres } from '../support/postgres.ts';

/**
 * How the database is away: its processes stand still and keep their connections, or it is shut
 * down and started again.
 */
export type Outage = 'frozen' | 'shut down';

/** Rows of each batch, of which every row takes a few milliseconds. */
const ROWS = 400;
/** Pause between two submits, of which every fourth is a batch. */
const PAUSE_MS = 150;
/** Submits before the outage. */
const BEFORE = 12;
/** For readiness to say that the database is away; of a shorter outage it need not tell. */
const TOLD_WITHIN_MS = 6_000;
/** How long a request may be held. */
const HELD_MAX_MS = 20_000;
/** For a run to end, once the database is back. */
const PATIENCE_MS = 180_000;

/** What a round found. Every list is empty where the promises hold. */
export interface OutageReport {
  readonly acknowledged: number;
  /** Submits that were refused meanwhile. */
  readonly refused: number;
  /** Acknowledged runs that have not succeeded, or more than once. */
  readonly lost: readonly string[];
  /** Answers that were not what they must be: no 503 of the kind, no Retry-After, too late. */
  readonly untrue: readonly string[];
}

/** Runs a round of so many seconds, in a folder and a database of its own. */
export async function outageRound(postgres: StoppablePostgres, outage: Outage, lasts: number): Promise<OutageReport> {
  const folder = await mkdtemp(join(tmpdir(), 'claimcheck-outage-'));
  const database = await postgres.newDatabase();
  const model = new URL('../fixtures/slow-echo.ts', import.meta.url).pathname;
  const config = join(folder, 'claimcheck.config.json');
  const endpoints = { rows: { model, mode: 'async', batchSize: 4, replicas: { max: 2 } } };
  await writeFile(config, JSON.stringify({ endpoints, logLevel: 'silent' }));
  const env = { CLAIMCHECK_DATABASE_URL: database };
  const served = await serve(serveCommand(config, join(folder, 'data')), { env, stderr: 'inherit' });
  try {
    const round = new Round(served.url);
    await round.submitWhile(() => round.submits < BEFORE);
    const goOn = outage === 'frozen' ? postgres.freeze() : await postgres.shutDown();
    const end = Date.now() + lasts * 1_000;
    await Promise.all([
      round.submitWhile(() => Date.now() < end),
      round.watchReadiness(end),
      sleep(lasts * 1_000).then(() => goOn()),
    ]);
    return await round.report();
  } finally {
    await served.end('SIGTERM');
    await postgres.dropDatabase(database);
    await rm(folder, { recursive: true, force: true });
  }
}

class Round {
  readonly #url: string;
  readonly #acknowledged: string[] = [];
  readonly #underway = new Set<Promise<void>>();
  readonly #untrue: string[] = [];
  #refused = 0;
  submits = 0;

  constructor(url: string) {
    this.#url = url;
  }

  /** Submits again and again, whether or not the last one was answered. */
  async submitWhile(goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      this.submits += 1;
      const submit = this.#submit(this.submits % 4 === 0).finally(() => this.#underway.delete(submit));
      this.#underway.add(submit);
      await sleep(PAUSE_MS);
    }
  }

  /** A database that is away for long enough is told of by `/ready`, within seconds. */
  async watchReadiness(end: number): Promise<void> {
    const begin = Date.now();
    let toldAt: number | null = null;
    while (Date.now() < end) {
      const { status } = await fetch(`${this.#url}/ready`);
      if (status === 503) toldAt ??= Date.now();
      await sleep(100);
    }
    const tookMs = (toldAt ?? Infinity) - begin;
    if (end - begin > TOLD_WITHIN_MS + 1_000 && tookMs > TOLD_WITHIN_MS)
      this.#untrue.push(`/ready said after ${tookMs} ms that the database is away`);
  }

  async report(): Promise<OutageReport> {
    await Promise.all(this.#underway);
    const judged = await Promise.all(this.#acknowledged.map((id) => this.#judge(id)));
    const lost = judged.filter((fault) => fault !== null);
    return { acknowledged: this.#acknowledged.length, refused: this.#refused, lost, untrue: this.#untrue };
  }

  async #submit(isBatch: boolean): Promise<void> {
    const rows = Array.from({ length: ROWS }, (_, row) => `${row}`);
    const body = isBatch ? ['id', ...rows].join('\n') : JSON.stringify({ input: { id: 1 } });
    const headers = { 'content-type': isBatch ? 'text/csv' : 'application/json' };
    const begin = Date.now();
    const response = await fetch(`${this.#url}/endpoints/rows/invoke`, { method: 'POST', headers, body });
    const answer = (await response.json()) as RunBody & { readonly type: string };
    const tookMs = Date.now() - begin;
    if (tookMs > HELD_MAX_MS) this.#untrue.push(`a submit was held for ${tookMs} ms`);
    if (response.status === 202) return void this.#acknowledged.push(answer.run_id);
    this.#refused += 1;
    const isTold = response.status === 503 && answer.type.endsWith('storage-unavailable');
    if (!isTold || !response.headers.has('retry-after'))
      this.#untrue.push(`a submit was answered with ${response.status}: ${JSON.stringify(answer)}`);
  }

  /** What is wrong with an acknowledged run once it has ended. */
  async #judge(id: string): Promise<string | null> {
    const giveUp = Date.now() + PATIENCE_MS;
    while (Date.now() < giveUp) {
      const response = await fetch(`${this.#url}/runs/${id}?wait=30`);
      if (response.status === 503) await sleep(500);
      if (response.status === 503) continue;
      const run = (await response.json()) as RunBody;
      if (response.status !== 200) return `${id} is answered with ${response.status}`;
      if (!run.done) continue;
      const successes = run.attempts.filter(({ outcome }) => outcome === 'succeeded').length;
      if (run.status === 'succeeded' && successes === 1) return null;
      return `${id} is ${run.status} with ${successes} successful attempts: ${JSON.stringify(run.error)}`;
    }
    return `${id} has not ended`;
  }
}
