// Runs that have lost their worker, on replicas that take several runs at once.

import { existsSync, readFileSync, rmSync } from 'node:fs';
import { describe, test } from 'vitest';
import { LOST_WORKERS_MAX } from '../../src/domain/run.ts';
import { Gates } from '../support/gate.ts';
import { folderForTest, type WhenDone } from '../support/folder.ts';
import { serviceForTest, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

interface Crowd {
  readonly server: TestService;
  readonly gates: Gates;
  /** Submits a run that is known by its name; `gate` keeps it in the model until it is opened. */
  submit(name: string, wish?: { gate?: string; poison?: boolean }, options?: object): Promise<string>;
  /**
   * Submits a poisonous run, and answers its id once it waits for its second attempt. No replica is
   * ready again before what is done meanwhile is done.
   */
  crash(meanwhile: () => Promise<unknown>): Promise<string>;
  /** Everybody who was in one process at the same time, as often as that changed. */
  sightings(): readonly (readonly string[])[];
  isInside(who: string): Promise<unknown>;
}

/** A server whose model writes down who is in it. */
async function crowdForTest(whenDone: WhenDone, replicas: { min?: number; max?: number }): Promise<Crowd> {
  const gates = new Gates(await folderForTest(whenDone));
  const log = gates.path('log');
  const server = await serviceForTest(
    {
      endpoints: {
        crowd: {
          model: './crowd.ts',
          mode: 'async',
          replicas: { ...replicas, concurrency: 4 },
          env: { HELD: gates.path('held') },
        },
      },
    },
    whenDone,
  );
  // What follows the last line break is a line that is being written.
  const lines = (): string[] => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(0, -1) : []);
  const sightings = (): string[][] => lines().map((line) => (JSON.parse(line) as { inside: string[] }).inside);
  const submit: Crowd['submit'] = (name, { gate, poison } = {}, options = {}) =>
    server.submit('crowd', { log, name, poison, ...(gate === undefined ? {} : { gate: gates.path(gate) }) }, options);
  const isInside: Crowd['isInside'] = (who) =>
    until(`${who} is in the model`, () => sightings().some((inside) => inside.includes(who)));
  return {
    server,
    gates,
    submit,
    async crash(meanwhile) {
      const poison = await submit('poison', { poison: true, gate: 'poison {attempt}' });
      await isInside('poison 1');
      gates.open('held');
      gates.open('poison 1');
      await server.inStatus(poison, 'queued');
      await meanwhile();
      rmSync(gates.path('held'));
      return poison;
    },
    sightings,
    isInside,
  };
}

/**
 * Submits a poisonous run and three others, and lets it take its process with it once all four are
 * in there.
 */
async function poisonFour({ submit, gates, sightings }: Crowd): Promise<{ poison: string; innocent: string[] }> {
  const innocent = await Promise.all(['a', 'b', 'c'].map((name) => submit(name, { gate: 'innocent' })));
  // The last one, so that in its later attempts no other run waits for a replica of its own.
  const poison = await submit('poison', { poison: true, gate: 'poison {attempt}' });
  await until('all four are in one process', () => sightings().some((inside) => inside.length === 4));
  gates.open('poison 1');
  return { poison, innocent };
}

