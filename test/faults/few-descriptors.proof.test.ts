// A server that has few file descriptors, and for a while none to spare: what it cannot take it
// refuses, and what it has taken succeeds.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { folderForTest } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { send, type TestAnswer, unanswered } from '../support/http.ts';
import { type ServerProcess, startServerProcess } from '../support/server-process.ts';
import { FIXTURES } from '../support/service.ts';
import { until } from '../support/until.ts';

const DESCRIPTORS = 90;
const canLimit = spawnSync('prlimit', [`--nofile=${DESCRIPTORS}`, 'true']).status === 0;
const WHY = canLimit ? '' : ' (skipped: there is no prlimit here)';

const endpoints = {
  calls: { model: join(FIXTURES, 'anything.ts'), mode: 'async', replicas: { max: 2 } },
  rows: { model: join(FIXTURES, 'careful-rows.ts'), mode: 'async', batchSize: 4, replicas: { max: 2 } },
} as const;
/** How many descriptors are to spare, for a second each. */
const TO_SPARE = [0, 1, 2, 3, 5, 8, 0, 12];
const SQUEEZE_MS = 1_000;
/** Together, and with the one who reads, they are the connections that such a server takes. */
const CLIENTS = 5;
const IDLE = 2;

/** Kept in blobs, each with content of its own: so are the outputs, which are the same. */
const large = (name: string): string => `${name} `.repeat(Math.ceil(40_000 / (name.length + 1)));
const rowsOf = (name: string, gate: string): object[] =>
  Array.from({ length: 40 }, (_, id) => ({ id, gate, text: large(name).slice(0, 1_500) }));

interface Acknowledged {
  readonly runId: string;
  readonly output: unknown;
}

/**
 * Clients that submit one after the other, calls and batches, and one that fetches outputs, until
 * they are told to go; what was acknowledged, and what else was answered.
 */
class Crowd {
  readonly acknowledged: Acknowledged[] = [];
  /** Answers that neither do what was asked nor refuse it for the time being. */
  readonly untrue: string[] = [];
  refused = 0;
  fetched = 0;
  readonly #server: ServerProcess;
  readonly #gate: string;
  readonly #clients: Promise<void>[];
  #isOver = false;

  /** @param gate a file without which nothing ends */
  constructor(server: ServerProcess, size: number, gate: string) {
    this.#server = server;
    this.#gate = gate;
    this.#clients = Array.from({ length: size }, (_, index) => this.#submitAll(`client ${index}`));
    this.#clients.push(this.#fetchAll());
  }

  async leave(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
  }

  async #submitAll(client: string): Promise<void> {
    for (let count = 0; !this.#isOver; count += 1) {
      const name = `${client}, number ${count}`;
      const isBatch = count % 3 === 2;
      const output = isBatch ? rowsOf(name, this.#gate) : large(name);
      const answer = await (isBatch
        ? this.#server.submit('rows', output)
        : this.#server.submit('calls', { do: 'say', value: output, path: this.#gate }));
      this.#note(answer, output);
      await sleep(answer?.status === 202 ? 20 : 100);
    }
  }

  /** A connection that could not be taken is null: nothing was acknowledged. */
  #note(answer: TestAnswer | null, output: unknown): void {
    if (answer?.status === 202) return void this.acknowledged.push({ runId: answer.json.run_id as string, output });
    this.#noteRefused(answer);
  }

  /** Of those that are done, since an output is asked for until it is there. */
  async #fetchAll(): Promise<void> {
    for (let next = 0; !this.#isOver;) {
      const run = this.acknowledged[next];
      const answer = run && (await send(this.#server.url, 'GET', `/runs/${run.runId}/output`).catch(unanswered));
      if (run && answer?.status === 200) {
        next += 1;
        this.fetched += 1;
        if (answer.text !== JSON.stringify(run.output)) this.untrue.push(`the output of ${run.runId} is another one`);
      } else if (run && answer?.status !== 202) {
        this.#noteRefused(answer ?? null);
      }
      await sleep(answer?.status === 200 ? 5 : 50);
    }
  }

  #noteRefused(answer: TestAnswer | null): void {
    this.refused += 1;
    if (answer !== null && ![429, 503].includes(answer.status)) this.untrue.push(`${answer.status}: ${answer.text}`);
  }
}

/** Connections that are open and say nothing. */
async function idleConnections(url: string, count: number): Promise<Socket[]> {
  const { hostname, port } = new URL(url);
  const sockets = Array.from({ length: count }, () => connect(Number(port), hostname).on('error', () => {}));
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  return sockets;
}

function limit(pid: number, descriptors: number): void {
  const { status, stderr } = spawnSync('prlimit', ['--pid', `${pid}`, `--nofile=${descriptors}:`], {
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([0, '']);
}

/** What is wrong with a run that was acknowledged, once it has ended; null where nothing is. */
async function faultOf({ url }: ServerProcess, { runId, output }: Acknowledged): Promise<string | null> {
  const run = await until(`run ${runId} has ended`, async () => {
    const { status, json } = await send(url, 'GET', `/runs/${runId}?wait=30`);
    return status !== 200 || json.done === true ? { status, ...json } : null;
  });
  if (run.status !== 'succeeded') return `${runId} is ${run.status}: ${JSON.stringify(run.error ?? run)}`;
  const { status, json } = await send(url, 'GET', `/runs/${runId}/output`);
  if (status !== 200) return `the output of ${runId} is answered with ${status}: ${JSON.stringify(json)}`;
  return JSON.stringify(json) === JSON.stringify(output) ? null : `the output of ${runId} is another one`;
}

test.skipIf(!canLimit)(
  `a server that runs out of descriptors refuses what it cannot take, and fails nothing that it has taken${WHY}`,
  async () => {
    const folder = await folderForTest();
    const server = await startServerProcess(folder, endpoints, {}, {}, ['prlimit', `--nofile=${DESCRIPTORS}`]);
    const pid = server.child.pid!;
    const openFiles = (): number => readdirSync(`/proc/${pid}/fd`).length;
    const gates = new Gates(folder);
    const crowd = new Crowd(server, CLIENTS, gates.path('open'));
    await until('calls and batches are taken', () => crowd.acknowledged.length >= 100);
    const idle = await idleConnections(server.url, IDLE);
    gates.open('open');
    for (const spare of TO_SPARE) {
      limit(pid, Math.min(openFiles() + spare, DESCRIPTORS));
      await sleep(SQUEEZE_MS);
      limit(pid, DESCRIPTORS);
      await sleep(SQUEEZE_MS / 4);
    }
    idle.forEach((socket) => socket.destroy());
    await crowd.leave();

    expect(server.child.exitCode).toBe(null);
    expect(crowd.untrue).toEqual([]);
    expect(crowd.refused).toBeGreaterThan(0);
    expect(crowd.fetched).toBeGreaterThan(0);
    expect(server.stderr()).toContain('EMFILE');
    const faults: (string | null)[] = [];
    for (const run of crowd.acknowledged) faults.push(await faultOf(server, run));
    expect(faults.filter((fault) => fault !== null)).toEqual([]);
    expect((await server.submit('calls', { do: 'say', value: 1 }))?.status).toBe(202);
  },
);
