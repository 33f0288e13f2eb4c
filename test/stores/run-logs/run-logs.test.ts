import { appendFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newRunId } from '../../../src/system/clock.ts';
import { openLog } from '../../../src/system/log.ts';
import { type LogFile, MESSAGE_MAX, RunLogs } from '../../../src/stores/run-logs/run-logs.ts';
import { ManualClock } from '../ledger/manual-clock.ts';
import { folderForTest } from '../../support/folder.ts';

const AT = '2026-01-01T00:00:00.000Z';

async function logsForTest(): Promise<{ logs: RunLogs; folder: string }> {
  const folder = join(await folderForTest(), 'logs');
  return { logs: new RunLogs(folder, new ManualClock(), openLog('silent')), folder };
}

async function filesOf(logs: RunLogs): Promise<LogFile[]> {
  const files: LogFile[] = [];
  for await (const file of logs.list()) files.push(file);
  return files;
}

test('the lines of all attempts are read in the order in which they were written', async () => {
  const { logs } = await logsForTest();
  const runId = newRunId();
  for (const [attempt, messages] of [
    [1, ['a', 'b']],
    [3, ['c\nd "e" \u2028']],
  ] as const) {
    const writer = logs.writer(runId, attempt);
    for (const message of messages) writer.add({ stream: 'log', message, fields: { n: attempt } });
    await writer.close();
  }
  expect((await logs.read(runId, 3)).map((line) => JSON.parse(line) as unknown)).toEqual([
    { at: AT, attempt: 1, stream: 'log', message: 'a', fields: { n: 1 } },
    { at: AT, attempt: 1, stream: 'log', message: 'b', fields: { n: 1 } },
    { at: AT, attempt: 3, stream: 'log', message: 'c\nd "e" \u2028', fields: { n: 3 } },
  ]);
});

test('a run that wrote nothing has no lines, and no file', async () => {
  const { logs } = await logsForTest();
  const runId = newRunId();
  await logs.writer(runId, 1).close();
  expect(await logs.read(runId, 1)).toEqual([]);
  expect(await filesOf(logs)).toEqual([]);
});

test('a line that is longer than it may be is cut', async () => {
  const { logs } = await logsForTest();
  const runId = newRunId();
  const writer = logs.writer(runId, 1);
  writer.add({ stream: 'stdout', message: 'x'.repeat(MESSAGE_MAX + 1), fields: null });
  await writer.close();
  const [line] = await logs.read(runId, 1);
  expect((JSON.parse(line!) as { message: string }).message).toBe(`${'x'.repeat(MESSAGE_MAX)}…`);
});

test('a last line that was cut short by a power cut is left out', async () => {
  const { logs } = await logsForTest();
  const runId = newRunId();
  const writer = logs.writer(runId, 1);
  writer.add({ stream: 'log', message: 'whole', fields: null });
  await writer.close();
  const [file] = await filesOf(logs);
  await appendFile(file!.file, '{"at":"2026-');
  expect(await logs.read(runId, 1)).toHaveLength(1);
});

test('a folder that cannot be written to costs the lines, and nothing else', async () => {
  const { logs, folder } = await logsForTest();
  await writeFile(folder, 'in the way');
  const writer = logs.writer(newRunId(), 1);
  writer.add({ stream: 'log', message: 'lost', fields: null });
  await expect(writer.close()).resolves.toBeUndefined();
});

test('a file that is deleted is gone, and may be deleted again', async () => {
  const { logs, folder } = await logsForTest();
  const runId = newRunId();
  const writer = logs.writer(runId, 1);
  writer.add({ stream: 'log', message: 'a', fields: null });
  await writer.close();
  const [file] = await filesOf(logs);
  expect(file).toMatchObject({ runId });
  await logs.delete(file!);
  await logs.delete(file!);
  expect(await logs.read(runId, 1)).toEqual([]);
  expect(await readdir(join(folder, runId.slice(34)))).toEqual([]);
});
