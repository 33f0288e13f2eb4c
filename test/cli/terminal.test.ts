// The commands, and scripts with the SDK, in a real pseudo-terminal.

import { setTimeout as pause } from 'node:timers/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import { type RunningServer, startServer } from '../client/server.ts';
import { folderForTest } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { hasPython, NO_PYTHON } from '../support/python.ts';
import { serviceForTest } from '../support/service.ts';
import { openTerminal, type Terminal } from '../support/terminal.ts';
import { until } from '../support/until.ts';
import { MAIN } from './command.ts';

const SCRIPT = fileURLToPath(new URL('../client/fixtures/job.ts', import.meta.url));
const CTRL_C = '\u0003';

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

let gates: Gates;
let table: string;
beforeEach(async () => {
  gates = new Gates(await folderForTest());
  table = JSON.stringify([{ id: 0 }, { id: 1 }, { id: 2, gate: gates.path('open') }]);
});

const claimcheck = (...args: string[]): Terminal =>
  openTerminal([process.execPath, MAIN, ...args], { CLAIMCHECK_URL: server.url });

describe.skipIf(!hasPython)(`on a terminal${hasPython ? '' : ` (${NO_PYTHON})`}`, () => {
  test('invoke draws one line over itself, and leaves how it went and the output', async () => {
    const terminal = claimcheck('invoke', 'rows', '-d', table);
    await until('two rows are done', () => /^rows {2}━+─+ {2}2\/3 rows/.test(terminal.screen()[0]!));
    expect(terminal.screen()).toHaveLength(1);
    expect(terminal.written()).toContain('\u001b[32m');
    gates.open('open');
    expect(await terminal.ended()).toBe(0);
    expect(terminal.screen()[0]).toMatch(/^rows: 3\/3 rows, [\d.]+ s/);
    expect(terminal.screen().slice(1).join('')).toMatch(/^\[\{"id":0,.*\}\]$/);
  });

  test('Ctrl-C leaves no bar behind, says that the run goes on and how to come back; the way back works', async () => {
    const terminal = claimcheck('invoke', 'rows', '-d', table);
    await until('two rows are done', () => terminal.screen()[0]!.includes('2/3 rows'));
    terminal.type(CTRL_C);
    expect(await terminal.ended()).toBe(130);
    const seen = terminal.screen().join('');
    expect(seen).not.toContain('━');
    const [, id] = /Run (\S+) goes on\. Come back with: claimcheck runs wait \1/.exec(seen)!;
    const back = claimcheck('runs', 'wait', id!);
    await until('the run is waited for again', () => back.screen()[0]!.includes('2/3 rows'));
    gates.open('open');
    expect(await back.ended()).toBe(0);
    expect(back.screen().join('\n')).toMatch(/^status +succeeded$/m);
  });

  test('a server that does not answer is said in place of a rate and replicas, until it answers again', async () => {
    const own = await startServer();
    onTestFinished(() => own.stop());
    const terminal = openTerminal([process.execPath, MAIN, 'invoke', 'rows', '-d', table], { CLAIMCHECK_URL: own.url });
    await until('two rows are done', () => terminal.screen()[0]!.includes('2/3 rows'));
    await own.kill();
    const said = 'no answer from the server, trying again';
    await until('it is said', () => terminal.screen()[0]!.includes(said));
    expect(terminal.screen()[0]).not.toMatch(/rows\/s|ETA|replicas/);
    await own.restart();
    await until('it answers again', () => !terminal.screen()[0]!.includes(said));
    gates.open('open');
    expect(await terminal.ended()).toBe(0);
    expect(terminal.screen()[0]).toMatch(/^rows: 3\/3 rows/);
  });

  test('where something else answers in the place of the server, the way back to the run is said', async () => {
    const own = await startServer();
    const terminal = openTerminal([process.execPath, MAIN, 'invoke', 'rows', '-d', table], { CLAIMCHECK_URL: own.url });
    await until('two rows are done', () => terminal.screen()[0]!.includes('2/3 rows'));
    await own.kill();
    const other = createServer((_, response) => void response.writeHead(404).end('Not here.'));
    onTestFinished(async () => {
      other.close();
      await own.stop();
    });
    await once(other.listen(Number(new URL(own.url).port), '127.0.0.1'), 'listening');
    expect(await terminal.ended()).toBe(69);
    const seen = terminal.screen().join('');
    expect(seen).toMatch(/Run (\S+) goes on\. Come back with: claimcheck runs wait \1/);
    expect(seen).toContain('by something else than a claimcheck server');
  });

  test('a second Ctrl-C cancels the run, and says so', async () => {
    const terminal = claimcheck('submit', 'rows', '-d', table);
    await terminal.ended();
    const [id] = /[0-9a-f-]{36}/.exec(terminal.screen()[0]!)!;
    const waiting = claimcheck('runs', 'wait', id);
    await until('two rows are done', () => waiting.screen()[0]!.includes('2/3 rows'));
    waiting.type(CTRL_C);
    await until('it is offered', () => waiting.screen().at(-1)!.includes('cancels the run'));
    // The two presses of a person are further apart than the two signals of one press.
    await pause(150);
    waiting.type(CTRL_C);
    expect(await waiting.ended()).toBe(130);
    expect(waiting.screen().at(-1)).toContain(`Cancelled run ${id}.`);
    expect(await connect({ url: server.url }).run(id).status()).toMatchObject({ status: 'cancelled' });
  });

  test('a script with the SDK shows the same line once it takes a while, and leaves how it went', async () => {
    const terminal = openTerminal([process.execPath, SCRIPT, table], { CLAIMCHECK_URL: server.url });
    await until('two rows are done', () => /^rows {2}━+─+ {2}2\/3 rows/.test(terminal.screen()[0]!));
    gates.open('open');
    expect(await terminal.ended()).toBe(0);
    expect(terminal.screen()[0]).toMatch(/^rows: 3\/3 rows, [\d.]+ s/);
  });

  test('captures auto shows how far its rows are, and leaves the capture', async ({ onTestFinished: whenDone }) => {
    const evaluation = gates.path('evaluation.jsonl');
    const rows = [
      { id: 1, value: 'x', truth: 'string' },
      { id: 2, value: 'x', truth: 'string', gate: gates.path('open') },
    ];
    writeFileSync(evaluation, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const model = fileURLToPath(new URL('../client/fixtures/rows.ts', import.meta.url));
    const scored = { model, mode: 'async', batchSize: 1, target: 'truth', prediction: 'type', evaluation } as const;
    const own = await serviceForTest({ endpoints: { scored } }, whenDone);
    const terminal = openTerminal([process.execPath, MAIN, 'captures', 'auto', 'scored'], { CLAIMCHECK_URL: own.url });
    await until('one row is done', () => /^scored {2}━+─+ {2}1\/2 rows/.test(terminal.screen()[0]!));
    gates.open('open');
    expect(await terminal.ended()).toBe(0);
    expect(terminal.screen()[0]).toMatch(/^scored: 2\/2 rows, [\d.]+ s/);
    expect(terminal.screen().join('\n')).toMatch(/auto_inference/);
  });

  test('a terminal that cannot go back in a line gets none', async () => {
    const terminal = openTerminal([process.execPath, SCRIPT, '[{"id":0}]'], {
      CLAIMCHECK_URL: server.url,
      TERM: 'dumb',
    });
    expect(await terminal.ended()).toBe(0);
    expect(terminal.screen()).toEqual([expect.stringMatching(/^\[\{"id":0/)]);
  });
});

test('a script whose standard error is no terminal says nothing of its progress', async () => {
  const env = { ...process.env, CLAIMCHECK_URL: server.url };
  const script = spawn(process.execPath, [SCRIPT, '[{"id":0,"pauseMs":700}]'], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [printed, said] = await Promise.all([text(script.stdout), text(script.stderr)]);
  expect(JSON.parse(printed)).toMatchObject([{ id: 0 }]);
  expect(said).toBe('');
});
