import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/system/clock.ts';
import { seconds } from '../../../src/domain/time.ts';
import { openLog } from '../../../src/system/log.ts';
import { REPLICA_LOG_BYTES, ReplicaLogs } from '../../../src/stores/run-logs/replica-logs.ts';
import { ManualClock } from '../ledger/manual-clock.ts';
import { folderForTest } from '../../support/folder.ts';

const silent = openLog('silent');

/** The lines of a file, as values. */
const linesOf = async (file: string): Promise<unknown[]> =>
  (await readFile(file, 'utf8'))
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as unknown);

test('what the replicas of an endpoint print stands in one file, which nobody else may read', async () => {
  const folder = await folderForTest();
  const logs = new ReplicaLogs(folder, systemClock, silent);
  const [first, second] = [logs.of('scores', 'r-1'), logs.of('scores', 'r-2')];
  first.add('stdout', 'one', ['run-1']);
  second.add('stderr', 'two \u001b[31m', []);
  await logs.close();
  const file = join(folder, 'replicas', 'scores.jsonl');
  expect(first.place).toBe('logs/replicas/scores.jsonl');
  expect(await linesOf(file)).toMatchObject([
    { replica: 'r-1', stream: 'stdout', message: 'one', during: ['run-1'] },
    { replica: 'r-2', stream: 'stderr', message: 'two \u001b[31m', during: [] },
  ]);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test('a replica that prints without end costs a bounded file and a note', async () => {
  const folder = await folderForTest();
  const clock = new ManualClock();
  const logs = new ReplicaLogs(folder, clock, silent);
  const log = logs.of('loud', 'r-1');
  for (let round = 0; round < 12; round += 1) {
    clock.advance(seconds(1));
    for (let line = 0; line < 1_100; line += 1) log.add('stdout', 'x'.repeat(800), []);
    await logs.close();
  }
  const file = join(folder, 'replicas', 'loud.jsonl');
  const sizes = [(await stat(file)).size, (await stat(`${file}.1`)).size];
  expect(Math.max(...sizes)).toBeLessThan(REPLICA_LOG_BYTES + 2 * 1_024 * 1_024);
  expect(await linesOf(file)).toContainEqual(
    expect.objectContaining({ stream: 'server', message: expect.stringContaining('100 lines dropped') as string }),
  );
});
