import { expect, onTestFinished, test, vi } from 'vitest';
import { ProgressNotes } from '../../../src/engine/batch/progress-notes.ts';
import { until } from '../../support/until.ts';

/** Notes of a number that rises, and how one is let be written. */
function notesOf() {
  const written: number[] = [];
  let done = 0;
  let release: () => void = () => {};
  let held = false;
  const notes = new ProgressNotes(async () => {
    written.push(done);
    if (held) await new Promise<void>((resolve) => (release = resolve));
  });
  return {
    notes,
    written,
    rise: () => {
      done += 1;
      notes.changed();
    },
    hold: () => (held = true),
    release: () => {
      held = false;
      release();
    },
  };
}

test('the first change is written at once, and of many that follow the last, without another that would set it off', async () => {
  const { written, rise } = notesOf();
  for (let k = 0; k < 500; k += 1) rise();
  expect(written).toEqual([1]);
  await until('the last is written', () => written.at(-1) === 500);
  expect(written).toEqual([1, 500]);
});

test('changes that come one after the other are noted together, once the pause is over', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const { written, rise } = notesOf();
  for (let k = 0; k < 20; k += 1) {
    rise();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(written).toEqual([1]);
  vi.advanceTimersByTime(100);
  await until('the last is written', () => written.at(-1) === 20);
  expect(written).toEqual([1, 20]);
});

test('what changes while a note is being written is in the next', async () => {
  const { written, rise, hold, release } = notesOf();
  hold();
  rise();
  rise();
  release();
  await until('both are written', () => written.at(-1) === 2);
});

test('closed, it waits for the note that is being written and writes no other', async () => {
  const { notes, written, rise, hold, release } = notesOf();
  hold();
  rise();
  rise();
  let isClosed = false;
  const closing = notes.close().then(() => (isClosed = true));
  await Promise.resolve();
  expect(isClosed).toBe(false);
  release();
  await closing;
  rise();
  expect(written).toEqual([1]);
});

test('a note that cannot be written keeps no later one from being written', async () => {
  let tries = 0;
  const notes = new ProgressNotes(async () => {
    tries += 1;
    if (tries === 1) throw new Error('not now');
  });
  notes.changed();
  await Promise.resolve();
  notes.changed();
  await until('the second is tried', () => tries === 2);
});
