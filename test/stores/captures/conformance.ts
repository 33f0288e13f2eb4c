// What every store of captures must do, in a file or a database.

import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  type CaptureRecord,
  type CaptureStore,
  everyCapture,
  type NewCapture,
} from '../../../src/stores/captures/captures.ts';
import { newRunId } from '../../../src/system/clock.ts';
import { instant } from '../../../src/domain/time.ts';

const FACTS = { contentType: 'text/csv', bytes: 12, sha256: 'a'.repeat(64) };
export const PLACE = { tenant: 'acme', endpoint: 'rings', name: 'holdout-2026' };

/** A capture of a run of its own, with changes that the test cares about. */
export function newCapture(changes: Partial<NewCapture> = {}): NewCapture {
  return {
    ...PLACE,
    runId: newRunId(),
    endpointVersion: 3,
    capturedBy: null,
    createdAt: instant(Date.UTC(2026, 0, 1)),
    asked: { target: null, prediction: null, task: null },
    input: FACTS,
    predictions: FACTS,
    ids: null,
    score: {
      rows: { total: 3, failed: 1, withoutTarget: 2, withoutPrediction: 0, comparable: 0 },
      target: null,
      prediction: null,
      metrics: null,
      reason: 'No target column is named.',
    },
    blobName: randomUUID(),
    ...changes,
  };
}

