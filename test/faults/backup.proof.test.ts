// The drill: a server under load is backed up, killed, and put back. Every run that was
// acknowledged before the backup was begun is there, with what was sent and its result.

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startCommand } from '../cli/command.ts';
import { folderForTest } from '../support/folder.ts';
import { send } from '../support/http.ts';
import { startServerProcess } from '../support/server-process.ts';
import { onPostgres } from '../support/database.ts';
import { FIXTURES } from '../support/service.ts';
import { until } from '../support/until.ts';

/** Some inputs lie in the ledger, some beside it. */
const textOf = (place: number): string => `${place} `.repeat(place % 3 === 0 ? 10_000 : 10);
/** Acknowledged before the backup is begun. */
const BEFORE = 300;
const SENDERS = 8;

test.skipIf(onPostgres)(
  'what was acknowledged before a backup under load is there after kill -9 and a restore',
  { timeout: 120_000 },
  async () => {
    const folder = await folderForTest();
    const endpoints = { echo: { model: join(FIXTURES, 'anything.ts'), mode: 'async', queueLimit: 100_000 } } as const;
    const server = await startServerProcess(folder, endpoints);
    const acknowledged = new Map<string, string>();
    let places = 0;
    const over = new AbortController();
    const senders = Array.from({ length: SENDERS }, async () => {
      while (!over.signal.aborted) {
        const text = textOf((places += 1));
        const answer = await server.submit('echo', text);
        if (answer?.status === 202) acknowledged.set(answer.json.run_id as string, text);
      }
    });
    await until('enough is acknowledged', () => (acknowledged.size >= BEFORE ? true : null));
    const before = [...acknowledged];
    const copy = join(await folderForTest(), 'copy');
    const made = await startCommand('', ['backup', copy, '--data', join(folder, 'data')]).ended();
    expect(made.stderr).toBe('');
    expect(made.code).toBe(0);
    await server.end('SIGKILL');
    over.abort();
    await Promise.all(senders);

    const place = await folderForTest();
    const restored = await startCommand('', ['restore', copy, '--data', join(place, 'data')]).ended();
    expect(restored.stdout).toMatch(/Every promise is kept/);
    expect(restored.code).toBe(0);
    const another = await startServerProcess(place, endpoints);
    for (const [runId, text] of before) {
      const run = await until(`${runId} has ended`, async () => {
        const { json } = await send(another.url, 'GET', `/runs/${runId}?wait=20`, {});
        return json.done === true ? json : null;
      });
      expect(run.status).toBe('succeeded');
      expect((await send(another.url, 'GET', `/runs/${runId}/output`, {})).text).toContain(text);
    }
    await another.end('SIGTERM');
  },
);
