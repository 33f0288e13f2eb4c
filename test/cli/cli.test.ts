import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT } from '../../src/cli/failure.ts';
import { connect } from '../../src/client/connect.ts';
import type { RunBody } from '../../src/wire/runs.ts';
import { type RunningServer, startServer } from '../client/server.ts';
import { until } from '../support/until.ts';
import { commandHere } from './command-here.ts';
import { MAIN, startCommand } from './command.ts';

const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

let server: RunningServer;
let folder: string;
beforeAll(async () => {
  server = await startServer();
  folder = await mkdtemp(join(tmpdir(), 'claimcheck-cli-'));
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const claimcheck = (args: readonly string[], input?: string) => commandHere(server.url, args, input);
const file = async (name: string, text: string): Promise<string> => {
  await writeFile(join(folder, name), text);
  return join(folder, name);
};

describe('invoke', () => {
  test('a CSV file comes back as CSV with its values untouched, and progress goes to standard error', async () => {
    const { code, stdout, stderr } = await claimcheck([
      'invoke',
      'rows',
      await file('in.csv', 'id,value\n001,1e5\n002,NA\n003,\n'),
    ]);
    expect(stdout).toBe('id,value,type\n001,1e5,string\n002,NA,string\n003,,string\n');
    expect(stderr).toMatch(/^(?:rows: \d\/3 rows.*\n)?rows: 3\/3 rows, [\d.]+ s/);
    expect(code).toBe(0);
  });

  test('the name of the output file chooses the format', async () => {
    const out = join(folder, 'out.jsonl');
    const { code, stdout } = await claimcheck(['invoke', 'rows', await file('two.csv', 'id\n001\n002\n'), '-o', out]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    const lines = (await readFile(out, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines).toMatchObject([{ id: '001' }, { id: '002' }]);
  });

  test('a lone file goes to the default endpoint, and JSON Lines keep their types', async () => {
    const { stdout } = await claimcheck(['invoke', await file('in.jsonl', '{"value":1}\n{"value":"1"}\n')]);
    expect(stdout).toBe('{"value":1,"type":"number"}\n{"value":"1","type":"string"}\n');
  });

  test('JSON text keeps its numbers as they were written', async () => {
    const { stdout, code } = await claimcheck(['invoke', 'anything', '-d', '{"a": [1, null]}']);
    expect(JSON.parse(stdout)).toEqual({ input: { a: [1, null] } });
    expect(code).toBe(0);
  });

  test.each([
    ['a file', async () => [await file('marked.json', '\ufeff[{"a":1}]')], ''],
    ['standard input', async () => ['-', '--type', 'json'], '\ufeff[{"a":1}]'],
    ['the text after -d', async () => ['-d', '\ufeff[{"a":1}]'], ''],
  ])('JSON with a byte order mark in %s is JSON', async (_what, args, input) => {
    const { code, stdout } = await claimcheck(['invoke', 'anything', ...(await args())], input);
    expect({ code, output: JSON.parse(stdout) as unknown }).toEqual({ code: 0, output: { input: [{ a: 1 }] } });
  });

  test('standard input is read where its type is said', async () => {
    const { stdout } = await claimcheck(['invoke', 'rows', '-', '--type', 'csv', '--batch-size', '1'], 'id\n7\n');
    expect(stdout).toBe('id,type\n7,undefined\n');
  });

  test('with --json, standard output has the run and the file its output', async () => {
    const out = join(folder, 'answer.json');
    const { stdout } = await claimcheck(['invoke', 'anything', '-d', '5', '--json', '-o', out, '--run-name', 'five']);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'succeeded', run_name: 'five', outputs: { input: 5 } });
    expect(JSON.parse(await readFile(out, 'utf8'))).toEqual({ input: 5 });
  });

  test('a run that fails is one sentence and exit code 1', async () => {
    const { code, stdout, stderr } = await claimcheck([
      'invoke',
      'anything',
      '-d',
      '{"fail": "No ring \\u001b[31mfound."}',
    ]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/\nerror: model-error: .*No ring found\. \(run [-0-9a-f]{36}\)\n$/);
  });

  test('a run over its time limit is exit code 1', async () => {
    const { code, stderr } = await claimcheck(['invoke', 'anything', '-d', '{"pauseMs": 60000}', '--timeout', '300ms']);
    expect(code).toBe(1);
    expect(stderr).toContain('error: run-timeout:');
  });

  test.each([
    [['invoke', 'rows'], 'There is no input.'],
    [['invoke', 'rows', 'x.csv', '--batch-size', 'ten'], 'It must be a whole number'],
    [['invoke', 'rows', 'x.csv', '--timeout', 'soon'], 'It must be a duration'],
    [['runs', 'list', '--url', 'nonsense'], '"nonsense" is not the URL of a server'],
    [['fly'], "unknown command 'fly'"],
  ])('claimcheck %s is wrong usage: exit code 2 and what to do', async (args, message) => {
    const { code, stdout, stderr } = await claimcheck(args);
    expect(stderr).toContain(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  test('what the server refuses is one sentence', async () => {
    const { code, stderr } = await claimcheck(['invoke', 'nope', '-d', '1']);
    expect(code).toBe(EXIT.refused);
    expect(stderr).toMatch(/^error: endpoint-not-found: .*\n$/);
  });

  test('a server that is not there is one sentence that says what to do', async () => {
    const { code, stderr } = await commandHere('http://127.0.0.1:9', ['endpoints', 'list']);
    expect(code).toBe(EXIT.unavailable);
    expect(stderr).toMatch(/^error: No answer from http:\/\/127\.0\.0\.1:9: .*CLAIMCHECK_URL\)\.\n$/);
  });
});

describe('submit and runs', () => {
  test('submit prints the id alone, and how to come back on standard error', async () => {
    const { stdout, stderr, code } = await claimcheck(['submit', 'rows', '-d', '[{"id": 1}]']);
    const id = stdout.trimEnd();
    expect(id).toMatch(UUID);
    expect(stderr).toContain(`claimcheck runs wait ${id}`);
    expect(code).toBe(0);
    const waited = await claimcheck(['runs', 'wait', id, '--json']);
    expect(JSON.parse(waited.stdout)).toMatchObject({ run_id: id, status: 'succeeded' });
    const output = await claimcheck(['runs', 'output', id]);
    expect(JSON.parse(output.stdout)).toEqual([{ id: 1, type: 'undefined' }]);
  });

  test('the way back names the server where it was named', async () => {
    const { stderr } = await claimcheck(['submit', 'rows', '-d', '[{"id": 1}]', '--url', server.url]);
    expect(stderr).toMatch(new RegExp(`runs wait ${UUID.source} --url ${server.url}\n`));
  });

  test('waiting for a run that fails is exit code 1', async () => {
    const { id } = await connect({ url: server.url }).endpoint('anything').submit({ fail: 'no' });
    const { code, stdout, stderr } = await claimcheck(['runs', 'wait', id]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^status +failed$/m);
    expect(stderr).toContain('error: model-error: no');
  });

  test('a run that has not ended has no output yet, and can be cancelled', async () => {
    const { id } = await connect({ url: server.url }).endpoint('anything').submit({ pauseMs: 60_000 });
    const early = await claimcheck(['runs', 'output', id]);
    expect(early.code).toBe(2);
    expect(early.stderr).toContain(`has no output yet. Wait for it with: claimcheck runs wait ${id}`);
    const cancelled = await claimcheck(['runs', 'cancel', id]);
    expect(cancelled).toMatchObject({ code: 0, stdout: `Cancelled run ${id}.\n` });
    const shown = await claimcheck(['runs', 'show', id]);
    expect(shown.stdout).toMatch(/^status +cancelled$/m);
    const output = await claimcheck(['runs', 'output', id]);
    expect(output).toMatchObject({ code: 1, stderr: expect.stringContaining('run-cancelled') });
  });

  test('runs are listed with their names, of which none can steer a terminal', async () => {
    const anything = connect({ url: server.url }).endpoint('anything');
    await expect(anything.submit({}, { runName: 'red\u001b[31m' })).rejects.toThrow('holds a control character');
    await anything.submit({}, { runName: 'gr\u202eün 赤' });
    const { stdout } = await claimcheck(['runs', 'list', '--endpoint', 'anything', '--limit', '1']);
    expect(stdout.split('\n')).toEqual([
      expect.stringMatching(/^ID +ENDPOINT +STATUS +DONE +AGE +NAME$/),
      expect.stringMatching(/ grün 赤$/),
      '',
    ]);
    const json = await claimcheck(['runs', 'list', '--endpoint', 'anything', '--limit', '1', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject([{ run_name: 'gr\u202eün 赤' }]);
  });
});

test('runs output waits for a server that is being started again', async () => {
  const run = await connect({ url: server.url })
    .endpoint('rows')
    .submit([{ id: 1 }]);
  await run.wait();
  await server.kill();
  const command = startCommand(server.url, ['runs', 'output', run.id]);
  await until('the command has found no server', () => command.stderr() !== '');
  await server.restart();
  expect(await command.ended()).toEqual({
    code: 0,
    stdout: expect.stringContaining('"id"') as string,
    stderr: 'No answer from the server yet; still trying. Ctrl-C stops that.\n',
  });
});

describe('runs logs', () => {
  test('shows the lines of a run on one line each, and with --json a JSON object each', async () => {
    const run = await connect({ url: server.url })
      .endpoint('anything')
      .submit({ say: ['a', 'b\n\u001b[2Jc'] });
    await run.wait();
    const shown = await claimcheck(['runs', 'logs', run.id]);
    expect(shown.stdout).toMatch(/^\S+Z a \{"place":0\}\n\S+Z b c \{"place":1\}\n$/);
    expect(shown.code).toBe(0);
    const lines = (await claimcheck(['runs', 'logs', run.id, '--json'])).stdout.trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { message: string }).message)).toEqual(['a', 'b\n\u001b[2Jc']);
    expect((await claimcheck(['runs', 'logs', run.id, '--follow'])).stdout).toBe(shown.stdout);
  });

  test('of a batch, which has none of its own, says how to see those of its chunks', async () => {
    const run = await connect({ url: server.url })
      .endpoint('rows')
      .submit([{ id: 1 }], { batch: true });
    const { code, stdout, stderr } = await claimcheck(['runs', 'logs', run.id, '--follow', '--url', server.url]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toMatch(`Run ${run.id} is a batch and has no log of its own`);
    const [, list] = /claimcheck (runs list --parent .*)\n/.exec(stderr)!;
    const chunks = JSON.parse((await claimcheck([...list!.split(' '), '--json'])).stdout) as RunBody[];
    expect(chunks).toMatchObject([{ parent_id: run.id }]);
    expect((await claimcheck(['runs', 'logs', chunks[0]!.run_id])).stderr).toBe('');
  });

  test('of a run that says how far it has come are beside its progress', async () => {
    const run = await connect({ url: server.url })
      .endpoint('anything')
      .submit({ say: ['mixing', 'baking'] });
    await run.wait();
    expect((await claimcheck(['runs', 'show', run.id])).stdout).toMatch(/^steps +2, baking$/m);
  });
});

describe('a run that failed', () => {
  test.each(['wait', 'output'])('shows the last lines of its model and where the rest is: runs %s', async (command) => {
    const say = ['1', '2', '3', '4', '5', 'the weights are \u001b[2Jgone'];
    const run = await connect({ url: server.url }).endpoint('anything').submit({ say, fail: 'no luck' });
    await run.wait();
    const { code, stderr } = await claimcheck(['runs', command, run.id, '--url', server.url]);
    expect(code).toBe(1);
    expect(stderr).toContain('The last of 6 lines of its model:\n');
    expect(stderr).toMatch(/Z 2 [^]*Z the weights are gone/);
    expect(stderr).not.toMatch(/Z 1 /);
    expect(stderr).toContain(`All of it: claimcheck runs logs ${run.id} --url ${server.url}\n`);
    expect(stderr).toMatch(/error: model-error: .*no luck/);
  });

  test('that wrote nothing says so, and a batch how to find its failed chunks', async () => {
    const silent = await claimcheck(['invoke', 'anything', '-d', '{"fail": "no luck"}']);
    expect(silent.stderr).toMatch(/Its model wrote nothing\. Its attempts: claimcheck runs show \S+\n/);
    const batch = await claimcheck(['invoke', 'rows', '-d', '[{"fail": true}]', '--on-row-error', 'fail']);
    expect(batch.stderr).toMatch(/claimcheck runs list --parent \S+ --status failed\n/);
  });
});

describe('runs retry', () => {
  test('prints the id of the new run alone, and how to come back on standard error', async () => {
    const first = await connect({ url: server.url }).endpoint('anything').submit(5, { runName: 'five' });
    await first.wait();
    const { code, stdout, stderr } = await claimcheck(['runs', 'retry', first.id]);
    const id = stdout.trimEnd();
    expect(code).toBe(0);
    expect(id).toMatch(new RegExp(`^${UUID.source}$`));
    expect(id).not.toBe(first.id);
    expect(stderr).toContain(`claimcheck runs wait ${id}`);
    const shown = await claimcheck(['runs', 'show', id]);
    expect(shown.stdout).toMatch(new RegExp(`^retry of +${first.id}$`, 'm'));
    expect(shown.stdout).toMatch(/^name +five$/m);
    const json = await claimcheck(['runs', 'retry', first.id, '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ retry_of: first.id });
  });

  test('of a run that has not ended is one sentence that names the run once', async () => {
    const run = await connect({ url: server.url }).endpoint('anything').submit({ pauseMs: 60_000 });
    const { code, stdout, stderr } = await claimcheck(['runs', 'retry', run.id]);
    expect({ code, stdout }).toEqual({ code: EXIT.refused, stdout: '' });
    expect(stderr).toMatch(/^error: run-not-ended: Run \S+ is (?:queued|running)\. .*\n$/);
    expect(stderr.split(run.id)).toHaveLength(2);
    await run.cancel();
  });
});

describe('a concurrency key', () => {
  test('answers with the run that has it, and says that no new one was made', async () => {
    const args = ['submit', 'anything', '-d', '{"pauseMs": 60000}', '--concurrency-key', 'nightly'];
    const first = await claimcheck(args);
    const second = await claimcheck(args);
    expect(second.stdout).toBe(first.stdout);
    expect(first.stderr).not.toContain('No run was made');
    const note = new RegExp(
      `^No run was made: ${first.stdout.trimEnd()} has the same concurrency key and has not ended\\.\n`,
    );
    expect(second.stderr).toMatch(note);
    const shown = await claimcheck(['runs', 'show', first.stdout.trimEnd()]);
    expect(shown.stdout).toMatch(/^key +nightly \(concurrency key\)$/m);
    await connect({ url: server.url }).run(first.stdout.trimEnd()).cancel();
  });

  test('never has another input’s answer written: invoke fails, and says how to wait for the run that has it', async () => {
    const args = ['anything', '-d', '{"pauseMs": 60000}', '--concurrency-key', 'weekly'];
    const id = (await claimcheck(['submit', ...args])).stdout.trimEnd();
    const output = join(folder, 'never.json');
    const { code, stdout, stderr } = await claimcheck(['invoke', ...args, '-o', output]);
    expect([code, stdout, existsSync(output)]).toEqual([1, '', false]);
    expect(stderr).toMatch(
      new RegExp(`^error: No run was made: ${id} has the same .* Wait for that run: claimcheck runs wait ${id}`),
    );
    await connect({ url: server.url }).run(id).cancel();
  });
});

describe('purge', () => {
  test('says how many runs it would cancel, cancels them, and takes the options for which', async () => {
    const narrow = connect({ url: server.url }).endpoint('narrow');
    const held = await narrow.submit({ pauseMs: 60_000 });
    await until('the run is running', async () => (await held.status()).status === 'running');
    const waiting = await narrow.submit(1, { runName: 'mine' });
    const purge = async (...args: string[]) => (await claimcheck(['purge', 'narrow', ...args])).stdout;
    expect(await purge('--dry-run')).toBe('1 queued run of narrow would be cancelled.\n');
    expect(await purge('--older-than', '1h')).toBe('Cancelled 0 queued runs of narrow.\n');
    expect(await purge('--run-name', 'other', '--json')).toBe('{\n  "cancelled": 0\n}\n');
    expect(JSON.parse(await purge('--dry-run', '--json'))).toEqual({ cancelled: 1, dry_run: true });
    expect(await purge('--run-name', 'mine')).toBe('Cancelled 1 queued run of narrow.\n');
    await expect(waiting.status()).resolves.toMatchObject({ status: 'cancelled' });
    await expect(held.cancel()).resolves.toMatchObject({ status: 'cancelled' });
  });

  test.each([
    [['purge'], 2, "missing required argument 'endpoint'"],
    [['purge', 'narrow', '--older-than', 'soon'], 2, 'It must be a duration'],
    [['purge', 'nope'], 65, 'endpoint-not-found'],
  ])('%s is refused with what to do', async (args, code, message) => {
    const ended = await claimcheck(args);
    expect(ended.stderr).toContain(message);
    expect(ended).toMatchObject({ code, stdout: '' });
  });
});

describe('migrate', () => {
  const config = () => file('claimcheck.config.json', JSON.stringify({ endpoints: { jobs: { model: ['true'] } } }));

  test('brings a ledger to the newest schema, says what was applied, and does nothing the second time', async () => {
    const data = join(folder, 'migrated');
    const args = ['migrate', '--config', await config(), '--data', data];
    const first = await claimcheck(args);
    const ledger = join(data, 'ledger.sqlite');
    expect(first.stdout).toMatch(/^(?:applied {2}\d{4}_\w+\.sql\n)+The ledger /);
    expect(first.stdout).toMatch(/ is up to date now: schema \d+\.\n$/);
    const second = await claimcheck(args);
    expect(second.stdout).toMatch(/^The ledger \(.*\) was up to date: schema \d+\.\n$/);
    expect(second.stdout).toContain(ledger);
    const json = JSON.parse((await claimcheck([...args, '--json'])).stdout) as object;
    const stores = { vault: [], captures: [], cache: [] };
    expect(json).toEqual({ applied: [], schema: expect.any(Number) as number, stores, adopted: false });
  });

  test('of a ledger that a server has open is refused', async () => {
    const data = join(folder, 'open');
    const path = await config();
    const serving = startCommand(server.url, ['serve', '--config', path, '--data', data, '--port', '0']);
    await until('the server listens', () => serving.stdout().includes('listens on'));
    const { code, stderr } = await claimcheck(['migrate', '--config', path, '--data', data]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: Another process has .*ledger\.sqlite open\./);
    serving.child.kill('SIGTERM');
    await expect(serving.ended()).resolves.toMatchObject({ code: 0 });
  });
});

/** A command that waited until it got these signals, all at once. */
async function stopped(signals: readonly NodeJS.Signals[], ...options: readonly string[]) {
  const command = startCommand(server.url, ['invoke', 'anything', '-d', '{"pauseMs": 4000}', ...options]);
  await until('the run is accepted', () => command.stderr().startsWith('anything: '));
  for (const signal of signals) command.child.kill(signal);
  const [id] = await until('the command says how to come back', () =>
    /Run (\S+) goes on\. Come back with: claimcheck runs wait \1\n/.exec(command.stderr())?.slice(1),
  );
  return { command, run: connect({ url: server.url }).run(id!) };
}

describe.each([
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('%s', (signal, exitCode) => {
  test('stops waiting at once, says how to come back, and leaves the run alone', async () => {
    const { command, run } = await stopped([signal]);
    const ended = await command.ended();
    expect(ended).toMatchObject({ code: exitCode, stdout: '' });
    expect(ended.stderr).not.toContain('Ctrl-C');
    await expect(run.wait()).resolves.toMatchObject({ status: 'succeeded' } satisfies Partial<RunBody>);
  });

  test('after Ctrl-C is no second one: the run is not cancelled', async () => {
    const { command, run } = await stopped(['SIGINT']);
    command.child.kill(signal);
    await expect(command.ended()).resolves.toMatchObject({ code: exitCode, stdout: '' });
    await expect(run.wait()).resolves.toMatchObject({ status: 'succeeded' } satisfies Partial<RunBody>);
  });
});

describe('Ctrl-C', () => {
  test('stops waiting, says that the run goes on and how to come back', async () => {
    const { command, run } = await stopped(['SIGINT']);
    await expect(command.ended()).resolves.toMatchObject({ code: 130, stdout: '' });
    await expect(run.wait()).resolves.toMatchObject({ status: 'succeeded' } satisfies Partial<RunBody>);
  });

  test('names the command that fetches the output into the file as well, where there is to be one', async () => {
    const file = join(folder, "it's late.json");
    const { command, run } = await stopped(['SIGINT'], '-o', file);
    const { stderr } = await command.ended();
    await run.wait();
    const [, again] = /^Fetch its output then: claimcheck (.*)$/m.exec(stderr)!;
    execFileSync('sh', ['-c', `"$0" "$1" ${again}`, process.execPath, MAIN], {
      env: { ...process.env, CLAIMCHECK_URL: server.url },
    });
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ input: { pauseMs: 4_000 } });
  });

  test('that arrives twice for one press, as npm passes it on, cancels nothing', async () => {
    const { command, run } = await stopped(['SIGINT', 'SIGINT']);
    await expect(command.ended()).resolves.toMatchObject({
      code: 130,
      stderr: expect.not.stringContaining('Cancelled'),
    });
    await run.cancel();
  });

  test('twice cancels the run', async () => {
    const { command, run } = await stopped(['SIGINT']);
    // The two presses of a person are further apart than the two signals of one press.
    await pause(150);
    command.child.kill('SIGINT');
    const { code, stderr } = await command.ended();
    expect(code).toBe(130);
    expect(stderr).toContain(`Cancelled run ${run.id}.\n`);
    await expect(run.status()).resolves.toMatchObject({ status: 'cancelled' });
  });
});

describe('endpoints and the version', () => {
  test('endpoints are listed and shown', async () => {
    const list = await claimcheck(['endpoints', 'list']);
    expect(list.stdout).toMatch(/^rows \(default\) +async /m);
    const show = await claimcheck(['endpoints', 'show', 'anything']);
    expect(show.stdout).toMatch(/^mode +sync$/m);
    expect(show.stdout).toMatch(/^timeout +15 min 00 s an attempt, 6 h 00 min in the queue$/m);
    expect(show.stdout).toMatch(/^kept +inputs and outputs for 7 d 0 h$/m);
    const json = await claimcheck(['endpoints', 'show', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ name: 'rows', default: true });
  });

  test('an endpoint is warmed, and shown as it then stands', async () => {
    const warmed = await claimcheck(['endpoints', 'warm', 'narrow']);
    expect(warmed).toMatchObject({ code: 0, stderr: '' });
    expect(warmed.stdout).toMatch(/^state +(?:starting|ready)$/m);
    expect(warmed.stdout).toMatch(/^replicas +(?:0→1|1|1→0), 0 to 1/m);
    const json = await claimcheck(['endpoints', 'warm', 'narrow', '--replicas', '7', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ name: 'narrow', replicas: { max: 1 } });
    await expect(claimcheck(['endpoints', 'warm', 'narrow', '--replicas', '0'])).resolves.toMatchObject({ code: 2 });
  });

  test('the version is that of the package', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    await expect(claimcheck(['--version'])).resolves.toMatchObject({ code: 0, stdout: `${version}\n` });
  });
});