/** `open` answers the store of the test that is running, as another server would have it. */
export function describeCaptureStore(name: string, open: () => Promise<CaptureStore>): void {
  describe(`captures in ${name}`, () => {
    let store: CaptureStore;
    let other: CaptureStore;
    beforeEach(async () => {
      store = await open();
      other = await open();
      return () => Promise.all([store.close(), other.close()]);
    });

    test('are given back as they were added', async () => {
      const capture = newCapture({
        capturedBy: 'key_1',
        asked: { target: 'y', prediction: 'Zoë’s "p"\0', task: 'regression' },
        ids: { column: 'id', list: { ...FACTS, contentType: 'application/json' } },
        score: {
          rows: { total: 2, failed: 0, withoutTarget: 0, withoutPrediction: 0, comparable: 2 },
          target: 'y',
          prediction: 'p',
          metrics: {
            task: 'regression',
            support: 2,
            rmse: 0.1,
            mae: 0.1,
            medae: 0.1,
            r2: null,
            spearmanr: 1,
            notes: ['r2'],
          },
          reason: null,
        },
      });
      const { result, capture: kept } = await store.add(capture);
      expect(result).toBe('added');
      expect(kept).toEqual({ ...capture, version: 1, sequence: kept.sequence });
      expect(await other.get(PLACE, 1)).toEqual(kept);
      expect(await other.get(PLACE, null)).toEqual(kept);
      expect(await other.ofRun(PLACE, capture.runId)).toEqual(kept);
    });

    test('are not there before anybody added them', async () => {
      expect(await store.get(PLACE, null)).toBeNull();
      expect(await store.get(PLACE, 1)).toBeNull();
      expect(await store.ofRun(PLACE, newRunId())).toBeNull();
      expect(await store.list({ ...PLACE, limit: 10 })).toEqual([]);
    });

    test('of one name are versions that count up, and none takes the place of another', async () => {
      const captures = [newCapture(), newCapture(), newCapture()];
      for (const capture of captures) await store.add(capture);
      for (const [at, { runId }] of captures.entries())
        expect(await other.get(PLACE, at + 1)).toMatchObject({ version: at + 1, runId });
      expect(await other.get(PLACE, null)).toMatchObject({ version: 3 });
      expect(await other.get(PLACE, 4)).toBeNull();
    });

    test('of a run are one version of a name, however often and by how many callers it is asked for', async () => {
      const capture = newCapture();
      const first = await store.add(capture);
      const again = await other.add({ ...capture, endpointVersion: 9, capturedBy: 'another' });
      expect(again).toEqual({ result: 'found', capture: first.capture });
      expect((await store.add({ ...capture, name: 'another' })).capture.version).toBe(1);
      expect((await store.add(newCapture())).capture.version).toBe(2);
    });

    test('that come at once have versions of their own, without a gap', async () => {
      const added = await Promise.all(
        Array.from({ length: 30 }, (_, at) => (at % 2 === 0 ? store : other).add(newCapture())),
      );
      expect(added.map(({ capture }) => capture.version).toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: 30 }, (_, at) => at + 1),
      );
      const runs = new Set(added.map(({ capture }) => capture.runId));
      const listed = await store.list({ ...PLACE, limit: 100 });
      expect(new Set(listed.map(({ runId }) => runId))).toEqual(runs);
    });

    test('of the same run that come at once are one', async () => {
      const capture = newCapture();
      const added = await Promise.all(
        Array.from({ length: 12 }, (_, at) => (at % 2 === 0 ? store : other).add(capture)),
      );
      expect(added.filter(({ result }) => result === 'added')).toHaveLength(1);
      expect(new Set(added.map(({ capture: { version } }) => version))).toEqual(new Set([1]));
    });

    test('are each tenant’s and each endpoint’s own', async () => {
      const places = [PLACE, { ...PLACE, tenant: 'bob' }, { ...PLACE, endpoint: 'other' }];
      for (const place of places) expect((await store.add(newCapture(place))).capture.version).toBe(1);
      for (const place of places) {
        const { name: _, ...whose } = place;
        expect(await store.list({ ...whose, limit: 10 })).toMatchObject([place]);
        expect(await store.get(place, null)).toMatchObject(place);
      }
      const { runId } = newCapture();
      await store.add(newCapture({ runId }));
      expect(await store.ofRun({ ...PLACE, tenant: 'bob' }, runId)).toBeNull();
    });

    test('are listed newest first, by name, and page by page', async () => {
      const names = ['a', 'b', 'a', 'a', 'b'];
      for (const name of names) await store.add(newCapture({ name }));
      const { name: _, ...whose } = PLACE;
      const list = (filter: object) => store.list({ ...whose, limit: 10, ...filter });
      expect((await list({})).map(({ name, version }) => [name, version])).toEqual([
        ['b', 2],
        ['a', 3],
        ['a', 2],
        ['b', 1],
        ['a', 1],
      ]);
      expect((await list({ name: 'b' })).map(({ version }) => version)).toEqual([2, 1]);
      const page = await list({ limit: 2 });
      expect((await list({ before: page.at(-1)!.sequence, name: 'a' })).map(({ version }) => version)).toEqual([2, 1]);
    });

    test('are gone through in the order in which they came, over all tenants', async () => {
      const places = [PLACE, { ...PLACE, tenant: 'bob' }, { ...PLACE, endpoint: 'other' }, { ...PLACE, name: 'b' }];
      const added = [];
      for (const place of places) added.push((await store.add(newCapture(place))).capture);
      expect(await other.all(0, 10)).toEqual(added);
      expect(await other.all(added[0]!.sequence, 2)).toEqual(added.slice(1, 3));
      expect(await other.all(added.at(-1)!.sequence, 10)).toEqual([]);
      const all: CaptureRecord[] = [];
      for await (const capture of everyCapture(other)) all.push(capture);
      expect(all).toEqual(added);
    });

    describe('that are deleted', () => {
      const versions = async (): Promise<number[]> =>
        (await other.list({ ...PLACE, limit: 100 })).map(({ version }) => version);
      const add = async (changes: Partial<NewCapture> = {}): Promise<CaptureRecord> =>
        (await store.add(newCapture(changes))).capture;

      test('are gone, one of them or all, and are told of as they were', async () => {
        const [first, second, third] = [await add(), await add(), await add()];
        expect(await store.delete(PLACE, 2)).toEqual([second]);
        expect(await versions()).toEqual([3, 1]);
        expect(await other.get(PLACE, 2)).toBeNull();
        expect(await other.ofRun(PLACE, second.runId)).toBeNull();
        const rest = await other.delete(PLACE, null);
        expect(rest.toSorted((a, b) => a.version - b.version)).toEqual([first, third]);
        expect(await store.get(PLACE, null)).toBeNull();
      });

      test('are nobody’s any more: there is nothing to delete again, and nothing where nothing was', async () => {
        await add();
        expect(await store.delete(PLACE, 2)).toEqual([]);
        expect(await store.delete(PLACE, 1)).toHaveLength(1);
        expect(await other.delete(PLACE, 1)).toEqual([]);
        expect(await other.delete(PLACE, null)).toEqual([]);
        expect(await store.delete({ ...PLACE, name: 'absent' }, null)).toEqual([]);
      });

      test('leave their numbers taken, the newest, an older one, and all of a name', async () => {
        for (const _ of [1, 2, 3]) await add();
        await store.delete(PLACE, 3);
        expect((await other.add(newCapture())).capture.version).toBe(4);
        await store.delete(PLACE, 1);
        expect((await add()).version).toBe(5);
        await store.delete(PLACE, null);
        expect((await other.add(newCapture())).capture.version).toBe(6);
        await store.delete(PLACE, 6);
        await store.delete(PLACE, null);
        expect((await add()).version).toBe(7);
        expect((await add({ name: 'another' })).version).toBe(1);
      });

      test('leave their run to be captured again, as another version with blobs of its own', async () => {
        const { runId } = await add();
        await store.delete(PLACE, 1);
        const again = newCapture({ runId });
        const { result, capture } = await other.add(again);
        expect([result, capture.version, capture.blobName]).toEqual(['added', 2, again.blobName]);
      });

      test('are of one tenant, one endpoint and one name alone', async () => {
        const others = [
          { ...PLACE, tenant: 'bob' },
          { ...PLACE, endpoint: 'other' },
          { ...PLACE, name: 'b' },
        ];
        for (const place of [PLACE, ...others]) await add(place);
        expect(await store.delete(PLACE, null)).toMatchObject([PLACE]);
        for (const place of others) {
          expect(await other.get(place, 1)).toMatchObject(place);
          expect((await add(place)).version).toBe(2);
        }
      });

      test('while others come are told of once, and no number is given twice', async () => {
        const given: number[] = [];
        const deleted: number[] = [];
        const work = Array.from({ length: 30 }, async (_, at) => {
          const one = at % 2 === 0 ? store : other;
          given.push((await one.add(newCapture())).capture.version);
          const gone = await (at % 3 === 0 ? one.delete(PLACE, null) : one.delete(PLACE, at));
          deleted.push(...gone.map(({ version }) => version));
        });
        await Promise.all(work);
        expect(new Set(given).size).toBe(30);
        expect(Math.max(...given)).toBe(30);
        expect(new Set(deleted).size).toBe(deleted.length);
        expect([...deleted, ...(await versions())].toSorted((a, b) => a - b)).toEqual(
          Array.from({ length: 30 }, (_, at) => at + 1),
        );
      });

      test('and captured again by many at once are one, in any order', async () => {
        const { runId } = await add();
        const work = Array.from({ length: 20 }, async (_, at) => {
          const one = at % 2 === 0 ? store : other;
          if (at % 4 === 0) await one.delete(PLACE, null);
          const { capture } = await one.add(newCapture({ runId }));
          expect(capture.runId).toBe(runId);
        });
        await Promise.all(work);
        expect(await versions()).toHaveLength(1);
      });
    });
  });
}
