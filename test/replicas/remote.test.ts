import { describe, expect, test } from 'vitest';
import { seconds } from '../../src/domain/time.ts';
import { ManualClock } from '../stores/ledger/manual-clock.ts';
import { serviceForTest } from '../support/service.ts';
import { until } from '../support/until.ts';
import { ask, type Fleet, fleetForTest, type FleetOptions, told } from './fleet.ts';
import { type RemoteServer, remoteServerForTest } from './remote-server.ts';

async function remoteForTest(options: FleetOptions = {}): Promise<{ remote: RemoteServer; fleet: Fleet }> {
  const remote = await remoteServerForTest();
  const fleet = await fleetForTest({ model: { url: remote.url }, replicas: { concurrency: 4 } }, options);
  return { remote, fleet };
}

/** Fails three invocations, one after the other. */
async function failThrice({ slot }: Fleet): Promise<void> {
  for (let count = 0; count < 3; count += 1) await ask(await slot(), { x: count });
}

test('a server that somebody else runs is a model, once it has answered a ping', async () => {
  const { remote, fleet } = await remoteForTest();
  expect(fleet.supervisor.health()).toMatchObject({ state: 'idle' });
  expect(await told(await fleet.slot(), { x: 1 })).toEqual({ x: 1 });
  expect(fleet.supervisor.health()).toMatchObject({ state: 'ready', failures: 0, trouble: null });
  expect(remote.seen).toEqual(['/invocations']);
});

test('it takes as many runs at once as its concurrency', async () => {
  const { fleet } = await remoteForTest();
  (await fleet.slot()).release();
  expect(fleet.supervisor.reserve(10)).toHaveLength(4);
});

test('a run is cancelled by closing its connection, and the server goes on taking others', async () => {
  const { remote, fleet } = await remoteForTest();
  remote.manner = 'hang';
  const cancel = new AbortController();
  const reply = ask(await fleet.slot(), { x: 1 }, cancel.signal);
  await until('it is there', () => remote.seen.length === 1);
  cancel.abort();
  expect(await reply).toEqual({ kind: 'stopped' });
  await until('the server has noticed', () => remote.hungUpOn === 1);
  remote.manner = 'echo';
  expect(await told(await fleet.slot(), { x: 2 })).toEqual({ x: 2 });
});

test('an output that ends with the connection, and then its server is gone, may be cut short and is none', async () => {
  const { remote, fleet } = await remoteForTest();
  remote.manner = 'no end';
  const reply = ask(await fleet.slot(), { x: 1 });
  await until('its answer has begun', () => remote.seen.length === 2);
  await remote.disappear();
  expect(await reply).toMatchObject({
    kind: 'crashed',
    detail: expect.stringContaining('it was gone when its answer had ended. Its answer says neither') as string,
  });
});

test('redirects are not followed', async () => {
  const { remote, fleet } = await remoteForTest();
  remote.manner = 'redirect';
  expect(await ask(await fleet.slot(), {})).toEqual({
    kind: 'model-error',
    detail:
      'The model answered with status 307, a redirect to /elsewhere, which is not followed: POST /invocations must answer itself.',
  });
  expect(remote.seen).toEqual(['/invocations']);
});

