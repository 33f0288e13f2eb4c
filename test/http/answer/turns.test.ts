import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { Turns } from '../../../src/http/answer/turns.ts';
import { until } from '../../support/until.ts';

const chunk = (text: string): Buffer => Buffer.from(text);

test('every reader gets all of its own, in its order, however many read at once', async () => {
  const turns = new Turns();
  const read: (Buffer | null)[] = Array.from({ length: 50 }, () => null);
  for (const reader of read.keys()) {
    const own = Array.from({ length: 20 }, (_, place) => chunk(`${reader}.${place} `));
    void buffer(turns.of(Readable.from(own))).then((bytes) => (read[reader] = bytes));
  }
  await until('everybody has it', () => !read.includes(null));
  for (const [reader, bytes] of read.entries())
    expect(bytes!.toString()).toBe(Array.from({ length: 20 }, (_, place) => `${reader}.${place} `).join(''));
});

test('of many readers a few have their turn at a time, and the others wait for it', async () => {
  const turns = new Turns();
  const begun = new Set<Readable>();
  const streams = Array.from(
    { length: 50 },
    () =>
      new Readable({
        read() {
          begun.add(this);
        },
      }),
  );
  const reading = streams.map((stream) => buffer(turns.of(stream)));
  await until('the first have their turn', () => begun.size > 0);
  for (let round = 0; round < 20; round += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(begun.size).toBeLessThan(10);
  for (const stream of streams) {
    stream.push('x');
    stream.push(null);
  }
  expect((await Promise.all(reading)).join('')).toBe('x'.repeat(50));
});

test('readers that take nothing hold nobody up', async () => {
  const turns = new Turns();
  const idle = Array.from({ length: 20 }, () =>
    turns.of(Readable.from(Array.from({ length: 9 }, () => Buffer.alloc(65_536)))),
  );
  // Each reads ahead as far as it may, and waits.
  for (const one of idle) one.once('readable', () => {});
  expect((await buffer(turns.of(Readable.from([chunk('a'), chunk('b')])))).toString()).toBe('ab');
  for (const one of idle) one.destroy();
});

test('a reader that goes away takes its stream with it, and leaves its turn to others', async () => {
  const turns = new Turns();
  const streams = Array.from({ length: 20 }, () =>
    Readable.from(Array.from({ length: 9 }, () => Buffer.alloc(65_536))),
  );
  for (const stream of streams)
    turns.of(stream).once('readable', function leave(this: Readable) {
      this.destroy();
    });
  await until('all are closed', () => streams.every(({ destroyed }) => destroyed));
  expect((await buffer(turns.of(Readable.from([chunk('z')])))).toString()).toBe('z');
});

test('a reader that goes away before it has read anything takes its stream with it, too', async () => {
  const stream = Readable.from([chunk('a')]);
  new Turns().of(stream).destroy();
  await until('it is closed', () => stream.destroyed);
});

test('an error in the middle is an error of its reader, and of nobody else', async () => {
  const turns = new Turns();
  const broken = Readable.from(
    (function* chunks() {
      yield chunk('half');
      throw new Error('The disk is gone.');
    })(),
  );
  await expect(buffer(turns.of(broken))).rejects.toThrow('The disk is gone.');
  expect((await buffer(turns.of(Readable.from([chunk('whole')])))).toString()).toBe('whole');
});
