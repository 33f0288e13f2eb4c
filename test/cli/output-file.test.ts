import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import { cuttable } from '../client/cuttable.ts';
import { type RunningServer, startServer } from '../client/server.ts';
import { folderForTest } from '../support/folder.ts';
import { until } from '../support/until.ts';
import { commandHere } from './command-here.ts';
import { MAIN, startCommand } from './command.ts';

let server: RunningServer;
let id: string;
let expected: string;
beforeAll(async () => {
  server = await startServer();
  const lines = Array.from({ length: 3_000 }, (_, row) => `${String(row).padStart(5, '0')},${'x'.repeat(5_000)}\n`);
  const bytes = new TextEncoder().encode(`id,value\n${lines.join('')}`);
  const run = await connect({ url: server.url })
    .endpoint('rows')
    .submit({ bytes, contentType: 'text/csv' }, { batch: true, batchSize: 500 });
  await run.wait();
  id = run.id;
  expected = `id,value,type\n${lines.map((line) => line.replace('\n', ',string\n')).join('')}`;
});
afterAll(() => server.stop());

let folder: string;
beforeEach(async () => {
  folder = await folderForTest();
});
const fetchTo = (file: string, url = server.url) => startCommand(url, ['runs', 'output', id, '-o', file]);
const fetchHereTo = (file: string) => commandHere(server.url, ['runs', 'output', id, '-o', file]);