describe('a server that fails', () => {
  test('three times in a row without saying why is trouble, and is well again when it answers a ping', async () => {
    const clock = new ManualClock();
    const { remote, fleet } = await remoteForTest({ clock });
    const { supervisor } = fleet;
    remote.manner = 'status 500';
    await failThrice(fleet);
    await until('it is trouble', () => supervisor.trouble());
    expect(supervisor.health()).toMatchObject({ state: 'failing', failures: 2, retryAt: clock.now() + seconds(2) });
    expect(supervisor.trouble()).toBe(
      `${remote.url} failed 3 times in a row, at last because it answered with status 500.`,
    );
    expect(supervisor.reserve(1)).toHaveLength(0);
    remote.manner = 'echo';
    clock.advance(seconds(2));
    // Nothing waits: it is asked all the same.
    supervisor.demand(0);
    await until('it is well again', () => supervisor.health().state === 'ready');
    expect(await told(supervisor.reserve(1)[0]!, { x: 1 })).toEqual({ x: 1 });
    expect(supervisor.health()).toMatchObject({ failures: 0, trouble: null, retryAt: null });
  });

  test('and is well in between is no trouble', async () => {
    const { remote, fleet } = await remoteForTest();
    const connectedTo = new Set<string>();
    for (const manner of ['status 500', 'status 500', 'echo', 'status 500', 'status 500', 'echo'] as const) {
      remote.manner = manner;
      const slot = await fleet.slot();
      connectedTo.add(slot.replica);
      await ask(slot, {});
    }
    expect(connectedTo.size).toBe(1);
    expect(fleet.supervisor.health()).toMatchObject({ state: 'ready', trouble: null });
  });

  test('because its model says so is well, however often', async () => {
    const { remote, fleet } = await remoteForTest();
    remote.manner = 'declared failure';
    const connectedTo = new Set<string>();
    for (let count = 0; count < 5; count += 1) {
      const slot = await fleet.slot();
      connectedTo.add(slot.replica);
      expect(await ask(slot, {})).toEqual({ kind: 'model-error', detail: 'not this one' });
    }
    // Never given up and connected to anew.
    expect(connectedTo.size).toBe(1);
    expect(fleet.supervisor.health()).toMatchObject({ state: 'ready', trouble: null });
  });

  test('by breaking connections is trouble after three, though it answers pings', async () => {
    const { remote, fleet } = await remoteForTest();
    remote.manner = 'hang-up';
    for (let count = 0; count < 3; count += 1)
      expect(await ask(await fleet.slot(), {})).toMatchObject({
        kind: 'crashed',
        detail: expect.stringMatching(
          `^The connection to ${remote.url} broke in the middle of the run: .+\\.$`,
        ) as string,
      });
    await until('it is trouble', () => fleet.supervisor.trouble());
  });
});

describe('a server that disappears', () => {
  test('costs a run one attempt, is asked until it is back, and the run succeeds there', async () => {
    const remote = await remoteServerForTest();
    const server = await serviceForTest({
      endpoints: { jobs: { model: { url: remote.url }, mode: 'async', replicas: { concurrency: 4 } } },
    });
    await server.ended(await server.submit('jobs', { x: 0 }));
    remote.manner = 'hang';
    const runId = await server.submit('jobs', { x: 1 });
    await until('it is there', () => remote.seen.length === 2);
    await remote.disappear();
    const failing = await until('the endpoint is in trouble', async () => {
      const endpoint = await server.endpoint('jobs');
      return endpoint.state === 'failing' ? endpoint : null;
    });
    expect(failing.trouble).toContain(remote.url);
    remote.manner = 'echo';
    await remote.comeBack();
    expect(await server.ended(runId)).toMatchObject({ status: 'succeeded', outputs: { x: 1 } });
    expect((await server.run(runId)).attempts).toHaveLength(2);
    expect(await server.endpoint('jobs')).toMatchObject({ state: 'ready', trouble: null });
  });

  test('before it was ever ready is said to answer nothing', async () => {
    const remote = await remoteServerForTest();
    await remote.disappear();
    const { supervisor } = await fleetForTest({ model: { url: remote.url }, replicas: { startTimeout: '100ms' } });
    await until('it is trouble', () => {
      supervisor.demand(1);
      return supervisor.trouble();
    });
    expect(supervisor.trouble()).toBe(
      `${remote.url}: it was not ready within 0.1 s (GET /ping had no answer: connect ECONNREFUSED ${remote.url.slice('http://'.length)}).`,
    );
  });

  test('into a redirect is not followed there', async () => {
    const remote = await remoteServerForTest();
    remote.pingStatus = 302;
    const { supervisor } = await fleetForTest({ model: { url: remote.url }, replicas: { startTimeout: '100ms' } });
    await until('it is trouble', () => {
      supervisor.demand(1);
      return supervisor.trouble();
    });
    expect(supervisor.trouble()).toContain('GET /ping was answered with 302');
    expect(remote.seen).toEqual([]);
  });
});
