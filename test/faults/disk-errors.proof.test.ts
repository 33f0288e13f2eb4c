// A disk that fails an fsync once and works again afterwards, which is how Linux tells of pages
// that it could not write.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { folderForTest } from '../support/folder.ts';
import { faultyDisk, noFaultyDisk } from '../support/faulty-disk.ts';
import { send } from '../support/http.ts';
import { type ServerProcess, startServerProcess } from '../support/server-process.ts';
import { FIXTURES } from '../support/service.ts';

const endpoints = { jobs: { model: join(FIXTURES, 'anything.ts'), mode: 'async' } } as const;
/** Small enough to be kept in the ledger, which has written its log back after some 250 of them. */
const SMALL = 'x'.repeat(15 * 1_024);
/** Kept in a blob. */
const LARGE = 'x'.repeat(64 * 1_024);

/**
 * Submits one after the other until one is refused, 1,000 at the most; answers the ids of those
 * that were not.
 */
async function submitUntilRefused(server: ServerProcess, input: string): Promise<string[]> {
  const acknowledged: string[] = [];
  while (acknowledged.length < 1_000) {
    const answer = await server.submit('jobs', input);
    if (answer?.status !== 202) return acknowledged;
    acknowledged.push(answer.json.run_id as string);
  }
  throw new Error('The server takes every submit, so the fault did not reach it.');
}

async function submitted(server: ServerProcess, input: string, count: number): Promise<string[]> {
  const answers = await Promise.all(Array.from({ length: count }, () => server.submit('jobs', input)));
  expect(answers.map((answer) => answer?.status)).toEqual(Array.from({ length: count }, () => 202));
  return answers.map((answer) => answer!.json.run_id as string);
}

async function unknownTo(server: ServerProcess, ids: readonly string[]): Promise<string[]> {
  const answers = await Promise.all(ids.map((id) => send(server.url, 'GET', `/runs/${id}`)));
  return ids.filter((_, place) => answers[place]!.status !== 200);
}

describe.skipIf(noFaultyDisk !== null)(`an fsync that fails once (${noFaultyDisk ?? 'with a faulty disk'})`, () => {
  test.for([
    { what: 'the log of the ledger', pattern: '*/data/ledger.sqlite-wal', input: SMALL, atOnce: true },
    {
      what: 'the ledger itself, when the log is written back',
      pattern: '*/data/ledger.sqlite',
      input: SMALL,
      atOnce: false,
    },
    { what: 'a folder of blobs', pattern: '*/data/blobs/??', input: LARGE, atOnce: true },
  ])(
    'of $what ends the server, with a code and a line of its own; nothing acknowledged is lost',
    async ({ pattern, input, atOnce }) => {
      const folder = await folderForTest();
      const disk = faultyDisk(folder);
      const server = await startServerProcess(folder, endpoints, disk.environment);
      const before = await submitted(server, input, 20);

      disk.failNextSync(pattern);
      const meanwhile = await submitUntilRefused(server, input);
      expect(disk.hasFailed()).toBe(true);
      if (atOnce) expect(meanwhile).toEqual([]);
      const after = await Promise.all(Array.from({ length: 20 }, () => server.submit('jobs', input)));
      expect(after.filter((answer) => answer?.status === 202)).toEqual([]);
      expect(await server.ended()).toBe(74);
      expect(server.stderr().match(/^error: .*$/gm)).toEqual([
        expect.stringMatching(/Start the server again: it reads what is on the disk\.$/),
      ]);

      const again = await startServerProcess(folder, endpoints);
      expect(await unknownTo(again, [...before, ...meanwhile])).toEqual([]);
      expect((await again.submit('jobs', input))?.status).toBe(202);
    },
  );

  test('of a blob fails its submit alone: nothing of it is stored, and the server goes on', async () => {
    const folder = await folderForTest();
    const disk = faultyDisk(folder);
    const server = await startServerProcess(folder, endpoints, disk.environment);
    disk.failNextSync('*/data/blobs/unfinished/*');
    expect(await server.submit('jobs', LARGE)).toMatchObject({
      status: 503,
      json: { type: expect.stringMatching(/storage-unavailable$/) as string },
    });
    const blobs = readdirSync(join(folder, 'data', 'blobs'), { recursive: true, withFileTypes: true });
    expect(blobs.filter((entry) => entry.isFile())).toEqual([]);
    expect((await send(server.url, 'GET', '/runs')).json).toMatchObject({ runs: [] });
    expect((await server.submit('jobs', LARGE))?.status).toBe(202);
  });
});
