import { expect, test } from 'vitest';
import { hours, milliseconds, seconds } from '../../src/domain/time.ts';
import { pauseAfter } from '../../src/webhooks/schedule.ts';

test('the pauses are those that Standard Webhooks recommends, and the tenth attempt is the last', () => {
  const pauses = Array.from({ length: 10 }, (_, place) => pauseAfter(place + 1, 0.5));
  expect([pauses[0], pauses.at(-2), pauses.at(-1)]).toEqual([seconds(5), hours(24), null]);
});

test('what failed together comes back within a tenth of the pause to either side', () => {
  expect([pauseAfter(1, 0), pauseAfter(1, 1)]).toEqual([milliseconds(4_500), milliseconds(5_500)]);
});
