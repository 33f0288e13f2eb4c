import { join } from 'node:path';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Clock, systemClock } from '../../src/system/clock.ts';
import { deliveryIdOf } from '../../src/domain/delivery.ts';
import type { RunId } from '../../src/domain/ids.ts';
import { after, between, days, hours, milliseconds, minutes, seconds } from '../../src/domain/time.ts';
import { Egress } from '../../src/egress/egress.ts';
import { runLineText } from '../../src/http/answer/run-view.ts';
import type { DeliveryRecord, Ledger, NewRun } from '../../src/stores/ledger/ledger.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite/driver.ts';
import { openLog } from '../../src/system/log.ts';
import { openSqliteVault } from '../../src/stores/vault/sqlite.ts';
import type { Vault } from '../../src/stores/vault/vault.ts';
import { Deliverer, type DelivererDeps } from '../../src/webhooks/deliverer.ts';
import { PLACES_MAX, PLACES_MIN } from '../../src/webhooks/hosts.ts';
import { ManualClock } from '../stores/ledger/manual-clock.ts';
import { answered, call, deployment } from '../stores/ledger/runs.ts';
import {
  answering,
  type BadHook,
  badHookForTest,
  type Behaviour,
  dying,
  endless,
  hanging,
  trickling,
} from '../support/bad-hook.ts';
import { faulty } from '../support/faulty.ts';
import { folderForTest } from '../support/folder.ts';
import { until } from '../support/until.ts';

const AT_ONCE = AbortSignal.abort();

let clock: ManualClock;
let ledger: Ledger;
let vault: Vault;

async function open(ticking: Clock): Promise<void> {
  ledger = await openSqliteLedger(':memory:', ticking);
  vault = await openSqliteVault(join(await folderForTest(), 'vault.sqlite'));
  onTestFinished(() => ledger.close());
  await ledger.deploy(deployment());
}

beforeEach(() => {
  clock = new ManualClock();
});

/** A deliverer that is at work until the test is over. */
function delivererForTest(changes: Partial<DelivererDeps> = {}): Deliverer {
  const deliverer = new Deliverer({
    ledger,
    vault,
    egress: new Egress({ settings: { httpsOnly: false, allow: ['127.0.0.1'] }, ownPort: () => null }),
    describe: (run) => runLineText(run, ''),
    clock,
    log: openLog('silent'),
    ...changes,
  });
  deliverer.start();
  onTestFinished(() => deliverer.stop(AT_ONCE));
  return deliverer;
}

/**
 * The looks that nothing has asked for never come, since the clock that they hang on is left
 * behind.
 */
function withoutLooksOfItsOwn(): void {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
}

/** A run that was cancelled, and whose end somebody is to be told of. */
async function cancelled(url: string, changes: Partial<NewRun> = {}): Promise<RunId> {
  const run = call({ callback: { url, events: ['run.cancelled'] }, ...changes });
  await ledger.enqueue([run]);
  await ledger.cancel(run.runId);
  return run.runId;
}

const deliveryOf = async (runId: RunId): Promise<DeliveryRecord> => (await ledger.deliveries(runId))[0]!;

/** The delivery once so many attempts are over. */
const attempted = (runId: RunId, attempts: number): Promise<DeliveryRecord> =>
  until(`attempt ${attempts} is over`, async () => {
    const delivery = await deliveryOf(runId);
    return (delivery.attempts[attempts - 1]?.finishedAt ?? null) === null ? null : delivery;
  });

const settled = (runId: RunId): Promise<DeliveryRecord> =>
  until('the delivery has an outcome', async () => {
    const delivery = await deliveryOf(runId);
    return delivery.outcome === null ? null : delivery;
  });

/** Lets the time pass until a delivery is due. */
function passUntilDue(deliverer: Deliverer, { dueAt }: DeliveryRecord): void {
  clock.advance(between(clock.now(), dueAt));
  deliverer.wake();
}

