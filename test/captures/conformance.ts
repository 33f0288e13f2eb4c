// What every store of captures must do, whatever it keeps them in.

import { beforeEach, describe, expect, test } from 'vitest';
import type { CaptureStore, NewCapture } from '../../src/captures/captures.ts';
import { newRunId } from '../../src/clock.ts';
import { instant } from '../../src/domain/time.ts';

const FACTS = { contentType: 'text/csv', bytes: 12, sha256: 'a'.repeat(64) };
export const PLACE = { tenant: 'acme', endpoint: 'rings', name: 'holdout-2026' };

/** A capture of a run of its own, with whatever the test cares about changed. */
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

    test('of a run are one version of a name, however often and by whomever it is asked for', async () => {
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
  });
}
