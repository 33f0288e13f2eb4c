import { chmodSync, lstatSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ledgerFile } from '../../../src/config/config.ts';
import { openLog } from '../../../src/system/log.ts';
import { narrowRights } from '../../../src/stores/disk/private.ts';
import { serve, serveCommand } from '../../../tools/serve.ts';
import { folderForTest } from '../../support/folder.ts';
import { send } from '../../support/http.ts';
import { FIXTURES } from '../../support/service.ts';

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

/** Everything below a folder that somebody else may look into, with its rights. */
function openToOthers(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => (lstatSync(join(folder, name)).mode & 0o077) !== 0)
    .map((name) => `${name} ${modeOf(join(folder, name))}`);
}

describe('what a server makes', () => {
  test('is for nobody else, under every umask, also beside files of an older one', async () => {
    const folder = await folderForTest();
    const config = join(folder, 'claimcheck.config.json');
    const endpoints = { anything: { model: join(FIXTURES, 'anything.ts'), mode: 'async' } };
    writeFileSync(config, JSON.stringify({ endpoints }));
    const data = join(folder, 'data');
    mkdirSync(data);
    chmodSync(data, 0o777);
    writeFileSync(ledgerFile(data), '', { mode: 0o666 });
    chmodSync(ledgerFile(data), 0o666);
    const [program, ...args] = serveCommand(config, data);
    const served = await serve(['/bin/sh', '-c', 'umask 0; exec "$@"', 'sh', program!, ...args]);
    onTestFinished(() => void served.child.kill('SIGKILL'));
    const ask = (path: string, body: unknown) =>
      send(served.url, 'POST', path, { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    const input = { text: 'x'.repeat(50_000) };
    const { json } = await ask('/endpoints/anything/invoke', { input, async: true });
    await send(served.url, 'GET', `/runs/${json.run_id as string}?wait=20`, {});
    const cached = { version: 1, caller: 'somebody-or-other', lease: 30, keys: ['0'.repeat(32)] };
    expect((await ask('/endpoints/anything/cache/lookup', cached)).status).toBe(200);
    const made = readdirSync(data);
    expect(made).toEqual(
      expect.arrayContaining([
        'ledger.sqlite',
        'ledger.sqlite-wal',
        'vault.sqlite',
        'captures.sqlite',
        'cache.sqlite',
        'blobs',
        'identity.json',
      ]),
    );
    expect(openToOthers(data)).toEqual([]);
    // Made by somebody else, so its rights are theirs to change.
    expect(modeOf(data)).toBe('777');
  });
});

describe('what is there', () => {
  test('is narrowed, and the log says what and from which rights', async () => {
    const data = await folderForTest();
    for (const name of ['ledger.sqlite', 'ledger.sqlite-wal', 'cache.sqlite-shm', 'identity.json', 'ballast']) {
      writeFileSync(join(data, name), '');
      chmodSync(join(data, name), 0o644);
    }
    mkdirSync(join(data, 'blobs'));
    chmodSync(join(data, 'blobs'), 0o755);
    const said: [object, string][] = [];
    const log = { ...openLog('silent'), warn: (about: object, text: string) => said.push([about, text]) };
    narrowRights(data, log as never);
    expect(openToOthers(data)).toEqual([]);
    expect(modeOf(join(data, 'blobs'))).toBe('700');
    expect(said).toContainEqual([
      { path: ledgerFile(data), before: '644' },
      'others could look into what callers have sent: their rights are taken away',
    ]);
    expect(said).toHaveLength(6);
    narrowRights(data, log as never);
    expect(said).toHaveLength(6);
  });

  test('and is somebody’s own keeps its rights, as does what a link leads to', async () => {
    const [data, other] = [await folderForTest(), await folderForTest()];
    writeFileSync(join(data, 'notes.txt'), '');
    writeFileSync(join(other, 'shared'), '');
    for (const file of [join(data, 'notes.txt'), join(other, 'shared')]) chmodSync(file, 0o644);
    symlinkSync(join(other, 'shared'), join(data, 'ballast'));
    narrowRights(data, openLog('silent'));
    expect([modeOf(join(data, 'notes.txt')), modeOf(join(other, 'shared'))]).toEqual(['644', '644']);
  });
});