test('deliveries go on after the ledger could not be asked for them once', async () => {
  await open(clock);
  const { store, failNext, failuresLeft } = faulty(ledger);
  failNext('claimDeliveries');
  const hook = await badHookForTest(answering(204));
  const deliverer = delivererForTest({ ledger: store });
  const runId = await cancelled(hook.url);
  await until('the claim has failed', () => failuresLeft('claimDeliveries') === 0);
  deliverer.wake();
  expect(await settled(runId)).toMatchObject({ outcome: 'delivered' });
});

describe('a webhook', () => {
  test('is shortened where its bytes are too many, though its characters are not', async () => {
    await open(clock);
    const hook = await badHookForTest(answering(204));
    const deliverer = delivererForTest();
    const runId = await cancelled(hook.url, { metadata: JSON.stringify({ long: '語'.repeat(7_000) }) });
    deliverer.wake();
    await settled(runId);
    expect(Buffer.byteLength(hook.requests[0]!.body)).toBeLessThan(20_000);
    expect(JSON.parse(hook.requests[0]!.body)).toMatchObject({ data: { run_id: runId, metadata: null } });
  });

  test('tells of the run as lists do, and is signed so that other people’s libraries take it', async () => {
    await open(systemClock);
    const hook = await badHookForTest(answering(204));
    const deliverer = delivererForTest({ clock: systemClock });
    const runId = await cancelled(`${hook.url}/hook?a=1`, { metadata: '{"n":9007199254740993}', runName: 'é' });
    deliverer.wake();
    expect(await settled(runId)).toMatchObject({ outcome: 'delivered', attempts: [{ answer: { status: 204 } }] });
    const { method, path, headers, body } = hook.requests[0]!;
    expect([method, path]).toEqual(['POST', '/hook?a=1']);
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': expect.stringMatching(/^claimcheck\//),
      'webhook-id': deliveryIdOf(runId, 'run.cancelled'),
    });
    const run = await ledger.run(runId);
    expect(body).toBe(
      `{"type":"run.cancelled","timestamp":"${new Date(run!.finishedAt!).toISOString()}","data":${runLineText(run!, '')}}`,
    );
    expect(body).toContain('9007199254740993');
    const [newest] = await vault.signingSecrets('echo', systemClock.now());
    const told = headers as Record<string, string>;
    for (const verifier of [new StandardWebhook(newest!.secret), new SvixWebhook(newest!.secret)]) {
      expect(() => verifier.verify(body, told)).not.toThrow();
      for (const changed of [body.replace('cancelled', 'succeeded'), `${body} `, body.slice(1)])
        expect(() => verifier.verify(changed, told)).toThrow('No matching signature found');
      const otherId = { ...told, 'webhook-id': `${told['webhook-id']}x` };
      const otherTime = { ...told, 'webhook-timestamp': String(Number(told['webhook-timestamp']) + 1) };
      expect(() => verifier.verify(body, otherId)).toThrow('No matching signature found');
      expect(() => verifier.verify(body, otherTime)).toThrow('No matching signature found');
    }
  });

  test('is signed with the old secret and the new one while receivers change over, and with the new one after that', async () => {
    await open(clock);
    const hook = await badHookForTest(answering(200));
    const deliverer = delivererForTest();
    const [old] = await vault.signingSecrets('echo', clock.now());
    const fresh = await vault.rotateSigningSecret('echo', clock.now(), after(clock.now(), days(1)));
    const verifies = (at: number, secret: string): boolean => {
      const { body, headers } = hook.requests[at]!;
      const timestamp = new Date(Number(headers['webhook-timestamp']) * 1_000);
      const expected = new StandardWebhook(secret).sign(headers['webhook-id'] as string, timestamp, body);
      return String(headers['webhook-signature']).split(' ').includes(expected);
    };
    for (const both of [true, false]) {
      const runId = await cancelled(hook.url);
      deliverer.wake();
      await settled(runId);
      const last = hook.requests.length - 1;
      expect([verifies(last, old!.secret), verifies(last, fresh.secret)]).toEqual([both, true]);
      clock.advance(days(1));
    }
  });

  test('is never longer than 20 kB: then it leaves the metadata out, and most of what went wrong', async () => {
    await open(clock);
    const hook = await badHookForTest(answering(200));
    const run = call({
      callback: { url: hook.url, events: ['run.failed'] },
      metadata: JSON.stringify({ text: 'x'.repeat(16_000) }),
    });
    await ledger.enqueue([run]);
    const slots = [{ replica: 'r', coldStart: null }];
    const request = {
      endpoint: 'echo',
      version: 1,
      lane: 'replica',
      slots,
      alone: true,
      owner: 'a',
      lease: hours(1),
    } as const;
    const [held] = await ledger.claim(request);
    const error = { type: 'model-error', detail: `It said ${'\u0001'.repeat(4_000)}` } as const;
    await ledger.finish([{ claim: held!.claim, result: { kind: 'failed', error }, progress: null }]);
    delivererForTest();
    await settled(run.runId);
    const { body } = hook.requests[0]!;
    expect(Buffer.byteLength(body)).toBeLessThan(20_000);
    expect(JSON.parse(body)).toMatchObject({
      data: {
        run_id: run.runId,
        metadata: null,
        error: { type: 'model-error', detail: expect.stringMatching(/^It said/) },
      },
    });
  });
});

