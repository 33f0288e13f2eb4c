import { describe, expect, test } from 'vitest';
import { showProgress } from '../../../src/client/progress/bars.ts';
import { progressLine, type ProgressView } from '../../../src/client/progress/line.ts';
import { screenOf } from '../../support/screen.ts';
import { coloursFor } from '../../../src/client/progress/terminal.ts';

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
  inFlight: null,
  rate: 22.9,
  elapsedSeconds: 18,
  ...parts,
});

/** Progress on a stream that remembers what was written, with a clock that is moved by hand. */
function shown({ isTTY, columns = 120 }: { isTTY: boolean; columns?: number }) {
  let seconds = 0;
  const written: string[] = [];
  const output = { isTTY, columns, write: (text: string | Uint8Array) => written.push(String(text)) > 0 };
  const bar = showProgress('e', { output, now: () => seconds * 1_000 });
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

  test('says what keeps a batch from its end', () => {
    const parts = { replicas: null, rate: 1, inFlight: { chunks: 2, oldestSeconds: 131 } };
    expect(progressLine(view(parts), 140, NO_COLOURS)).toContain('2 chunks left, the oldest for 2 min 11 s');
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

  test.each([
    ['a Japanese run name', '日本語の分子記述子を計算する夜間バッチ処理その一二三四五'],
    ['an emoji run name', '🧪'.repeat(28)],
  ])('with %s does not wrap at the end of 60 columns', (_what, name) => {
    for (const label of [`e ${name}`, `e. ${name}`]) {
      const line = progressLine(view({ label }), 60, NO_COLOURS);
      const cells = Array.from(line, (character) => (character <= '~' ? 1 : 2)).reduce((sum, one) => sum + one, 0);
      expect(cells).toBeLessThan(60);
      expect(cells).toBeGreaterThan(57);
      expect(line.isWellFormed()).toBe(true);
    }
  });

  test('has a bar that leaves a wide name its room', () => {
    const line = progressLine(view({ label: '分子', replicas: null }), 64, NO_COLOURS);
    // 4 cells of the label, the bar, and 37 of `  412/1128 rows  2 failed  22.9 rows/s  ETA 32 s`.
    expect(line).toMatch(/^分子 {2}[━─]{8,24} {2}412\/1128 rows/);
    expect(line.length + 2).toBe(63);
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

describe('several runs on one terminal', () => {
  /** Bars of one terminal, and what is seen there. */
  function terminal() {
    let written = '';
    const output = { isTTY: true, columns: 80, write: (text: string | Uint8Array) => (written += String(text)) !== '' };
    return { bar: (label: string) => showProgress(label, { output, now: () => 0 }), screen: () => screenOf(written) };
  }

  test('stand below each other, and what is over stands above the others', () => {
    const { bar, screen } = terminal();
    const [a, b, c] = [bar('a'), bar('b'), bar('c')];
    for (const one of [a, b, c]) one.update({ done: 1, total: 8 });
    expect(screen().map((line) => line[0])).toEqual(['a', 'b', 'c']);
    b.update({ done: 8 });
    b.end('summary');
    expect(screen()).toEqual([
      'b: 8/8 rows, 0 s',
      expect.stringMatching(/^a .* 1\/8/),
      expect.stringMatching(/^c .* 1\/8/),
    ]);
    a.end('nothing');
    c.update({ done: 2 });
    expect(screen()).toEqual(['b: 8/8 rows, 0 s', expect.stringMatching(/^c .* 2\/8/)]);
    c.end('summary');
    expect(screen()).toEqual(['b: 8/8 rows, 0 s', 'c: 2/8 rows, 0 s']);
  });

  test('are counted where they are too many to be drawn', () => {
    const { bar, screen } = terminal();
    const bars = Array.from({ length: 15 }, (_, place) => bar(`run-${place}`));
    for (const one of bars) one.update({ done: 0, total: 2 });
    expect(screen()).toHaveLength(13);
    expect(screen().at(-1)).toBe('and 3 more');
    for (const one of bars) one.end('nothing');
    expect(screen()).toEqual(['']);
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
    showProgress('a\u001b[2Jb', { output }).end('summary');
    expect(written.join('')).toMatch(/^ab: /);
  });
});
