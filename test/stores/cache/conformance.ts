// What every store of answers must do, in a file or a database.

import { beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/system/clock.ts';
import { after, hours, milliseconds, minutes } from '../../../src/domain/time.ts';
import type { Answered, CacheKey, CachePlace, CacheStore, Found, Question } from '../../../src/cache/port.ts';
import { until } from '../../support/until.ts';

/** The key that stands for a number. */
export const keyOf = (number: number): CacheKey => number.toString(16).padStart(32, '0') as CacheKey;
/** Answers to the numbers. */
export const answersTo = (...numbers: number[]): Answered[] =>
  numbers.map((number) => ({ key: keyOf(number), answer: `{"square":${number * number}}` }));

const PLACE: CachePlace = { tenant: 'ada', endpoint: 'squares' };
const found = (number: number): Found => ({ answer: `{"square":${number * number}}` });

/** A question about numbers, of caller `a` and version 1 unless told. */
export function asking(numbers: readonly number[], changes: Partial<Question> = {}): Question {
  return {
    version: 1,
    anyVersion: false,
    caller: 'a',
    lease: minutes(1),
    keys: numbers.map(keyOf),
    bytesMax: 1_000_000,
    ...changes,
  };
}

/**
 * `open` answers a store on the file or database of the test that is running, as another process
 * would have it.
 */
export function describeCache(name: string, open: () => Promise<CacheStore>): void {
  describe(`a cache in ${name}`, () => {
    let store: CacheStore;
    let other: CacheStore;
    beforeEach(async () => {
      store = await open();
      other = await open();
      return () => Promise.all([store.close(), other.close()]);
    });
    const keep = (entries: readonly Answered[], changes: { version?: number; caller?: string } = {}) =>
      store.keep(PLACE, { version: 1, caller: 'a', entries, ...changes });

    test('what was kept is found by everybody, in the order in which it is asked for', async () => {
      expect(await keep(answersTo(1, 2, 3))).toBe(3);
      expect(await other.lookUp(PLACE, asking([3, 1, 2, 1]))).toEqual([found(3), found(1), found(2), found(1)]);
    });

    test('a key that nobody knows is its first asker’s to compute, and with others for everybody else', async () => {
      expect(await store.lookUp(PLACE, asking([1, 2]))).toEqual(['mine', 'mine']);
      expect(await other.lookUp(PLACE, asking([2, 3], { caller: 'b' }))).toEqual(['others', 'mine']);
      // Asked again, since an answer may be lost on its way.
      expect(await store.lookUp(PLACE, asking([1, 2]))).toEqual(['mine', 'mine']);
    });

    test('of many that ask for the same keys at once, each key is one’s alone', async () => {
      const numbers = Array.from({ length: 50 }, (_, number) => number);
      const askers = Array.from({ length: 8 }, (_, asker) =>
        (asker % 2 === 0 ? store : other).lookUp(
          PLACE,
          asking(asker % 3 === 0 ? numbers.toReversed() : numbers, { caller: `asker ${asker}` }),
        ),
      );
      const answers = await Promise.all(askers);
      const owners = numbers.map(
        (number) => answers.filter((one, asker) => one[asker % 3 === 0 ? 49 - number : number] === 'mine').length,
      );
      expect(owners).toEqual(numbers.map(() => 1));
    });

    test('an answer that is kept ends the claim on its key', async () => {
      await store.lookUp(PLACE, asking([1, 2]));
      await keep(answersTo(1));
      expect(await other.lookUp(PLACE, asking([1, 2], { caller: 'b' }))).toEqual([found(1), 'others']);
    });

    test('a caller that releases its claims leaves them to the next', async () => {
      await store.lookUp(PLACE, asking([1, 2]));
      await store.lookUp(PLACE, asking([3], { caller: 'c' }));
      await store.release(PLACE, 'a');
      expect(await other.lookUp(PLACE, asking([1, 2, 3], { caller: 'b' }))).toEqual(['mine', 'mine', 'others']);
    });

    test('a claim that is not renewed lapses, and one that is stands', async () => {
      await store.lookUp(PLACE, asking([1], { lease: milliseconds(1) }));
      await store.lookUp(PLACE, asking([2], { caller: 'c', lease: milliseconds(1) }));
      expect(await store.renew(PLACE, 'c', hours(1))).toBe(1);
      await until('the claim has lapsed', async () => {
        const [one] = await other.lookUp(PLACE, asking([1], { caller: 'b' }));
        return one === 'mine';
      });
      expect(await other.lookUp(PLACE, asking([2], { caller: 'b' }))).toEqual(['others']);
      expect(await store.renew(PLACE, 'nobody', hours(1))).toBe(0);
    });

    test('an answer of which more is known stands in place of the one before, and the totals are those of what is there', async () => {
      await keep(answersTo(1, 2));
      const entries = [{ key: keyOf(1), answer: '{"longer":"ä"}' }, ...answersTo(3)];
      expect(await store.keep(PLACE, { version: 1, caller: 'a', entries, replaces: true })).toBe(1);
      const looked = await store.lookUp(PLACE, asking([1, 2, 3]));
      expect(looked).toEqual([{ answer: '{"longer":"ä"}' }, ...answersTo(2, 3).map(({ answer }) => ({ answer }))]);
      const bytes = looked.reduce((sum, one) => sum + Buffer.byteLength((one as { answer: string }).answer), 0);
      expect(await store.info(PLACE)).toMatchObject({ rows: 3, bytes, keys: 3 });
    });

    test('a key that has an answer keeps it, also when others come later', async () => {
      await keep(answersTo(1));
      expect(await other.keep(PLACE, { version: 1, caller: 'b', entries: [{ key: keyOf(1), answer: '{}' }] })).toBe(0);
      expect(await store.lookUp(PLACE, asking([1]))).toEqual([found(1)]);
    });

    test('versions, endpoints and tenants know nothing of each other', async () => {
      await keep(answersTo(1));
      const elsewhere: [CachePlace, Partial<Question>][] = [
        [PLACE, { version: 2 }],
        [{ ...PLACE, endpoint: 'cubes' }, {}],
        [{ ...PLACE, tenant: 'bob' }, {}],
      ];
      for (const [place, changes] of elsewhere)
        expect(await store.lookUp(place, asking([1], changes))).toEqual(['mine']);
      expect(await store.lookUp(PLACE, asking([1]))).toEqual([found(1)]);
      expect(await store.info({ ...PLACE, tenant: 'bob' })).toMatchObject({ hits: 0, misses: 1, versions: [] });
    });

    test('where any version will do, it is the newest answer there is', async () => {
      const any = { version: 4, anyVersion: true };
      await keep([{ key: keyOf(1), answer: '"old"' }], { version: 1 });
      expect(await store.lookUp(PLACE, asking([1, 2], any))).toEqual([{ answer: '"old"' }, 'mine']);
      await keep([{ key: keyOf(1), answer: '"new"' }], { version: 3 });
      expect(await store.lookUp(PLACE, asking([1], any))).toEqual([{ answer: '"new"' }]);
      // Its claim is on the version that answers now, and so the same as that of somebody who wants
      // no other.
      expect(await other.lookUp(PLACE, asking([2], { caller: 'b', version: 4 }))).toEqual(['others']);
    });

    test('answers come until they are long enough, one at least, and the keys behind them are nobody’s', async () => {
      const long = 'x'.repeat(1_000);
      await keep([1, 2, 3].map((number) => ({ key: keyOf(number), answer: `"${long}${number}"` })));
      const first = await store.lookUp(PLACE, asking([1, 9, 2, 3, 8], { bytesMax: 1_500 }));
      expect(first).toEqual([{ answer: `"${long}1"` }, 'mine', { answer: `"${long}2"` }]);
      expect(await store.lookUp(PLACE, asking([3, 1, 8], { bytesMax: 1 }))).toHaveLength(1);
      expect(await other.lookUp(PLACE, asking([8], { caller: 'b' }))).toEqual(['mine']);
    });

    test('an answer stays as it is, to the last digit and character', async () => {
      const answer = '{"id":"00123","n":9007199254740993,"e":1e400,"text":"ä\u{1f9ea}\\n\\u0000","none":null}';
      await keep([{ key: keyOf(1), answer }]);
      expect(await other.lookUp(PLACE, asking([1]))).toEqual([{ answer }]);
    });

    test('it says how much there is of each version, and how often it was of use', async () => {
      expect(await store.info(PLACE)).toEqual({ rows: 0, bytes: 0, hits: 0, misses: 0, keys: 0, versions: [] });
      await store.lookUp(PLACE, asking([1, 2]));
      await keep(answersTo(1, 2));
      await keep([{ key: keyOf(1), answer: '"ä"' }], { version: 2 });
      expect(await store.info(PLACE)).toMatchObject({ keys: 2 });
      await keep(answersTo(3), { version: 2 });
      await other.lookUp(PLACE, asking([1, 2, 3], { caller: 'b' }));
      expect(await other.info(PLACE)).toEqual({
        rows: 4,
        bytes: 40,
        hits: 2,
        misses: 3,
        keys: 3,
        versions: [
          { version: 2, rows: 2, bytes: 16 },
          { version: 1, rows: 2, bytes: 24 },
        ],
      });
    });

    test('single answers are forgotten in every version, and the others stay', async () => {
      await keep(answersTo(1, 2, 3));
      await keep(answersTo(1), { version: 2 });
      expect(await other.deleteEntries(PLACE, [keyOf(1), keyOf(2), keyOf(9)])).toBe(3);
      expect(await store.lookUp(PLACE, asking([1, 2, 3]))).toEqual(['mine', 'mine', found(3)]);
      expect((await store.info(PLACE)).versions).toEqual([{ version: 1, rows: 1, bytes: 12 }]);
    });

    test('an endpoint’s answers are forgotten together, and no other’s', async () => {
      await keep(Array.from({ length: 6_000 }, (_, number) => answersTo(number)[0]!));
      await store.keep({ ...PLACE, tenant: 'bob' }, { version: 1, caller: 'b', entries: answersTo(1) });
      expect(await other.clear(PLACE)).toBe(6_000);
      expect((await store.info(PLACE)).versions).toEqual([]);
      expect(await store.lookUp({ ...PLACE, tenant: 'bob' }, asking([1]))).toEqual([found(1)]);
      expect(await other.clear(PLACE)).toBe(0);
    });

    test('what nobody has asked for since a time is evicted', async () => {
      await keep(answersTo(1, 2));
      expect(await store.evict(after(systemClock.now(), hours(-1)))).toBe(0);
      expect(await store.evict(after(systemClock.now(), hours(1)))).toBe(2);
      expect(await store.evict(after(systemClock.now(), hours(1)))).toBe(0);
      expect((await store.info(PLACE)).versions).toEqual([]);
    });

    test('it is made smaller while others use it, and forgets nothing by it', async () => {
      await keep(
        Array.from({ length: 500 }, (_, number) => ({ key: keyOf(number), answer: `"${'x'.repeat(9_000)}"` })),
      );
      await store.deleteEntries(
        PLACE,
        Array.from({ length: 499 }, (_, number) => keyOf(number)),
      );
      const [freed, seen] = await Promise.all([store.compact(), other.lookUp(PLACE, asking([499]))]);
      expect(freed).toBeGreaterThanOrEqual(0);
      expect(seen).toEqual([{ answer: `"${'x'.repeat(9_000)}"` }]);
    });
  });
}