describe('a delivery', () => {
  beforeEach(() => open(clock));

  test('that fails is tried on schedule, under one id and with the time of each attempt, until it succeeds', async () => {
    const pauses = [
      seconds(5),
      minutes(5),
      minutes(30),
      hours(2),
      hours(5),
      hours(10),
      hours(14),
      hours(20),
      hours(24),
    ];
    const hook = await badHookForTest((response, _request, count) => response.writeHead(count < 9 ? 500 : 200).end());
    const deliverer = delivererForTest();
    const runId = await cancelled(hook.url);
    deliverer.wake();
    for (const [place, pause] of pauses.entries()) {
      const delivery = await attempted(runId, place + 1);
      const wait = between(clock.now(), delivery.dueAt);
      expect(wait).toBeGreaterThanOrEqual(0.9 * pause);
      expect(wait).toBeLessThanOrEqual(1.1 * pause);
      passUntilDue(deliverer, delivery);
    }
    expect(await settled(runId)).toMatchObject({ outcome: 'delivered', attempt: 10, detail: '200' });
    expect(new Set(hook.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    const times = hook.requests.map(({ headers }) => Number(headers['webhook-timestamp']));
    expect(times).toEqual([...new Set(times)].toSorted((a, b) => a - b));
    expect(new Set(hook.requests.map(({ body }) => body)).size).toBe(1);
  });

  test('is given up after the last attempt of the schedule, and begins anew when it is asked for again', async () => {
    let status = 503;
    const hook = await badHookForTest((response) => response.writeHead(status).end('Come back later.\r\n\u001b[31m'));
    const deliverer = delivererForTest();
    const runId = await cancelled(hook.url);
    deliverer.wake();
    for (let tries = 1; tries < 10; tries += 1) passUntilDue(deliverer, await attempted(runId, tries));
    const { deliveryId, attempts } = await settled(runId);
    expect(attempts.map(({ answer }) => answer?.detail)).toEqual(attempts.map(() => '503: Come back later. [31m'));
    expect(await deliveryOf(runId)).toMatchObject({ outcome: 'abandoned', attempt: 10 });
    await ledger.redeliver(runId, deliveryId);
    deliverer.wake();
    const again = await attempted(runId, 11);
    expect(between(clock.now(), again.dueAt)).toBeLessThan(seconds(6));
    status = 200;
    passUntilDue(deliverer, again);
    expect(await settled(runId)).toMatchObject({ outcome: 'delivered', attempt: 12 });
    expect(new Set(hook.requests.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([deliveryId]));
  });

  test('is given up at once when the receiver is gone', async () => {
    const hook = await badHookForTest(answering(410, {}, 'no more of this'));
    const runId = await cancelled(hook.url);
    expect(await settledSoon(runId)).toMatchObject({
      outcome: 'abandoned',
      attempt: 1,
      detail: '410: no more of this',
    });
  });

  const settledSoon = async (runId: RunId): Promise<DeliveryRecord> => {
    delivererForTest();
    return settled(runId);
  };

  const NOT_FOLLOWED = '302: redirects are not followed';
  const LATE = 'The URL did not answer within 0.3 s.';
  const FAILURES: [string, Behaviour, number | null, string][] = [
    ['is led elsewhere', answering(302, { location: 'http://169.254.169.254/latest/' }), 302, NOT_FOLLOWED],
    ['is never answered', hanging, null, LATE],
    ['is answered a byte at a time', trickling, null, LATE],
    ['dies with its receiver', dying, null, 'The URL hung up before it had answered.'],
    ['is answered without an end', endless(500), 500, `500: ${'x'.repeat(251)}`],
    ['is refused', answering(404, {}, ''), 404, '404'],
    [
      'is answered with more than 256 characters',
      answering(400, {}, 'y'.repeat(5_000)),
      400,
      `400: ${'y'.repeat(251)}`,
    ],
  ];
  test.each(FAILURES)('that %s is tried again', async (_what, behave, status, detail) => {
    const hook = await badHookForTest(behave);
    const runId = await cancelled(hook.url);
    delivererForTest(detail === LATE ? { attemptMax: milliseconds(300) } : {});
    const delivery = await attempted(runId, 1);
    expect(delivery).toMatchObject({ outcome: null, detail, attempts: [{ answer: { status, detail } }] });
    expect(delivery.dueAt).toBeGreaterThan(clock.now());
    await until('its connection is closed', () => hook.open() === 0);
  });

  test('that is answered without an end but with a 200 has arrived', async () => {
    const hook = await badHookForTest(endless(200));
    const runId = await cancelled(hook.url);
    expect(await settledSoon(runId)).toMatchObject({ outcome: 'delivered', detail: '200' });
  });

  test.each([
    ['429', { 'retry-after': '3600' }, 429, hours(1)],
    ['503', { 'retry-after': 'Thu, 01 Jan 2026 02:00:00 GMT' }, 503, hours(2)],
    ['503, for longer than a day', { 'retry-after': '999999999' }, 503, hours(24)],
    ['503, for less than the schedule has', { 'retry-after': '1' }, 503, seconds(5)],
    ['500, which is no reason to ask for it', { 'retry-after': '3600' }, 500, seconds(5)],
    ['503, in words of its own', { 'retry-after': 'soon' }, 503, seconds(5)],
  ])('waits as long as its receiver asks for, up to a day: %s', async (_what, headers, status, pause) => {
    const hook = await badHookForTest(answering(status, headers));
    const runId = await cancelled(hook.url);
    delivererForTest();
    const { dueAt } = await attempted(runId, 1);
    expect(between(clock.now(), dueAt)).toBeGreaterThanOrEqual(0.9 * pause);
    expect(between(clock.now(), dueAt)).toBeLessThanOrEqual(1.1 * pause);
  });

  test('that is to be tried again soon is waited for by itself, and not left to the next look', async () => {
    // What it waits for by itself hangs on another clock.
    withoutLooksOfItsOwn();
    const hook = await badHookForTest((response, _request, count) => response.writeHead(count < 1 ? 500 : 200).end());
    const runId = await cancelled(hook.url);
    const { promise: tried, resolve } = Promise.withResolvers<void>();
    const { store, calls } = faulty(ledger);
    delivererForTest({ ledger: store, onAttempt: () => resolve() });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await tried;
    // It looks once more after every look that has found something.
    await until('it has looked for more', () => calls('claimDeliveries') > 1);
    await ledger.deliveries(runId);
    clock.advance(seconds(6));
    vi.advanceTimersByTime(seconds(6));
    expect(await settled(runId)).toMatchObject({ outcome: 'delivered', attempt: 2 });
  });

  test('to an address that is not public is not sent, and says why', async () => {
    const hook = await badHookForTest(answering(200));
    const runId = await cancelled(hook.url);
    delivererForTest({ egress: new Egress({ settings: { httpsOnly: false, allow: [] }, ownPort: () => null }) });
    const { attempts, outcome } = await attempted(runId, 1);
    expect(attempts[0]!.answer).toMatchObject({ status: null, detail: expect.stringContaining('not public') });
    expect(outcome).toBeNull();
    expect(hook.requests).toEqual([]);
  });
});

describe('a receiver that hangs', () => {
  beforeEach(() => open(clock));

  test('has a few deliveries at a time, and keeps nobody else waiting', async () => {
    const slow = await badHookForTest(hanging);
    const quick = await badHookForTest(answering(200));
    for (let count = 0; count < 40; count += 1) await cancelled(slow.url);
    const others = [await cancelled(quick.url), await cancelled(quick.url)];
    const deliverer = delivererForTest();
    for (const runId of others) expect(await settled(runId)).toMatchObject({ outcome: 'delivered' });
    await until('four have come', () => slow.requests.length === 4);
    expect(slow.open()).toBe(4);
    await deliverer.stop(AT_ONCE);
    expect(slow.requests).toHaveLength(4);
  });

  test('has its next ones as soon as one is over', async () => {
    const hook = await badHookForTest(answering(200));
    const runs = await Promise.all(Array.from({ length: 50 }, () => cancelled(hook.url)));
    delivererForTest();
    for (const runId of runs) await settled(runId);
    expect(hook.requests).toHaveLength(50);
  });
});

describe('a receiver that takes what comes', () => {
  beforeEach(() => open(clock));

  /**
   * A receiver that holds back its answers from one request on, once those before have had theirs.
   */
  async function holdingForTest(from: number, before: (count: number) => number = () => 200) {
    const held: (() => void)[] = [];
    const hook = await badHookForTest((response, _request, count) => {
      if (count < from) response.writeHead(before(count)).end();
      else held.push(() => response.writeHead(200).end());
    });
    return { hook, held };
  }

  const cancelledTimes = (count: number, url: string): Promise<RunId[]> =>
    Promise.all(Array.from({ length: count }, () => cancelled(url)));

  test('has its next ones as soon as one is over, and not with the next look', async () => {
    withoutLooksOfItsOwn();
    const { hook, held } = await holdingForTest(0);
    const runs = await cancelledTimes(40, hook.url);
    const { store, failNext } = faulty(ledger);
    delivererForTest({ ledger: store });
    await until('it has its first ones', () => held.length === PLACES_MIN);
    failNext('claimDeliveries', 1_000);
    await until('it has all of them', () => {
      for (const answer of held.splice(0)) answer();
      return hook.requests.length === runs.length;
    });
    for (const runId of runs) expect(await settled(runId)).toMatchObject({ outcome: 'delivered', attempt: 1 });
  });

  test('has more of them at a time, up to sixteen', async () => {
    const { hook, held } = await holdingForTest(40);
    await cancelledTimes(100, hook.url);
    const deliverer = delivererForTest();
    await until('sixteen wait for an answer', () => held.length === PLACES_MAX);
    await deliverer.stop(AT_ONCE);
    expect(hook.requests).toHaveLength(40 + PLACES_MAX);
  });

  test('has few at a time again once it does not', async () => {
    const { hook, held } = await holdingForTest(40 + PLACES_MAX, (count) => (count < 40 ? 200 : 500));
    await cancelledTimes(100, hook.url);
    const deliverer = delivererForTest();
    await until('four wait for an answer', () => held.length === PLACES_MIN);
    await deliverer.stop(AT_ONCE);
    expect(hook.requests).toHaveLength(40 + PLACES_MAX + PLACES_MIN);
  });

  test('is told of what has ended since, though a look gives it no more than it has', async () => {
    const { hook, held } = await holdingForTest(0);
    await cancelledTimes(PLACES_MIN, hook.url);
    const { promise: walkedPast, resolve } = Promise.withResolvers<void>();
    let isNews = false;
    let isOver = false;
    const claimDeliveries: Ledger['claimDeliveries'] = async (...asked) => {
      // A look that comes later than the one that walked past the host finds nothing.
      const claimed = isOver ? [] : await ledger.claimDeliveries(...asked);
      isOver ||= isNews;
      if (isOver) resolve();
      return claimed;
    };
    const deliverer = delivererForTest({ ledger: { ...ledger, claimDeliveries } });
    await until('its places are taken', () => held.length === PLACES_MIN);
    const runId = await cancelled(hook.url);
    isNews = true;
    deliverer.wake();
    await walkedPast;
    held.shift()!();
    await until('it has come', () => hook.requests.length === PLACES_MIN + 1);
    held.splice(0).forEach((answer) => answer());
    expect(await settled(runId)).toMatchObject({ outcome: 'delivered' });
  });

  test('has all of them though half of all places are taken by receivers that hang', async () => {
    withoutLooksOfItsOwn();
    const slow = await badHookForTest(hanging, '0.0.0.0');
    const names = Array.from({ length: 33 }, (_, place) => `http://127.0.0.${2 + place}:${slow.port}`);
    for (const url of names) await cancelledTimes(PLACES_MIN + 1, url);
    const egress = new Egress({ settings: { httpsOnly: false, allow: ['127.0.0.0/8'] }, ownPort: () => null });
    const { hook: quick, held } = await holdingForTest(0);
    let walkedPast = false;
    const claimDeliveries: Ledger['claimDeliveries'] = async (...asked) => {
      const isHeld = held.length === PLACES_MIN;
      const claimed = await ledger.claimDeliveries(...asked);
      walkedPast ||= isHeld && claimed.length === 0;
      return claimed;
    };
    const { store, failNext, failuresLeft } = faulty({ ...ledger, claimDeliveries });
    const deliverer = delivererForTest({ ledger: store, egress });
    await until('they hang', () => slow.requests.length === names.length * PLACES_MIN);
    failNext('claimDeliveriesTo', 1_000);
    const runs = await cancelledTimes(3 * PLACES_MIN, quick.url);
    deliverer.wake();
    await until('a look has found no place more', () => walkedPast);
    await until('it has all of them', () => {
      for (const answer of held.splice(0)) answer();
      return quick.requests.length === runs.length;
    });
    for (const runId of runs) expect(await settled(runId)).toMatchObject({ outcome: 'delivered' });
    expect(slow.requests).toHaveLength(names.length * PLACES_MIN);
    // The other half is given away by looks alone, which begin with who has waited longest.
    expect(failuresLeft('claimDeliveriesTo')).toBe(1_000);
  });
});

describe('a deliverer that stops', () => {
  beforeEach(() => open(clock));

  test('waits for what is on its way', async () => {
    const answers: (() => void)[] = [];
    const hook = await badHookForTest((response) => void answers.push(() => response.writeHead(200).end()));
    const runId = await cancelled(hook.url);
    const deliverer = delivererForTest();
    await until('it has come', () => answers.length === 1);
    const stopped = deliverer.stop(new AbortController().signal);
    answers[0]!();
    await stopped;
    expect(await deliveryOf(runId)).toMatchObject({ outcome: 'delivered' });
  });

  test('cuts it off when its time is over: the next one sends it again, once the claim has lapsed', async () => {
    const hook = await badHookForTest((response, _request, count) => void (count > 0 && response.writeHead(200).end()));
    const runId = await cancelled(hook.url);
    const first = delivererForTest();
    await until('it has come', () => hook.requests.length === 1);
    await first.stop(AT_ONCE);
    expect(await deliveryOf(runId)).toMatchObject({ outcome: null, attempts: [{ attempt: 1, answer: null }] });
    const second = delivererForTest();
    passUntilDue(second, await deliveryOf(runId));
    const { outcome, attempts } = await settled(runId);
    expect(outcome).toBe('delivered');
    expect(attempts.map(({ answer }) => answer?.status ?? null)).toEqual([null, answered(200).status]);
    const ids = hook.requests.map(({ headers }) => headers['webhook-id']);
    expect(ids).toEqual([ids[0], ids[0]]);
  });

  test('begins nothing more', async () => {
    const hook: BadHook = await badHookForTest(answering(200));
    const deliverer = delivererForTest();
    await deliverer.stop(AT_ONCE);
    const runId = await cancelled(hook.url);
    deliverer.wake();
    // What it would claim, it would have claimed once the ledger has answered something else.
    await ledger.run(runId);
    expect(await ledger.claimDeliveries(1, milliseconds(1))).toMatchObject([{ runId }]);
  });
});
