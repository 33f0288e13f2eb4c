import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { connectionsWithin, descriptorsMax } from '../../src/system/descriptors.ts';
import { folderForTest } from '../support/folder.ts';
import { specsOf } from '../support/service.ts';

const specs = (max: number, concurrency: number) =>
  specsOf({ tested: { model: './echo.ts', replicas: { max, concurrency } } });

test('as many connections are taken as are wanted, where there are descriptors for them', () => {
  expect(connectionsWithin(1_048_576, 10_000, specs(4, 1))).toBe(10_000);
  expect(connectionsWithin(Infinity, 10_000, specs(4, 1))).toBe(10_000);
  expect(connectionsWithin(null, 10_000, specs(4, 1))).toBe(10_000);
  expect(connectionsWithin(1_024, 100, specs(4, 1))).toBe(100);
});

test('fewer are taken where the process may open fewer, and the more replicas need the fewer', () => {
  const few = [specs(1, 1), specs(4, 1), specs(4, 32)].map((endpoints) => connectionsWithin(1_024, 10_000, endpoints));
  expect(few).toEqual([702, 687, 594]);
  expect(connectionsWithin(90, 10_000, specs(64, 64))).toBe(8);
});

test('the limit is what the kernel says of this process', async () => {
  const file = join(await folderForTest(), 'limits');
  const head = 'Limit                     Soft Limit           Hard Limit           Units     \n';
  writeFileSync(file, `${head}Max open files            1024                 524288               files     \n`);
  expect(descriptorsMax(file)).toBe(1_024);
  writeFileSync(file, `${head}Max open files            unlimited            unlimited            files     \n`);
  expect(descriptorsMax(file)).toBe(Infinity);
  expect(descriptorsMax('/no/such/file')).toBeNull();
});
