// A disk that somebody else fills while the server works.

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../src/stores/ledger/sqlite/open.ts';
import { folderForTest } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { serviceForTest, type TestService } from '../support/service.ts';
import { noSmallDisk, smallDisk } from '../support/small-disk.ts';
import { until } from '../support/until.ts';

const MIB = 1_024 * 1_024;
const DISK_MIB = 64;
/** An eighth of the disk, and twice that: see src/stores/disk/disk-room.ts. */
const BALLAST = (DISK_MIB / 8) * MIB;
/** Kept in a blob. */
const LARGE = 'x'.repeat(256 * 1_024);

const endpoint = { model: './anything.ts', mode: 'async' } as const;
const endpoints = { jobs: endpoint, others: endpoint };

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

const blobsOf = (server: TestService): string[] => filesIn(join(server.data, 'blobs'));
const submission = (input: unknown) => ({ input, async: true });

async function statusOfSubmit(server: TestService, input: unknown): Promise<number> {
  return (await server.post('/endpoints/jobs/invoke', submission(input))).status;
}

describe.skipIf(noSmallDisk !== null)(`a disk that is filled (${noSmallDisk ?? 'a small one'})`, () => {
  test('refuses submits before it is full, stores nothing of them, and takes them again by itself', async () => {
    const disk = await smallDisk(DISK_MIB);
    const server = await serviceForTest({ endpoints, data: join(disk.folder, 'data') });
    const before = await server.ended(await server.submit('jobs', LARGE));
    const ballast = join(server.data, 'ballast');
    expect(statSync(ballast).size).toBe(BALLAST);
    expect(statSync(ballast).blocks * 512).toBeGreaterThanOrEqual(BALLAST);
    const blobs = blobsOf(server);

    disk.fill(BALLAST);
    await until('submits are refused', async () => (await statusOfSubmit(server, 1)) === 507);
    const { runs } = (await server.get('/runs')).json;
    const refused = await server.post('/endpoints/jobs/invoke', submission(LARGE));
    expect(refused.status).toBe(507);
    expect(refused.json).toMatchObject({ type: expect.stringMatching(/storage-full$/) as string, retryable: true });
    const entry = `{"key":"${'0'.repeat(32)}","answer":{}}`;
    const place = '/endpoints/jobs/cache/entries?version=1&caller=somebody';
    expect((await server.postRaw(place, 'application/jsonlines', entry)).status).toBe(507);
    expect((await server.get('/runs')).json.runs).toHaveLength(runs.length);
    expect(blobsOf(server).filter((name) => name.includes('.input'))).toHaveLength(
      blobs.filter((name) => name.includes('.input')).length,
    );
    expect((await server.get(`/runs/${before.run_id}/output`)).json).toBe(LARGE);
    // The ballast is for worse times than these.
    expect(statSync(ballast).size).toBe(BALLAST);

    disk.free();
    await until('submits are taken', async () => (await statusOfSubmit(server, 2)) === 202);
  });

  test('to the last byte still lets runs end, be read and be cancelled, and nothing else begins; with room everything goes on', async () => {
    const disk = await smallDisk(DISK_MIB);
    const gates = new Gates(await folderForTest());
    const server = await serviceForTest({ endpoints, data: join(disk.folder, 'data') });
    const wish = (gate: string) => ({ do: 'say', path: gates.path(gate), value: LARGE });
    const ends = await server.submit('jobs', wish('ends'));
    const cancelled = await server.submit('others', wish('never'));
    await Promise.all([ends, cancelled].map((id) => server.inStatus(id, 'running')));
    const waits = await server.submit('others', wish('ends'));
    const blobs = blobsOf(server).length;

    disk.fill(0);
    expect(disk.freeBytes()).toBe(0);
    gates.open('ends');
    expect(await server.ended(ends)).toMatchObject({ status: 'succeeded' });
    expect((await server.get(`/runs/${ends}/output`)).json).toBe(LARGE);
    expect(blobsOf(server)).toHaveLength(blobs + 1);
    const ballast = join(server.data, 'ballast');
    const held = statSync(ballast).size;
    expect(held).toBeLessThan(BALLAST);
    // What fills the disk takes what was freed, too.
    disk.fill(0);
    expect((await server.post(`/runs/${cancelled}/cancel`, {})).json).toMatchObject({ status: 'cancelled' });
    expect(statSync(ballast).size).toBeLessThan(held);
    expect(await statusOfSubmit(server, LARGE)).toBe(507);
    expect(await statusOfSubmit(server, 1)).toBe(507);
    await until('its replica is free', async () => (await server.run(cancelled)).attempts[0].stopped_at !== null);
    expect(await server.run(waits)).toMatchObject({ status: 'queued' });

    disk.free();
    expect(await server.ended(waits)).toMatchObject({ status: 'succeeded', attempts: [{ attempt: 1 }] });
    await until('submits are taken', async () => (await statusOfSubmit(server, LARGE)) === 202);
    await until('the ballast is whole again', () => statSync(ballast).size === BALLAST);

    await server.stop();
    const db = openDatabase(join(server.data, 'ledger.sqlite'));
    onTestFinished(() => db.close());
    expect(db.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
  });

  test('when the server starts is no reason not to start: it gives the ballast up, and runs can be read', async () => {
    const disk = await smallDisk(DISK_MIB);
    const data = join(disk.folder, 'data');
    const first = await serviceForTest({ endpoints, data });
    const done = await first.ended(await first.submit('jobs', LARGE));
    await first.stop();
    disk.fill(0);
    const second = await serviceForTest({ endpoints, data });
    expect((await second.get(`/runs/${done.run_id}/output`)).json).toBe(LARGE);
    expect(await statusOfSubmit(second, 1)).toBe(507);
  });
});
