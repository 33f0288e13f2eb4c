// What servers on one database tell each other, so that they need not ask all the time.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { seconds } from '../../../src/domain/time.ts';
import type { ClaimedRun, Hint, Ledger } from '../../../src/stores/ledger/ledger.ts';
import { openPostgresLedger } from '../../../src/stores/ledger/postgres/driver.ts';
import { ask, type Network, networkTo, type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { until } from '../../support/until.ts';
import { batch, call, chunk, deployment, inline } from './runs.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

let url: string;
let network: Network;
let cautions: string[];
/** A server, what it hears, and how to find something there. */
interface Listener {
  readonly ledger: Ledger;
  readonly heard: Hint[];
  readonly hears: (hint: Hint) => Promise<unknown>;
}
const opened: Ledger[] = [];

async function open(at: string): Promise<Listener> {
  const ledger = await openPostgresLedger(at, { onCaution: (caution) => cautions.push(caution) });
  opened.push(ledger);
  const heard: Hint[] = [];
  ledger.onHint((hint) => heard.push(hint));
  const hears = (hint: Hint) =>
    until(`the hint ${JSON.stringify(hint)} was heard`, () =>
      heard.some((one) => JSON.stringify(one) === JSON.stringify(hint)),
    );
  return { ledger, heard, hears };
}
beforeEach(async () => {
  url = await server.newDatabase();
  network = await networkTo(url);
  cautions = [];
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((ledger) => ledger.close()));
  await network.close();
  await server.dropDatabase(url);
});

const claim = (ledger: Ledger, lane: 'replica' | 'engine' = 'replica', lease = seconds(30)): Promise<ClaimedRun[]> =>
  ledger.claim({
    endpoint: 'echo',
    version: 1,
    lane,
    slots: [{ replica: 'r1', coldStart: null }],
    alone: true,
    owner: 'me',
    lease,
  });
const QUEUED: Hint = { kind: 'queued', endpoint: 'echo' };

describe('a server', () => {
  test('hears what the others queue and end, and nothing of its own', async () => {
    const [a, b] = [await open(url), await open(url)];
    await a.ledger.deploy(deployment());
    const [first, second, third] = [call(), call(), call({ queueTtl: seconds(0) })];
    await a.ledger.enqueue([first, second]);
    await b.hears(QUEUED);
    const [held] = await claim(a.ledger);
    await a.ledger.finish([{ claim: held!.claim, result: { kind: 'succeeded', output: inline('1') }, progress: null }]);
    await b.hears({ kind: 'ended', runId: first.runId, parentId: null });
    await a.ledger.cancel(second.runId);
    await b.hears({ kind: 'ended', runId: second.runId, parentId: null });
    await a.ledger.enqueue([third]);
    await a.ledger.expire();
    await b.hears({ kind: 'ended', runId: third.runId, parentId: null });
    const [purged] = [call()];
    await a.ledger.enqueue([purged]);
    await a.ledger.purge({ endpoint: 'echo' });
    await b.hears({ kind: 'ended', runId: purged.runId, parentId: null });
    expect(a.heard).toEqual([]);
    // What comes from there is heard here after all that was said before, so there is nothing on
    // its way.
    await b.ledger.enqueue([call()]);
    await a.hears(QUEUED);
    expect(a.heard).toEqual([QUEUED]);
    expect(cautions).toEqual([]);
  });

  test('hears of chunks with their batch, and of runs that are queued again', async () => {
    const [a, b] = [await open(url), await open(url)];
    await a.ledger.deploy(deployment());
    const run = batch();
    await a.ledger.enqueue([run]);
    const [held] = await claim(a.ledger, 'engine');
    const [first, second] = [chunk(held!.claim, 0, 1), chunk(held!.claim, 1, 3)];
    await a.ledger.enqueue([first, second]);
    const [part] = await claim(a.ledger);
    await a.ledger.finish([{ claim: part!.claim, result: { kind: 'succeeded', output: inline('1') }, progress: null }]);
    await b.hears({ kind: 'ended', runId: first.runId, parentId: run.runId });
    b.heard.length = 0;
    await claim(a.ledger, 'replica', seconds(0));
    await a.ledger.reclaim('me');
    await b.hears(QUEUED);
    await a.ledger.cancel(run.runId);
    await b.hears({ kind: 'ended', runId: second.runId, parentId: run.runId });
    await b.hears({ kind: 'ended', runId: run.runId, parentId: null });
  });

  test('hears of many more runs than fit into one message', async () => {
    const [a, b] = [await open(url), await open(url)];
    await a.ledger.deploy(deployment({ queueLimit: 1_000 }));
    await a.ledger.enqueue(Array.from({ length: 700 }, () => call()));
    const { cancelled } = await a.ledger.purge({ endpoint: 'echo' });
    expect(cancelled).toHaveLength(700);
    await until('all were heard', () => b.heard.filter(({ kind }) => kind === 'ended').length >= 700);
  });

  test('that lost its connection hears again once it is back, and its callers never notice', async () => {
    const [a, b] = [await open(url), await open(network.url)];
    await a.ledger.deploy(deployment());
    network.cut();
    network.mend();
    expect(await b.ledger.depths()).toHaveLength(1);
    await until('a hint came through', async () => {
      await a.ledger.enqueue([call()]);
      return b.heard.length > 0;
    });
  });

  test('on whose database somebody else uses the channel does not mind', async () => {
    const [a, b] = [await open(url), await open(url)];
    await a.ledger.deploy(deployment());
    await ask(url, `SELECT pg_notify('claimcheck_hints', m) FROM unnest('{"","no JSON","null","{}","[1]"}'::text[]) m`);
    await a.ledger.enqueue([call()]);
    await b.hears(QUEUED);
    expect(b.heard).toEqual([QUEUED]);
  });
});

test('where hints do not get through, a sentence says so, and everything works as before', async () => {
  network.mute();
  const { ledger } = await open(network.url);
  await until('a sentence said so', () => cautions.length > 0);
  expect(cautions).toEqual([expect.stringMatching(/does not get through Postgres at 127\.0\.0\.1:\d+\/cc_test_/)]);
  expect(cautions[0]).not.toContain('postgres:postgres');
  await ledger.deploy(deployment());
  await ledger.enqueue([call()]);
  expect(await claim(ledger)).toHaveLength(1);
});