describe('an output file', () => {
  test('is there when all of it is, also where the connection breaks, and nothing else stays in its folder', async () => {
    const { url, cut, open } = await cuttable(server.url);
    const command = fetchTo(join(folder, 'out.csv'), url);
    await until('some of it has come', () => readdirSync(folder).some((name) => statSync(join(folder, name)).size > 0));
    expect(readdirSync(folder)).not.toContain('out.csv');
    expect(open()).toBeGreaterThan(0);
    cut();
    expect((await command.ended()).code).toBe(0);
    expect(readdirSync(folder)).toEqual(['out.csv']);
    expect(readFileSync(join(folder, 'out.csv'), 'utf8') === expected).toBe(true);
  });

  test('keeps what it was where Ctrl-C comes before all is there; the command says how to come back', async () => {
    const file = join(folder, 'out.csv');
    writeFileSync(file, 'before');
    const { url, stall } = await cuttable(server.url);
    stall();
    const command = fetchTo(file, url);
    await until('some of it has come', () => readdirSync(folder).length > 1);
    command.child.kill('SIGINT');
    const { code, stderr } = await command.ended();
    expect(code).toBe(130);
    expect(stderr).toContain(`Come back with: claimcheck runs output ${id} -o ${file}`);
    expect(readdirSync(folder)).toEqual(['out.csv']);
    expect(readFileSync(file, 'utf8')).toBe('before');
  });

  test.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('leaves no hidden part file behind after %s', async (signal, exitCode) => {
    const file = join(folder, 'out.csv');
    const { url, stall } = await cuttable(server.url);
    stall();
    const command = fetchTo(file, url);
    await until('some of it has come', () => readdirSync(folder).length > 0);
    command.child.kill(signal);
    const { code, stderr } = await command.ended();
    expect(code).toBe(exitCode);
    expect(stderr).toContain(`Come back with: claimcheck runs output ${id} -o ${file}`);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('that was there keeps its mode, and a link goes on leading to it', async () => {
    mkdirSync(join(folder, 'real'));
    const real = join(folder, 'real', 'file.csv');
    writeFileSync(real, 'before');
    chmodSync(real, 0o640);
    symlinkSync(real, join(folder, 'link.csv'));
    expect((await fetchHereTo(join(folder, 'link.csv'))).code).toBe(0);
    expect(readlinkSync(join(folder, 'link.csv'))).toBe(real);
    expect(statSync(real).mode & 0o777).toBe(0o640);
    expect(readFileSync(real, 'utf8') === expected).toBe(true);
  });

  test('that a link leads to is made there, and the link stays one', async () => {
    mkdirSync(join(folder, 'links'));
    symlinkSync('../real.csv', join(folder, 'links', 'second.csv'));
    symlinkSync('links/second.csv', join(folder, 'first.csv'));
    expect((await fetchHereTo(join(folder, 'first.csv'))).code).toBe(0);
    expect(readlinkSync(join(folder, 'first.csv'))).toBe('links/second.csv');
    expect(readFileSync(join(folder, 'real.csv'), 'utf8') === expected).toBe(true);
  });

  test('has the format that its ending says', async () => {
    const file = join(folder, 'out.jsonl');
    expect((await fetchHereTo(file)).code).toBe(0);
    const [first] = readFileSync(file, 'utf8').split('\n', 1);
    expect(JSON.parse(first!)).toEqual({ id: '00000', value: 'x'.repeat(5_000), type: 'string' });
  });

  test('may be standard output, which is no file called -', async () => {
    const { code, stdout } = await commandHere(server.url, ['runs', 'output', id, '-o', '-']);
    expect({ code, isWhole: stdout === expected }).toEqual({ code: 0, isWhole: true });
    expect(existsSync('-')).toBe(false);
  });

  test('may be standard output whose reader has stopped, which keeps SIGTERM from nothing', async () => {
    const command = startCommand(server.url, ['runs', 'output', id]);
    await until('some of it has come', () => command.stdout() !== '');
    command.child.stdout.pause();
    command.child.kill('SIGTERM');
    await once(command.child, 'exit');
    command.child.stdout.resume();
    const { code, stderr } = await command.ended();
    expect({ code, stderr }).toEqual({ code: 143, stderr: expect.stringContaining(`claimcheck runs output ${id}\n`) });
  });

  test('may be no file at all', async () => {
    const fifo = join(folder, 'pipe');
    execFileSync('mkfifo', [fifo]);
    const command = fetchTo(fifo);
    const read = execFileSync('cat', [fifo], { maxBuffer: 2 ** 26 });
    expect(read.toString() === expected).toBe(true);
    expect((await command.ended()).code).toBe(0);
    expect((await fetchHereTo('/dev/null')).code).toBe(0);
  });
});

describe('an output that cannot be written to its end', () => {
  const WAY_BACK =
    /Run (\S+) has succeeded and its output is kept\. Fetch it elsewhere with: (claimcheck runs output \1) -o <file>\n$/;

  test.skipIf(!existsSync('/dev/full'))(
    'because the disk is full names the file, and says that the run is kept and how to fetch it elsewhere',
    async () => {
      const full = ['invoke', 'rows', '-d', '[{"id":1}]', '-o', '/dev/full'];
      const { code, stdout, stderr } = await commandHere(server.url, full);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toContain('error: /dev/full cannot be written: the disk is full. ');
      const [, , again] = WAY_BACK.exec(stderr)!;
      const elsewhere = join(folder, 'elsewhere.json');
      const fetched = startCommand(server.url, [...again!.split(' ').slice(1), '-o', elsewhere]);
      expect(await fetched.ended()).toMatchObject({ code: 0 });
      expect(JSON.parse(readFileSync(elsewhere, 'utf8'))).toEqual([{ id: 1, type: 'undefined' }]);
    },
  );

  test.skipIf(!existsSync('/dev/full'))('says so of standard output as well', () => {
    const { status, stderr } = spawnSync(
      'sh',
      ['-c', '"$0" "$@" > /dev/full', process.execPath, MAIN, 'runs', 'output', id],
      {
        env: { ...process.env, CLAIMCHECK_URL: server.url },
        encoding: 'utf8',
      },
    );
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringMatching(WAY_BACK) });
    expect(stderr).toContain('error: Standard output cannot be written: the disk is full. ');
  });

  test('because its reader has gone names it', async () => {
    const fifo = join(folder, 'pipe');
    execFileSync('mkfifo', [fifo]);
    const command = fetchTo(fifo);
    execFileSync('head', ['-c', '10', fifo]);
    const { code, stderr } = await command.ended();
    expect(code).toBe(2);
    expect(stderr).toContain(`error: ${fifo} cannot be written: nobody reads it any more. `);
    expect(stderr).toMatch(WAY_BACK);
  });

  test('because it is no table of the kind that the ending says is told so, and kept', async () => {
    const file = join(folder, 'out.csv');
    const { code, stderr } = await commandHere(server.url, ['invoke', 'anything', '-d', '5', '-o', file]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(WAY_BACK) });
    expect(stderr).toContain(`error: ${file} cannot be written: the output is no table that it could hold. `);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('what may not stand behind -o is refused before anything is sent', () => {
  const NOBODY = 'http://127.0.0.1:9';

  test.each([
    ['an empty name', '', 'It must name a file, or be - for standard output.'],
    ['a workbook', 'out.xlsx', 'Tables are written as .csv, .jsonl, .json, .arrow and .parquet, and not as .xlsx.'],
  ])('%s', async (_what, file, sentence) => {
    const { code, stdout, stderr } = await commandHere(NOBODY, ['invoke', 'rows', '-d', '[]', '-o', file]);
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining(sentence) });
  });
});
