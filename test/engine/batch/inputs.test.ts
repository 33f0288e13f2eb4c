import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { BlobDamaged, inputKey } from '../../../src/stores/blobs/blobs.ts';
import { openBlobDirectory } from '../../../src/stores/blobs/directory.ts';
import { systemClock } from '../../../src/system/clock.ts';
import type { RunId } from '../../../src/domain/ids.ts';
import { ArrowConverter } from '../../../src/engine/batch/arrow-converter.ts';
import { BatchInputs } from '../../../src/engine/batch/inputs.ts';
import { Payloads } from '../../../src/engine/payloads.ts';
import { openSqliteLedger } from '../../../src/stores/ledger/sqlite/driver.ts';
import { batch } from '../../stores/ledger/runs.ts';
import { folderForTest } from '../../support/folder.ts';

const FIRST = { from: 0, to: 1 };
const TABLE = `id,text\n1,${'x'.repeat(20_000)}\n2,short\n`;

/** Tables of batches, and how to take one away: what is read from then on is not there. */
async function tablesOfBatches(keptBytesMax?: number) {
  const ledger = await openSqliteLedger(':memory:', systemClock);
  onTestFinished(() => ledger.close());
  await ledger.deploy({
    name: 'echo',
    fingerprint: 'a',
    spec: 'null',
    source: 'config',
    queueLimit: 10,
    concurrencyLimit: null,
  });
  const blobs = await openBlobDirectory(join(await folderForTest(), 'blobs'));
  const payloads = new Payloads(blobs);
  const inputs = new BatchInputs(ledger, { payloads, arrow: new ArrowConverter() }, keptBytesMax);
  return {
    inputs,
    async add(): Promise<RunId> {
      const run = batch();
      const input = await payloads.store(Buffer.from(TABLE), 'text/csv', inputKey(run.runId));
      await ledger.enqueue([{ ...run, input }]);
      return run.runId;
    },
    restore: (runId: RunId) => blobs.put(inputKey(runId), Buffer.from(TABLE)),
    take: (runId: RunId) => blobs.delete(inputKey(runId)),
    text: async (runId: RunId) => Buffer.from((await inputs.slice(runId, { from: 1, to: 2 })).bytes).toString(),
  };
}

test('the table of a batch that runs elsewhere is read once for all its chunks', async () => {
  const { inputs, add, take, text } = await tablesOfBatches();
  const table = await add();
  await Promise.all([inputs.slice(table, FIRST), inputs.slice(table, FIRST)]);
  await take(table);
  expect(await text(table)).toBe('id,text\n2,short\n');
});

test('of several such tables, the one that was cut from longest ago is released first, and the last is kept at any size', async () => {
  const { add, take, text } = await tablesOfBatches(50_000);
  const [a, b, c] = [await add(), await add(), await add()];
  for (const table of [a, b, a, c]) await text(table);
  for (const table of [a, b, c]) await take(table);
  await expect(text(b)).rejects.toThrow(BlobDamaged);
  expect(await Promise.all([text(a), text(c)])).toHaveLength(2);
  const tiny = await tablesOfBatches(1);
  const only = await tiny.add();
  await tiny.text(only);
  await tiny.take(only);
  expect(await tiny.text(only)).toBe('id,text\n2,short\n');
});

test('a table that could not be read is read again for the next chunk', async () => {
  const { add, take, restore, text } = await tablesOfBatches();
  const table = await add();
  await take(table);
  await expect(text(table)).rejects.toThrow(BlobDamaged);
  await restore(table);
  expect(await text(table)).toBe('id,text\n2,short\n');
});

test('a batch whose table could not be read opens it anew', async () => {
  const { inputs, add, take, restore, text } = await tablesOfBatches();
  const table = await add();
  await take(table);
  await expect(inputs.open(table)).rejects.toThrow(BlobDamaged);
  await restore(table);
  expect((await inputs.open(table)).rows).toBe(2);
  expect(await text(table)).toBe('id,text\n2,short\n');
});
