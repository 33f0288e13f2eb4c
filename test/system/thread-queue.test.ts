import { describe, expect, test } from 'vitest';
import { ThreadQueue } from '../../src/system/thread-queue.ts';

/** A module of a thread, from its code. */
const moduleOf = (code: string): URL =>
  new URL(
    `data:text/javascript,${encodeURIComponent(`import { parentPort, workerData } from 'node:worker_threads'; ${code}`)}`,
  );
const echo = moduleOf('parentPort.postMessage(workerData);');

describe('work in threads', () => {
  test('is answered', async () => {
    expect(await new ThreadQueue().run({ module: echo, request: { rows: 3 } })).toEqual({ rows: 3 });
  });

  test.for([
    ['ends without an answer', '', 'A thread ended with 0 and without an answer.'],
    ['leaves', 'process.exit(3);', 'A thread ended with 3 and without an answer.'],
    ['throws', "throw new Error('no such column');", 'no such column'],
  ])('fails where its thread %s, and the next piece is done', async ([, code, message]) => {
    const queue = new ThreadQueue();
    const failed = queue.run({ module: moduleOf(code!), request: null });
    const next = queue.run({ module: echo, request: 'next' });
    await expect(failed).rejects.toThrow(message);
    expect(await next).toBe('next');
  });

  test('is stopped when nobody wants its answer any more, and the next piece is done', async () => {
    const queue = new ThreadQueue();
    const gone = new AbortController();
    const hanging = queue.run({
      module: moduleOf('setInterval(() => {}, 1_000);'),
      request: null,
      signal: gone.signal,
    });
    const next = queue.run({ module: echo, request: 'next' });
    gone.abort();
    await expect(hanging).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
    expect(await next).toBe('next');
  });

  test('is done one after the other', async () => {
    const queue = new ThreadQueue();
    const seen: number[] = [];
    const first = queue.run<number>({
      module: moduleOf('setTimeout(() => parentPort.postMessage(1), 50);'),
      request: null,
    });
    const second = queue.run<number>({ module: moduleOf('parentPort.postMessage(2);'), request: null });
    await Promise.all([first, second].map((answer) => answer.then((value) => seen.push(value))));
    expect(seen).toEqual([1, 2]);
  });
});
