// The doctor on a ledger that several servers share.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { inputKey } from '../../../src/stores/blobs/blobs.ts';
import { openBlobDirectory } from '../../../src/stores/blobs/directory.ts';
import { newRunId } from '../../../src/system/clock.ts';
import { blobFolder } from '../../../src/config/config.ts';
import { sha256 } from '../../../src/domain/digest.ts';
import type { Ledger } from '../../../src/stores/ledger/ledger.ts';
import { openPostgresLedger } from '../../../src/stores/ledger/postgres/driver.ts';
import { call, deployment } from '../../stores/ledger/runs.ts';
import { newFolder, removeFolder } from '../../support/folder.ts';
import { ask, type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { startCommand } from '../command.ts';

const BYTES = Buffer.alloc(20_000, 'payload ');

let postgres: PostgresServer;
let data: string;

beforeAll(async () => {
  postgres = await startPostgres();
  data = await newFolder();
});
afterAll(async () => {
  await postgres.stop();
  await removeFolder(data);
});

const doctor = (url: string) =>
  startCommand('', ['doctor', '--data', data], '', { CLAIMCHECK_DATABASE_URL: url }).ended();

async function ledgerWithRuns(url: string): Promise<Ledger> {
  const ledger = await openPostgresLedger(url);
  await ledger.deploy(deployment());
  const large = newRunId();
  const blob = inputKey(large);
  await (await openBlobDirectory(blobFolder(data))).put(blob, BYTES);
  const input = { contentType: 'text/plain', bytes: BYTES.length, sha256: sha256(BYTES), body: { blob } };
  await ledger.enqueue([call(), call({ runId: large, input })]);
  return ledger;
}

test('it is examined while a server works on it, and what is broken is named', async () => {
  const url = await postgres.newDatabase();
  const ledger = await ledgerWithRuns(url);
  try {
    const healthy = await doctor(url);
    expect(healthy.stderr).toBe('');
    expect(healthy.stdout).toMatch(/Examined the database and .*: 2 runs, 1 blob \(20 kB\)/);
    expect(healthy.code).toBe(0);
    await ask(url, 'UPDATE claimcheck.endpoints SET queued = 99');
    const ill = await doctor(url);
    expect(ill.stdout).toMatch(/✗ An endpoint has as many queued runs as its counter says\.\n {4}echo\n/);
    expect(ill.code).toBe(1);
  } finally {
    await ledger.close();
  }
});

test('one that is empty, or of an older claimcheck, is refused and left as it is', async () => {
  const url = await postgres.newDatabase();
  const { code, stderr } = await doctor(url);
  expect(stderr).toMatch(/older claimcheck, or by none/);
  expect(code).toBe(1);
  expect(await ask(url, "SELECT nspname FROM pg_namespace WHERE nspname = 'claimcheck'")).toEqual([]);
});
