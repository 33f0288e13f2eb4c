import { expect, test } from 'vitest';
import type { LogEntry } from '../../../src/domain/log-line.ts';
import { seconds } from '../../../src/domain/time.ts';
import { ATTEMPT_BYTES_MAX, LINES_PER_SECOND_MAX, LogBudget } from '../../../src/stores/run-logs/log-budget.ts';
import { ManualClock } from '../ledger/manual-clock.ts';

const line = (message: string): LogEntry => ({ stream: 'stdout', message, fields: null });
const note = (text: string): unknown => ({
  stream: 'server',
  message: expect.stringContaining(text) as string,
  fields: null,
});

/** A budget whose first second is used up. */
function used(): { budget: LogBudget; clock: ManualClock } {
  const clock = new ManualClock();
  const budget = new LogBudget(clock);
  for (let place = 0; place < LINES_PER_SECOND_MAX; place += 1)
    expect(budget.admit(line(String(place)), 1)).toHaveLength(1);
  return { budget, clock };
}

test('a line within the budget is kept as it is', () => {
  const entry = line('hello');
  expect(new LogBudget(new ManualClock()).admit(entry, 10)).toEqual([entry]);
});

test('of more lines than a second may have, the rest is dropped and counted before the next that is kept', () => {
  const { budget, clock } = used();
  expect(budget.admit(line('too many'), 1)).toEqual([]);
  expect(budget.admit(line('too many'), 1)).toEqual([]);
  clock.advance(seconds(1));
  expect(budget.admit(line('later'), 1)).toEqual([note('2 lines dropped'), line('later')]);
  expect(budget.end()).toEqual([]);
});

test('what was dropped last is said at the end', () => {
  const { budget } = used();
  budget.admit(line('too many'), 1);
  expect(budget.end()).toEqual([note('1 lines dropped')]);
});

test('beyond its bytes an attempt keeps one line that says so, and nothing more', () => {
  const budget = new LogBudget(new ManualClock());
  expect(budget.admit(line('large'), ATTEMPT_BYTES_MAX)).toEqual([line('large')]);
  expect(budget.admit(line('one more'), 1)).toEqual([note('truncated')]);
  expect(budget.admit(line('and more'), 1)).toEqual([]);
  expect(budget.end()).toEqual([]);
});
