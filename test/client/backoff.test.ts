import { expect, test } from 'vitest';
import { isRetried, pauseAfter, retryAfterMs, retryLimits } from '../../src/client/backoff.ts';

const LIMITS = retryLimits().once;
const failed = (facts: Partial<Parameters<typeof pauseAfter>[0]>) => ({
  tries: 1,
  spentMs: 0,
  askedMs: null,
  reached: true,
  ...facts,
});

test('the pause doubles with every try, up to ten seconds, and its upper half is random', () => {
  const longest = [1, 2, 3, 4, 5, 6, 7, 8].map((tries) => pauseAfter(failed({ tries }), LIMITS, 1));
  expect(longest).toEqual([200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
  expect(pauseAfter(failed({ tries: 3 }), LIMITS, 0)).toBe(400);
});

test('a pause that the server asks for is kept, and stretched by a quarter at the most', () => {
  expect(pauseAfter(failed({ askedMs: 4_000 }), LIMITS, 0)).toBe(4_000);
  expect(pauseAfter(failed({ askedMs: 4_000 }), LIMITS, 1)).toBe(5_000);
});

test('there is no try beyond the number of tries', () => {
  const limits = retryLimits({ tries: 3 }).once;
  expect(pauseAfter(failed({ tries: 2 }), limits, 0)).not.toBeNull();
  expect(pauseAfter(failed({ tries: 3 }), limits, 0)).toBeNull();
  expect(pauseAfter(failed({ tries: 1 }), retryLimits({ tries: 1 }).once, 0)).toBeNull();
});

test('there is no try after the time limit, also where the server asks for a longer pause than is left', () => {
  const limits = retryLimits({ seconds: 60 }).once;
  expect(pauseAfter(failed({ spentMs: 59_800 }), limits, 1)).toBe(200);
  expect(pauseAfter(failed({ spentMs: 59_801 }), limits, 1)).toBeNull();
  expect(pauseAfter(failed({ askedMs: 60_001 }), limits, 0)).toBeNull();
});

test('a run is waited for through an hour without an answer, where nothing shorter is said', () => {
  expect(pauseAfter(failed({ tries: 300, spentMs: 3_590_000 }), retryLimits().wait, 1)).toBe(10_000);
  expect(pauseAfter(failed({ tries: 300, spentMs: 3_590_001 }), retryLimits().wait, 1)).toBeNull();
  expect(retryLimits({ tries: 2, seconds: 5 }).wait).toMatchObject({ tries: 2, totalMs: 5_000 });
  expect(retryLimits({ seconds: 5, waitSeconds: 7 }).wait).toMatchObject({ tries: Infinity, totalMs: 7_000 });
});

test('a server that never answered is given up after about a second', () => {
  const pauses = [1, 2, 3].map((tries) => pauseAfter(failed({ tries, reached: false }), LIMITS, 1)!);
  expect(pauses.reduce((sum, pause) => sum + pause, 0)).toBeLessThanOrEqual(1_400);
  expect(pauseAfter(failed({ tries: 4, reached: false }), LIMITS, 1)).toBeNull();
});

test('a run is waited for through a restart also by a client that no server has answered yet, for two minutes', () => {
  const { wait } = retryLimits();
  expect(pauseAfter(failed({ tries: 40, spentMs: 109_000, reached: false }), wait, 1)).toBe(10_000);
  expect(pauseAfter(failed({ tries: 40, spentMs: 110_001, reached: false }), wait, 1)).toBeNull();
  expect(pauseAfter(failed({ tries: 2, reached: false }), retryLimits({ tries: 2 }).wait, 1)).toBeNull();
});

test.each([
  [{ 'retry-after-ms': '1500' }, 1_500],
  [{ 'retry-after-ms': '250', 'retry-after': '9' }, 250],
  [{ 'retry-after': '3' }, 3_000],
  [{ 'retry-after': 'Fri, 20 Nov 2026 10:00:05 GMT' }, 5_000],
  [{ 'retry-after': 'Fri, 20 Nov 2026 09:00:00 GMT' }, 0],
  [{ 'retry-after': 'soon' }, null],
  [{ 'retry-after': '-1' }, null],
  [{}, null],
])('the headers %o ask for a pause of %s ms', (headers, pause) => {
  expect(retryAfterMs(new Headers(headers as Record<string, string>), Date.UTC(2026, 10, 20, 10))).toBe(pause);
});

test('only statuses that mean "not now" are tried again', () => {
  const retried = [200, 400, 404, 408, 409, 422, 424, 429, 500, 501, 502, 503, 504].filter(isRetried);
  expect(retried).toEqual([408, 429, 502, 503, 504]);
});
