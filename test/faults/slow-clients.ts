// `npm run slow-clients [-- --connections 1000 --seconds 20]`: what a healthy client waits for a
// submit while slowhttptest holds as many slow connections as it can, by its three ways: headers,
// bodies and answers a few bytes at a time. It prints the ratio to what the client waits without
// them; at most twice as long is asked. slowhttptest is a package of Debian's; without it this says
// so and does nothing.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, stripVTControlCharacters } from 'node:util';
import { Pool } from 'undici';
import { percentile } from '../../bench/support/statistics.ts';
import { serve, serveCommand } from '../../tools/serve.ts';

const { values } = parseArgs({
  options: { connections: { type: 'string', default: '1000' }, seconds: { type: 'string', default: '20' } },
});
const seconds = Number(values.seconds);

/**
 * Submits a second of the healthy client: far from what the server can do, so that its waits are
 * those of the connections and not of work.
 */
const SUBMITS_PER_SECOND = 50;
/** An answer that does not fit into the buffers of a socket. */
const LARGE_BYTES = 8 * 1_024 * 1_024;
/** How long slowhttptest has to open its connections before the client is measured. */
const HEAD_START_MS = 5_000;

const FIXTURE = new URL('../fixtures/anything.ts', import.meta.url).pathname;
const JSON_TYPE = { 'content-type': 'application/json' };

const p50 = (times: readonly number[]): number => percentile(times, 0.5);
const p99 = (times: readonly number[]): number => percentile(times, 0.99);

if (spawnSync('slowhttptest', ['-h']).error !== undefined) {
  process.stdout.write('slow-clients: skipped, since slowhttptest is not here: apt-get install slowhttptest\n');
  process.exit(0);
}

const folder = await mkdtemp(join(tmpdir(), 'claimcheck-slow-'));
const config = join(folder, 'claimcheck.config.json');
const endpoint = { model: FIXTURE, mode: 'async', queueLimit: 1_000_000, replicas: { min: 1 } };
await writeFile(config, JSON.stringify({ logLevel: 'error', endpoints: { jobs: endpoint } }));
const server = await serve(serveCommand(config, join(folder, 'data')), { stderr: 'inherit' });
// A few connections of its own, as the pool of any client has.
const healthy = new Pool(server.url, { connections: 4 });
try {
  const large = await outputOf({ do: 'say', value: 'x'.repeat(LARGE_BYTES) });
  const attacks = {
    headers: ['-H', '-i', '10', '-x', '24', '-u', `${server.url}/health`],
    bodies: ['-B', '-i', '10', '-x', '10', '-s', '65536', '-t', 'POST', '-u', `${server.url}/endpoints/jobs/invoke`],
    answers: ['-X', '-w', '10', '-y', '20', '-n', '5', '-z', '32', '-u', `${server.url}${large}`],
  };
  await submitFor(2);
  for (const [what, argv] of Object.entries(attacks)) await measure(what, argv);
} finally {
  await healthy.close();
  await server.end('SIGTERM');
  await rm(folder, { recursive: true, force: true });
}

async function measure(what: string, argv: readonly string[]): Promise<void> {
  const before = await submitFor(seconds);
  const attack = startAttack(argv);
  await sleep(HEAD_START_MS);
  const during = await submitFor(seconds);
  await attack.stop();
  const ratio = (of: (times: readonly number[]) => number): string => (of(during) / of(before)).toFixed(2);
  process.stdout.write(
    `slow ${what}: ${values.connections} connections; a submit took ${text(before)} before and ${text(during)} meanwhile: p50 × ${ratio(p50)}, p99 × ${ratio(p99)}; ${attack.state()}\n`,
  );
}

interface Attack {
  /** What it said last of its connections, and whether anybody else could use the server. */
  state(): string;
  stop(): Promise<void>;
}

function startAttack(argv: readonly string[]): Attack {
  const lasts = String(seconds + HEAD_START_MS / 1_000 + 30);
  const common = ['-c', values.connections, '-r', '500', '-l', lasts, '-p', '3'];
  const child: ChildProcess = spawn('slowhttptest', [...argv, ...common], { stdio: ['ignore', 'pipe', 'ignore'] });
  const exited = once(child, 'exit');
  let said = '';
  child
    .stdout!.setEncoding('utf8')
    .on('data', (part: string) => (said = `${said}${stripVTControlCharacters(part)}`.slice(-4_096)));
  return {
    state() {
      const last = (name: string): string =>
        [...said.matchAll(new RegExp(`^${name}:\\s+(\\w+)`, 'gm'))].at(-1)?.[1] ?? '?';
      return `${last('connected')} connected, ${last('closed')} closed, service available: ${last('service available')}`;
    },
    async stop() {
      child.kill('SIGINT');
      await exited;
    },
  };
}

/**
 * How long each submit took, in milliseconds, from when it was due: one that waits for another
 * waits, too.
 */
async function submitFor(lasts: number): Promise<number[]> {
  const startedAt = performance.now();
  const submits = Array.from({ length: lasts * SUBMITS_PER_SECOND }, async (_, place) => {
    const due = startedAt + (place * 1_000) / SUBMITS_PER_SECOND;
    await sleep(Math.max(0, due - performance.now()));
    await submit(place);
    return performance.now() - due;
  });
  return Promise.all(submits);
}

async function submit(input: unknown): Promise<string> {
  const path = '/endpoints/jobs/invoke';
  const answer = await healthy.request({ method: 'POST', path, headers: JSON_TYPE, body: JSON.stringify({ input }) });
  if (answer.statusCode !== 202) throw new Error(`A submit was answered with ${answer.statusCode}.`);
  return ((await answer.body.json()) as { run_id: string }).run_id;
}

/** The path of the output of a run that has ended. */
async function outputOf(input: unknown): Promise<string> {
  const path = `/runs/${await submit(input)}`;
  for (;;) {
    const { body } = await healthy.request({ method: 'GET', path: `${path}?wait=60` });
    if (((await body.json()) as { done: boolean }).done) return `${path}/output`;
  }
}

function text(times: readonly number[]): string {
  return `${p50(times).toFixed(1)} ms (p99 ${p99(times).toFixed(1)})`;
}
