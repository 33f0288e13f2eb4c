// Who sees what: every verb that is asked on a viewer's behalf leaves out what it does not see, as
// if it were not there.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Viewer } from '../../../src/domain/access.ts';
import type { RunId } from '../../../src/domain/ids.ts';
import { milliseconds, seconds } from '../../../src/domain/time.ts';
import type { Ledger, NewRun, RunFilter } from '../../../src/stores/ledger/ledger.ts';
import { ManualClock } from './manual-clock.ts';
import { batch, call, chunk, deployment } from './runs.ts';

const ADA: Viewer = { tenant: 'ada', endpoints: null };
const BOB: Viewer = { tenant: 'bob', endpoints: null };
const ADA_AT_ECHO: Viewer = { tenant: 'ada', endpoints: ['echo'] };
const ADA_NOWHERE: Viewer = { tenant: 'ada', endpoints: [] };

/** As `describeLedger` of conformance.ts, which calls it. */
export function describeViewers(name: string, open: (clock: ManualClock) => Promise<Ledger>): void {
  describe(`${name} ledger, asked on somebody's behalf`, () => {
    let ledger: Ledger;
    let clock: ManualClock;
    beforeEach(async () => {
      clock = new ManualClock();
      ledger = await open(clock);
      await ledger.deploy(deployment());
      await ledger.deploy(deployment({ name: 'other' }));
    });
    afterEach(async () => {
      expect(await ledger.audit()).toEqual([]);
      await ledger.close();
    });

    const stored = async (...runs: NewRun[]): Promise<RunId[]> => {
      for (const { result } of await ledger.enqueue(runs)) expect(result).toBe('enqueued');
      return runs.map(({ runId }) => runId);
    };
    /** Ada's at either endpoint, and Bob's. */
    const three = () =>
      stored(
        call({ tenant: 'ada' }),
        call({ tenant: 'ada', endpoint: 'other' }),
        call({ tenant: 'bob', endpoint: 'other' }),
      );
    const listed = async (viewer: Viewer, filter: Partial<RunFilter> = {}): Promise<RunId[]> =>
      (await ledger.runs({ viewer, limit: 10, ...filter })).map(({ runId }) => runId);

    test('a run is there for its tenant alone, and for a key that is bound where it is', async () => {
      const [atEcho, atOther, bobs] = (await three()) as [RunId, RunId, RunId];
      const seen = async (viewer: Viewer): Promise<(RunId | undefined)[]> => {
        const runs = await Promise.all([atEcho, atOther, bobs].map((runId) => ledger.run(runId, viewer)));
        const details = await Promise.all([atEcho, atOther, bobs].map((runId) => ledger.details(runId, viewer)));
        expect(details.map((one) => one?.run ?? null)).toEqual(runs);
        return runs.flatMap((run) => (run === null ? [] : [run.runId]));
      };
      expect(await seen(ADA)).toEqual([atEcho, atOther]);
      expect(await seen(ADA_AT_ECHO)).toEqual([atEcho]);
      expect(await seen(ADA_NOWHERE)).toEqual([]);
      expect(await seen(BOB)).toEqual([bobs]);
    });

    test('who asks for the same run at once is answered each by himself', async () => {
      const [atEcho] = (await three()) as [RunId];
      const asked = [ADA, BOB, ADA_AT_ECHO, undefined, BOB, ADA_NOWHERE];
      const runs = await Promise.all(asked.map((viewer) => ledger.run(atEcho, viewer)));
      expect(runs.map((run) => run !== null)).toEqual([true, false, true, true, false, false]);
      const details = await Promise.all(asked.map((viewer) => ledger.details(atEcho, viewer)));
      expect(details.map((one) => one !== null)).toEqual([true, false, true, true, false, false]);
    });

    test('a list has what its reader sees, under every filter', async () => {
      const [atEcho, atOther, bobs] = (await three()) as [RunId, RunId, RunId];
      expect(await listed(ADA)).toEqual([atOther, atEcho]);
      expect(await listed(ADA, { status: 'queued' })).toEqual([atOther, atEcho]);
      expect(await listed(ADA, { endpoint: 'other' })).toEqual([atOther]);
      expect(await listed(ADA_AT_ECHO)).toEqual([atEcho]);
      expect(await listed(ADA_AT_ECHO, { endpoint: 'other' })).toEqual([]);
      expect(await listed(ADA_NOWHERE)).toEqual([]);
      expect(await listed(BOB)).toEqual([bobs]);
    });

    test('pages have as many runs as were asked for, over those that their reader does not see', async () => {
      const mine: RunId[] = [];
      for (let at = 0; at < 6; at += 1) {
        await stored(call({ tenant: 'bob' }), call({ tenant: 'bob' }));
        mine.push(...(await stored(call({ tenant: 'ada' }))));
      }
      const first = await ledger.runs({ viewer: ADA, limit: 4 });
      expect(first.map(({ runId }) => runId)).toEqual(mine.toReversed().slice(0, 4));
      expect(await listed(ADA, { limit: 4, before: first.at(-1)!.sequence })).toEqual(mine.toReversed().slice(4));
    });

    test('chunks are listed for viewers that see their batch', async () => {
      const [batchId] = (await stored(batch({ tenant: 'ada' }))) as [RunId];
      const [claimed] = await ledger.claim({
        endpoint: 'echo',
        version: 1,
        lane: 'engine',
        slots: [{ replica: null, coldStart: null }],
        alone: true,
        owner: 'me',
        lease: seconds(30),
      });
      const [part] = await stored({ ...chunk(claimed!.claim, 0, 3), tenant: 'ada' });
      expect(await listed(ADA, { parentId: batchId })).toEqual([part]);
      expect(await listed(ADA_AT_ECHO, { parentId: batchId })).toEqual([part]);
      expect(await listed(BOB, { parentId: batchId })).toEqual([]);
      expect(await listed({ tenant: 'ada', endpoints: ['other'] }, { parentId: batchId })).toEqual([]);
    });

    test('a purge cancels and counts what its caller sees, and leaves the rest queued', async () => {
      const [, atOther, bobs] = (await three()) as [RunId, RunId, RunId];
      const queue = { endpoint: 'other', viewer: ADA };
      expect(await ledger.countQueued({ ...queue, viewer: ADA_AT_ECHO })).toBe(0);
      expect((await ledger.purge({ ...queue, viewer: ADA_AT_ECHO })).cancelled).toEqual([]);
      expect(await ledger.countQueued(queue)).toBe(1);
      expect(await ledger.countQueued({ endpoint: 'other' })).toBe(2);
      clock.advance(milliseconds(1));
      expect((await ledger.purge(queue)).cancelled).toEqual([atOther]);
      expect((await ledger.run(bobs))!.status).toBe('queued');
      expect((await ledger.depths()).find(({ endpoint }) => endpoint === 'other')!.queued).toBe(1);
    });
  });
}
