import * as flechette from '@uwdata/flechette';
import * as apache from 'apache-arrow';
import { expect, test } from 'vitest';
import { ArrowConverter } from '../../../src/engine/batch/arrow-converter.ts';
import { TableError } from '../../../src/table/format.ts';
import { compressedStream, ZSTD } from '../../table/arrow/compressed.ts';
import { arrowOf, contentOf } from '../../table/arrow/tables.ts';

const WANTED = new AbortController().signal;
const atOnce = (): ArrowConverter => new ArrowConverter();
const inThread = (): ArrowConverter => new ArrowConverter(0);
const linesOf = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

const TABLE = arrowOf({
  id: [[1n, 2n ** 60n, 3n], flechette.int64()],
  colour: [['red', null, 'green'], flechette.dictionary(flechette.utf8())],
});

/** How many turns the event loop takes while something is done. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let next: NodeJS.Immediate;
  const turn = (): void => {
    turns += 1;
    next = setImmediate(turn);
  };
  next = setImmediate(turn);
  await work();
  clearImmediate(next);
  return turns;
}

test('a table is read and written alike at once and in a thread', async () => {
  const [here, there] = await Promise.all([atOnce(), inThread()].map((converter) => converter.read(TABLE)));
  expect(there).toEqual(here);
  expect(there!.index).toMatchObject({ rows: 3, columns: ['id', 'colour'] });
  const written = await Promise.all(
    [atOnce(), inThread()].map((converter) => converter.write(here!.lines.slice(), there!.likeness, WANTED)),
  );
  for (const table of written) expect(contentOf(table)).toEqual(contentOf(TABLE));
});

test('a table that is only looked at has the rows and columns that are read of it, and is refused as it would be', async () => {
  for (const converter of [atOnce(), inThread()]) {
    expect(await converter.look(TABLE)).toEqual({ rows: 3, columns: ['id', 'colour'] });
    const nan = arrowOf({ id: [[1, 2], flechette.int32()], x: [[1, Number.NaN], flechette.float64()] });
    const read = await converter.read(nan).catch((error: unknown) => error);
    expect(read).toBeInstanceOf(TableError);
    await expect(converter.look(nan)).rejects.toEqual(read);
  }
});

test('while a long table is read or written the server goes on with everything else', async () => {
  const { lines, likeness } = await atOnce().read(TABLE);
  expect(await turnsDuring(() => atOnce().read(TABLE))).toBe(0);
  expect(await turnsDuring(() => inThread().read(TABLE))).toBeGreaterThan(0);
  expect(await turnsDuring(() => inThread().write(lines, likeness, WANTED))).toBeGreaterThan(0);
});

test('a few bytes of Arrow that are very many as JSON Lines do not hold the server up either', async () => {
  const text = 'x'.repeat(20_000);
  const texts = Array.from({ length: 1_000 }, () => text);
  const few = arrowOf({ text: [texts, flechette.dictionary(flechette.utf8())] }, 1_000);
  expect(few.length).toBeLessThan(30_000);
  const converter = atOnce();
  expect(await turnsDuring(() => converter.read(few))).toBeGreaterThan(0);
  expect((await converter.read(few)).lines.length).toBeGreaterThan(20_000_000);
});

test('a few compressed bytes do not hold the server up either, however few they are as JSON Lines', async () => {
  const table = new apache.Table({ n: apache.vectorFromArray(new Float64Array(200_000)) });
  const few = compressedStream(table, ZSTD);
  expect(few.length).toBeLessThan(10_000);
  const converter = atOnce();
  expect(await turnsDuring(() => converter.read(few))).toBeGreaterThan(0);
  expect((await converter.read(few)).lines.length).toBeLessThan(3_000_000);
});

test('very many compressed buffers do not hold the server up either, however short they are', async () => {
  const columns = Array.from({ length: 300 }, (_, k) => [`c${k}`, apache.vectorFromArray(new Int32Array(20))] as const);
  const few = compressedStream(new apache.Table(Object.fromEntries(columns)), ZSTD);
  expect(await turnsDuring(() => atOnce().read(few))).toBeGreaterThan(0);
});

test('a few bytes of JSON Lines that are very many values in Arrow do not hold the server up either', async () => {
  const rows = Array.from({ length: 1_000 }, (_, k) => `{"k${k}":1}\n`).join('');
  expect(await turnsDuring(() => atOnce().write(linesOf(rows), null, WANTED))).toBeGreaterThan(0);
});

test('what cannot be converted is refused alike at once and in a thread, and holds up nobody who comes after it', async () => {
  const mixed = () => linesOf('{"a":1}\n{"a":"x"}\n');
  const converter = inThread();
  const answers = await Promise.allSettled([
    converter.read(TABLE.subarray(0, 100)),
    converter.read(TABLE),
    converter.write(mixed(), null, WANTED),
    converter.write(linesOf('{"a":1}\n'), null, WANTED),
    atOnce().write(mixed(), null, WANTED),
  ]);
  expect(answers.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled', 'rejected']);
  const reasons = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as TableError] : []));
  for (const reason of reasons) expect(reason).toBeInstanceOf(TableError);
  expect(reasons[0]!.message).toContain('The Arrow table cannot be read: it is cut short');
  expect(reasons[1]).toMatchObject({ message: reasons[2]!.message, row: 1, column: 'a' });
});

test('a table that nobody waits for any more is not written, and the one after it is', async () => {
  const stop = new AbortController();
  const converter = inThread();
  const [stopped, waiting, wanted] = [stop.signal, stop.signal, WANTED].map((signal) =>
    converter.write(linesOf('{"a":1}\n'), null, signal),
  );
  stop.abort('cancelled');
  await expect(stopped).rejects.toBeDefined();
  await expect(waiting).rejects.toBe('cancelled');
  expect(contentOf((await wanted)!)).toMatchObject({ rows: [['1n']] });
});
