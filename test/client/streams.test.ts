// Following a run with the SDK: over connections that break and servers that end.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeAll, afterAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type Claimcheck, connect, type Run, type RunEvent, RunNotFoundError } from '../../src/index.ts';
import { folderForTest } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { cuttable } from './cuttable.ts';
import { type RunningServer, startServer } from './server.ts';

let server: RunningServer;
let client: Claimcheck;
let gates: Gates;
beforeAll(async () => {
  server = await startServer();
  client = connect({ url: server.url });
});
afterAll(() => server.stop());
beforeEach(async () => {
  gates = new Gates(await folderForTest());
});

const nameOf = (event: RunEvent): string => {
  switch (event.type) {
    case 'status':
      return `status ${event.data.status}`;
    case 'attempt':
      return `attempt ${event.data.attempt} ${event.data.outcome ?? 'begun'}`;
    case 'log':
      return `log ${event.data.message}`;
    case 'progress':
    case 'end':
      return event.type;
  }
};

const withoutProgress = (events: readonly RunEvent[]): RunEvent[] => events.filter(({ type }) => type !== 'progress');

/**
 * The names of a run's events but for progress, of which only the newest is told; `react` is called
 * with each as it comes.
 */
async function eventsOf(run: Run, react: (name: string) => unknown = () => {}): Promise<string[]> {
  const names: string[] = [];
  for await (const event of run.events()) {
    if (event.type !== 'progress') names.push(nameOf(event));
    await react(nameOf(event));
  }
  return names;
}

const WHOLE = [
  'status queued',
  'attempt 1 begun',
  'status running',
  'log a',
  'log b',
  'attempt 1 succeeded',
  'status succeeded',
  'end',
];

describe('the events of a run', () => {
  test('come while it lives, and once more after its end', async () => {
    const run = await client.endpoint('anything').submit({ say: ['a', 'b'], gate: gates.path('open') });
    expect(await eventsOf(run, (name) => name === 'log b' && gates.open('open'))).toEqual(WHOLE);
    expect(await eventsOf(run)).toEqual(WHOLE);
  });

  test('are each told once where the connection breaks', async () => {
    const { client: near, cut } = await cuttable(server.url);
    const { id } = await client.endpoint('anything').submit({ say: ['a', 'b'], gate: gates.path('open') });
    let cuts = 0;
    const names = await eventsOf(near.run(id), (name) => {
      if (name === 'status running' || name === 'log b') cuts += 1;
      if (name === 'status running') cut();
      if (name === 'log b') {
        cut();
        gates.open('open');
      }
    });
    expect(cuts).toBe(2);
    expect(names).toEqual(WHOLE);
  });

  test('go on where the server is killed and started again, and say how the attempt ended', async () => {
    const run = await client.endpoint('anything').submit({ say: ['a', 'b'], gate: gates.path('open') });
    let killed = false;
    const names = await eventsOf(run, async (name) => {
      if (name !== 'log b' || killed) return;
      killed = true;
      await server.kill();
      gates.open('open');
      await server.restart();
    });
    expect(names).toEqual([
      ...WHOLE.slice(0, 5),
      'attempt 1 lost',
      'status queued',
      'attempt 2 begun',
      'status running',
      'log a',
      'log b',
      'attempt 2 succeeded',
      'status succeeded',
      'end',
    ]);
  });

  test('can be taken up after any of them, and after the end there are none', async () => {
    const run = await client.endpoint('anything').submit({ say: ['a', 'b'] });
    await run.wait();
    const all: RunEvent[] = [];
    for await (const event of run.events()) all.push(event);
    for (const [place, { id }] of all.entries()) {
      const rest: RunEvent[] = [];
      for await (const event of run.events({ after: id })) rest.push(event);
      expect(withoutProgress(rest)).toEqual(withoutProgress(all.slice(place + 1)));
    }
  });

  test('stop coming when that is asked for, and the run goes on', async () => {
    const run = await client.endpoint('anything').submit({ gate: gates.path('open') });
    const stop = new AbortController();
    const reading = (async () => {
      for await (const event of run.events({ signal: stop.signal }))
        if (nameOf(event) === 'status running') stop.abort(new Error('enough'));
    })();
    await expect(reading).rejects.toThrow('enough');
    gates.open('open');
    expect(await run.wait()).toMatchObject({ status: 'succeeded' });
  });

  test('of an unknown run are a RunNotFoundError', async () => {
    await expect(eventsOf(client.run('0199f4a2-6f2e-7cc1-9d2b-0a1b2c3d4e5f'))).rejects.toBeInstanceOf(RunNotFoundError);
  });
});

test('logs that are followed have each line once where the connection breaks', async () => {
  const { client: near, cut } = await cuttable(server.url);
  const { id } = await client.endpoint('anything').submit({ say: ['a', 'b'], gate: gates.path('open') });
  const messages: string[] = [];
  for await (const { message } of near.run(id).followLogs()) {
    messages.push(message);
    cut();
    if (message === 'b') gates.open('open');
  }
  expect(messages).toEqual(['a', 'b']);
});

/**
 * A server that says these events, and that there are no more after them; and how often it was
 * asked.
 */
async function saying(events: readonly string[]): Promise<{ run: Run; asked: () => number }> {
  let asked = 0;
  const talker = createServer((_request, response) => {
    asked += 1;
    if (asked > 1) return void response.writeHead(204).end();
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`retry: 1\n\n${events.join('')}`);
  });
  await new Promise<void>((resolve) => void talker.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => talker.close().closeAllConnections());
  const url = `http://127.0.0.1:${(talker.address() as AddressInfo).port}`;
  return { run: connect({ url }).run('r1'), asked: () => asked };
}

const eventText = (name: string, id: number): string => `event: ${name}\nid: ${id}\ndata: {}\n\n`;

async function namesOf(run: Run): Promise<string[]> {
  const names: string[] = [];
  for await (const { type } of run.events()) names.push(type);
  return names;
}

describe('a stream of events', () => {
  test('goes on after events of kinds that only a newer server knows', async () => {
    const { run } = await saying([eventText('mood', 1), eventText('progress', 2), eventText('end', 3)]);
    expect(await namesOf(run)).toEqual(['progress', 'end']);
  });

  test('is asked for once where it comes to its end', async () => {
    const { run, asked } = await saying([eventText('end', 1)]);
    expect(await namesOf(run)).toEqual(['end']);
    expect(asked()).toBe(1);
  });
});
