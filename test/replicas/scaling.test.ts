import { describe, expect, test } from 'vitest';
import { type Duration, milliseconds, minutes, seconds } from '../../src/domain/time.ts';
import { type Load, RecentMean, replicasFor } from '../../src/replicas/scaling.ts';

const RUN = milliseconds(100);
const START = milliseconds(200);
const nothingKnown = { serviceTime: null, startTime: null };

const load = (changes: Partial<Load>): Load => ({
  waiting: 0,
  busy: 0,
  concurrency: 1,
  serviceTime: RUN,
  startTime: START,
  ...changes,
});

test.each<[string, Partial<Load>, number]>([
  ['nothing waits and nothing runs: none', {}, 0],
  ['nothing is known and nothing waits: none', nothingKnown, 0],
  ['one run, nothing known: one', { waiting: 1, ...nothingKnown }, 1],
  [
    'a thousand runs, nothing known: one, which shows how long a start and a run take',
    { waiting: 1_000, ...nothingKnown },
    1,
  ],
  ['a thousand runs, only the start known: still one', { waiting: 1_000, serviceTime: null }, 1],
  ['three busy, nothing known: those three stay', { waiting: 9, busy: 3, ...nothingKnown }, 3],
  ['one run: one and not the fleet', { waiting: 1 }, 1],
  ['one run that takes an hour: one, for a run is not shared', { waiting: 1, serviceTime: minutes(60) }, 1],
  ['two runs that one replica has done within a start: one', { waiting: 2 }, 1],
  ['three runs, of which the third would wait for longer than a start: two', { waiting: 3 }, 2],
  ['a thousand runs of half a start: one for every two', { waiting: 1_000 }, 500],
  ['a thousand runs that are done within a start of a minute: two', { waiting: 1_000, startTime: minutes(1) }, 2],
  ['runs that take longer than a start: one for each', { waiting: 7, serviceTime: seconds(30) }, 7],
  ['what runs counts like what waits: it takes its time too', { waiting: 2, busy: 1, serviceTime: seconds(30) }, 3],
  ['eight busy and nothing waiting: all eight stay, for more may come as it came before', { busy: 8 }, 8],
  [
    'long runs on replicas with four places: as many as they fill',
    { waiting: 9, concurrency: 4, serviceTime: seconds(30) },
    3,
  ],
  [
    'short runs on replicas with four places: a quarter of what one place each would need',
    { waiting: 1_000, concurrency: 4 },
    125,
  ],
  ['five busy places of four each: two replicas stay', { busy: 5, concurrency: 4 }, 2],
  ['a start that takes no time at all: one for each', { waiting: 3, startTime: milliseconds(0) }, 3],
  [
    'runs and starts that take no time at all: one for each',
    { waiting: 3, serviceTime: milliseconds(0), startTime: milliseconds(0) },
    3,
  ],
  ['runs that take no time: one, however many', { waiting: 50, serviceTime: milliseconds(0) }, 1],
])('%s', (_sentence, changes, wanted) => {
  expect(replicasFor(load(changes))).toBe(wanted);
});

describe('a mean of durations', () => {
  const meanOf = (...durations: number[]): Duration | null => {
    const mean = new RecentMean();
    for (const duration of durations) mean.add(milliseconds(duration));
    return mean.value;
  };

  test('is unknown before there is one, and the first one after that', () => {
    expect(meanOf()).toBeNull();
    expect(meanOf(100)).toBe(100);
  });

  test('follows what is new and is not thrown by one of them', () => {
    expect(meanOf(100, 200)).toBe(120);
    expect(meanOf(100, ...Array.from({ length: 30 }, () => 1_000))).toBeGreaterThan(990);
  });
});