describe.concurrent('an input that kills its process', () => {
  test('fails alone: what was in flight with it succeeds, and nothing is beside its later attempts', async ({
    expect,
    onTestFinished: whenDone,
  }) => {
    const crowd = await crowdForTest(whenDone, { max: 1 });
    const { server, gates, submit, sightings, isInside } = crowd;
    const { poison, innocent } = await poisonFour(crowd);
    gates.open('innocent');
    for (let attempt = 2; attempt <= LOST_WORKERS_MAX; attempt += 1) {
      await isInside(`poison ${attempt}`);
      // More wait than the replica has places for, and the engine has seen them. Only the last stay
      // in there: a replica that is back before the retry is due takes others first.
      const gate = attempt === LOST_WORKERS_MAX ? 'late' : 'innocent';
      await Promise.all(Array.from({ length: 5 }, (_, number) => submit(`late ${attempt}.${number}`, { gate })));
      await until('they wait', async () => (await server.endpoint('crowd')).backlog >= 5);
      gates.open(`poison ${attempt}`);
    }
    const failed = await server.ended(poison);
    expect(failed).toMatchObject({ status: 'failed', error: { type: 'replica-crashed' } });
    expect(failed.attempts).toHaveLength(LOST_WORKERS_MAX);
    for (const runId of innocent) expect(await server.ended(runId)).toMatchObject({ status: 'succeeded' });
    // The others, who lost nothing, are in there together again.
    await until('four are in one process', () => sightings().at(-1)?.length === 4);
    gates.open('late');
    const beside = (who: string): string[] =>
      sightings().flatMap((inside) => (inside.includes(who) ? inside.filter((other) => other !== who) : []));
    expect(beside('poison 1')).toEqual(expect.arrayContaining(['a 1', 'b 1', 'c 1']));
    for (let attempt = 2; attempt <= LOST_WORKERS_MAX; attempt += 1) expect(beside(`poison ${attempt}`)).toEqual([]);
    for (const name of ['a', 'b', 'c']) expect(beside(`${name} 2`)).toEqual([]);
  });

  test('keeps one replica and not the fleet', async ({ expect, onTestFinished: whenDone }) => {
    const crowd = await crowdForTest(whenDone, { max: 2 });
    const { server, gates, submit, isInside } = crowd;
    const { poison, innocent } = await poisonFour(crowd);
    gates.open('innocent');
    await isInside('poison 2');
    const others = await Promise.all(Array.from({ length: 8 }, (_, number) => submit(`other ${number}`)));
    for (const runId of [...innocent, ...others])
      expect(await server.ended(runId)).toMatchObject({ status: 'succeeded' });
    const { status, attempts } = await server.run(poison);
    expect([status, attempts.length]).toEqual(['running', 2]);
  });
});

describe.concurrent('a run that must run alone', () => {
  test('gets its turn on the only replica, however many others come', async ({ expect, onTestFinished: whenDone }) => {
    const crowd = await crowdForTest(whenDone, { max: 1 });
    const { server, gates, submit, sightings, isInside } = crowd;
    const { poison, innocent } = await poisonFour(crowd);
    const stop = new AbortController();
    const load = [0, 1, 2, 3, 4, 5].map(async (line) => {
      for (let turn = 0; !stop.signal.aborted; turn += 1) await server.ended(await submit(`load ${line}.${turn}`));
    });
    gates.open('innocent');
    // Held for a moment, so that the others queue up behind it.
    await isInside('poison 2');
    gates.open('poison 3');
    gates.open('poison 2');
    for (const runId of innocent) expect(await server.ended(runId)).toMatchObject({ status: 'succeeded' });
    expect(await server.ended(poison)).toMatchObject({ status: 'failed' });
    stop.abort();
    await Promise.all(load);
    for (const who of ['poison 2', 'poison 3', 'a 2', 'b 2', 'c 2'])
      expect(sightings().filter((inside) => inside.includes(who) && inside.length > 1)).toEqual([]);
  });

  test('has a replica started for it where another one may be', async ({ expect, onTestFinished: whenDone }) => {
    const { server, submit, crash, isInside, sightings } = await crowdForTest(whenDone, { max: 2 });
    // It stays in one replica, which has places left.
    const poison = await crash(() => submit('long', { gate: 'never opened' }, { priority: 5 }));
    await isInside('long 1');
    await isInside('poison 2');
    expect(await server.run(poison)).toMatchObject({ status: 'running' });
    expect(sightings().at(-1)).toEqual(['poison 2']);
  });

  test('keeps nobody out once it waits no longer', async ({ expect, onTestFinished: whenDone }) => {
    const { server, submit, crash, isInside, sightings } = await crowdForTest(whenDone, { max: 1 });
    const poison = await crash(() => submit('long', { gate: 'never opened' }, { priority: 5 }));
    await isInside('long 1');
    await server.send('DELETE', `/runs/${poison}`);
    await submit('other', { gate: 'never opened' });
    await isInside('other 1');
    expect(sightings().at(-1)).toEqual(['long 1', 'other 1']);
  });

  test('keeps no server from stopping that empties a replica for it', async ({ expect, onTestFinished: whenDone }) => {
    const { server, submit, crash, isInside } = await crowdForTest(whenDone, { max: 1 });
    // More urgent, and never done: the only replica does not become empty.
    const poison = await crash(() => submit('long', { gate: 'never opened' }, { priority: 5 }));
    await isInside('long 1');
    await until('nobody else is let in', async () => {
      await submit('other');
      return (await server.endpoint('crowd')).backlog >= 5;
    });
    expect(await server.run(poison)).toMatchObject({ status: 'queued' });
    await server.stop();
  });
});
