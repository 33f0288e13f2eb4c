import { describe, expect, test } from 'vitest';
import { instant } from '../../src/domain/time.ts';
import { progressLine, type ProgressView, showProgress } from '../../src/cli/progress.ts';
import { coloursFor } from '../../src/cli/text.ts';

const NO_COLOURS = coloursFor({ isTTY: false });
const view = (parts: Partial<ProgressView>): ProgressView => ({
  label: 'smiles-to-3d',
  done: 412,
  total: 1_128,
  failed: 2,
  unit: 'rows',
  message: null,
  replicas: { current: 1, desired: 3 },
  waiting: null,
  rate: 22.9,
  elapsedSeconds: 18,
  ...parts,
});

/** Progress on a stream that remembers what was written, with a clock that is moved by hand. */
function shown({ isTTY, columns = 120 }: { isTTY: boolean; columns?: number }) {
  let seconds = 0;
  const written: string[] = [];
  const output = { isTTY, columns, write: (text: string | Uint8Array) => written.push(String(text)) > 0 };
  const bar = showProgress('e', output, { now: () => instant(seconds * 1_000) });
  return { bar, written, moveTo: (to: number) => void (seconds = to) };
}

describe('the line of a terminal', () => {
  test('has a bar, rows, failures, rate, time left and replicas', () => {
    expect(progressLine(view({}), 120, NO_COLOURS)).toBe(
      'smiles-to-3d  ━━━━━━━━────────────────  412/1128 rows  2 failed  22.9 rows/s  ETA 32 s  replicas 1→3',
    );
  });

  test('says that a replica starts, and for how long', () => {
    const line = progressLine(
      view({
        done: 0,
        failed: 0,
        rate: null,
        waiting: 'starting a replica',
        elapsedSeconds: 3.7,
        replicas: { current: 0, desired: 1 },
      }),
      120,
      NO_COLOURS,
    );
    expect(line).toContain('0/1128 rows  starting a replica  3 s  replicas 0→1');
  });

  test('of a run that is no table has no counts', () => {
    expect(
      progressLine(
        view({ total: null, done: 0, failed: 0, rate: null, replicas: { current: 2, desired: 2 } }),
        120,
        NO_COLOURS,
      ),
    ).toBe('smiles-to-3d  18 s  replicas 2');
  });

  test.each([20, 40, 79, 80, 90, 100, 200])('never reaches the end of %s columns', (width) => {
    expect(progressLine(view({}), width, NO_COLOURS).length).toBeLessThan(width);
  });

  test('is not longer than its bar when more is done than expected', () => {
    expect(progressLine(view({ done: 20, total: 10 }), 120, NO_COLOURS)).toContain(`${'━'.repeat(24)}  20/10`);
  });
});

describe('progress on a terminal', () => {
  test('is drawn over itself and replaced by a summary', () => {
    const { bar, written, moveTo } = shown({ isTTY: true });
    bar.update({ done: 0, total: 10 });
    moveTo(2);
    bar.update({ done: 10 });
    bar.end('summary');
    expect(written.slice(0, -2).every((text) => text.startsWith('\r') && text.endsWith('\u001b[K'))).toBe(true);
    expect(written.slice(-2)).toEqual(['\r\u001b[K', 'e: 10/10 rows, 2 s, 5.00 rows/s\n']);
  });

  test('leaves nothing behind where nothing is to be said', () => {
    const { bar, written } = shown({ isTTY: true });
    bar.update({ total: 3 });
    bar.end('nothing');
    expect(written.at(-1)).toBe('\r\u001b[K');
  });
});

describe('progress without a terminal', () => {
  test('is a line at the start, one in half a minute at the most, and one at the end', () => {
    const { bar, written, moveTo } = shown({ isTTY: false });
    for (let second = 0; second <= 65; second += 1) {
      moveTo(second);
      bar.update({ done: second * 2, total: 130, replicas: { current: 1, desired: 1 } });
    }
    bar.end('summary');
    expect(written).toEqual([
      'e: 0/130 rows, 0 s, replicas 1\n',
      'e: 60/130 rows, 2.00 rows/s, ETA 35 s, replicas 1\n',
      'e: 120/130 rows, 2.00 rows/s, ETA 5 s, replicas 1\n',
      'e: 130/130 rows, 1 min 05 s, 2.00 rows/s\n',
    ]);
  });

  test('does not count the cold start into the rate, but into the time', () => {
    const { bar, written, moveTo } = shown({ isTTY: false });
    bar.update({ done: 0, total: 20, waiting: 'starting a replica' });
    moveTo(10);
    bar.update({ waiting: null });
    moveTo(12);
    bar.update({ done: 20 });
    bar.end('summary');
    expect(written.at(-1)).toBe('e: 20/20 rows, 12 s, 10.0 rows/s\n');
  });

  test('steers no terminal with the name of an endpoint', () => {
    const written: string[] = [];
    const output = { isTTY: false, columns: 80, write: (text: string) => written.push(text) > 0 };
    showProgress('a\u001b[2Jb', output).end('summary');
    expect(written.join('')).toMatch(/^ab: /);
  });
});
