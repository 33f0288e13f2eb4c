// What the state machine does to a ledger and to its model: every verb of the port, with values
// from small ranges, so that keys are used again, limits are reached and instants are hit exactly.
// A command names its runs by number and finds them when it is run, so that it still means
// something when the commands before it are taken away to make a failure smaller.

import fc from 'fast-check';
import { expect } from 'vitest';
import { newRunId } from '../../../src/system/clock.ts';
import { hostOf } from '../../../src/domain/delivery.ts';
import { IDEMPOTENCY_KEY_KEPT, LINE_KEPT } from '../../../src/domain/retention.ts';
import { days, type Duration, milliseconds, minutes, seconds } from '../../../src/domain/time.ts';
import type { Progress } from '../../../src/domain/batch.ts';
import type { BlobKey, Payload } from '../../../src/domain/payload.ts';
import type { RunError } from '../../../src/domain/errors.ts';
import type {
  AttemptResult,
  Cancelled,
  Claim,
  Deployment,
  DeliveryResult,
  Enqueued,
  Ledger,
  NewRun,
  Purged,
  QueueFilter,
} from '../../../src/stores/ledger/ledger.ts';
import type { OpenedLedger } from './drivers.ts';
import { attemptOf, type ModelLedger, type ModelRun } from './model-ledger.ts';
import { expectSameView, readable, SAID_BY_THE_TEST, withoutOwnWords } from './model-view.ts';
import { answered, batch, call, chunk, deployment, inline } from './runs.ts';

/**
 * The ledger under test, and what has been done to it so far, to read why it failed.
 */
export interface Subject {
  readonly opened: OpenedLedger;
  readonly story: string[];
}

/** A command of the state machine. */
export type Command = fc.AsyncCommand<ModelLedger, Subject>;

const ENDPOINTS = ['echo', 'other'] as const;
const LEASES = [seconds(10), seconds(30)] as const;
const CALLBACK_URL = 'https://example.com/hook';
const MODEL_ERROR: RunError = { type: 'model-error', detail: SAID_BY_THE_TEST };
const CRASHED: RunError = { type: 'replica-crashed', detail: SAID_BY_THE_TEST };
const ROWS = 3;

/**
 * What a command does: it asks the model and the ledger the same, and compares their answers. What
 * it returns is told in the story.
 */
type Act = (model: ModelLedger, ledger: Ledger, opened: OpenedLedger) => Promise<unknown>;

function command(text: string, act: Act, isPossible: (model: ModelLedger) => boolean = () => true): Command {
  return {
    check: (model) => isPossible(model as ModelLedger),
    async run(model, { opened, story }) {
      model.touched.clear();
      try {
        story.push(text);
        const answer = await act(model, opened.ledger, opened);
        story.push(`${story.pop()!} → ${JSON.stringify(answer)}`);
        await expectSameView(model, opened.ledger);
      } catch (error) {
        throw new Error(model.named(`${story.join('\n')}\n${String(error)}`), { cause: error });
      }
    },
    toString: () => text,
  };
}

/**
 * A run named by a number: the so many-th of those that the word stands for, counted round and
 * round.
 */
interface Pick {
  readonly of: 'running' | 'open' | 'any';
  readonly number: number;
}
/**
 * Which attempt of a run a claim names: its current one, the one before, one that was never handed
 * out, or none.
 */
type Token = 'current' | 'previous' | 'next' | 'none';
interface PickedClaim {
  readonly pick: Pick;
  readonly token: Token;
}

const oneOf = <const Value>(...values: readonly Value[]): fc.Arbitrary<Value> => fc.constantFrom(...values);
/** Mostly null, so that what is rare does not stand in the way of everything else. */
const rarely = <const Value>(...values: readonly Value[]): fc.Arbitrary<Value | null> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: oneOf(...values) });
const PICK: fc.Arbitrary<Pick> = fc.record({
  of: fc.oneof({ weight: 3, arbitrary: oneOf('running') }, { weight: 1, arbitrary: oneOf('open', 'any') }),
  number: fc.nat({ max: 9 }),
});
const CLAIM: fc.Arbitrary<PickedClaim> = fc.record({
  pick: PICK,
  token: fc.oneof(
    { weight: 6, arbitrary: oneOf('current') },
    { weight: 1, arbitrary: oneOf('previous', 'next', 'none') },
  ),
});

function picked(model: ModelLedger, { of, number }: Pick, kind?: NewRun['kind']): ModelRun | undefined {
  const runs = model.runs.filter(
    ({ given, status }) =>
      (kind === undefined || given.kind === kind) &&
      (of === 'any' || status === 'running' || (of === 'open' && status === 'queued')),
  );
  return runs[number % runs.length];
}

function claimNamed(run: ModelRun, token: Token): Claim {
  const current = attemptOf(run);
  const attempt = { current, previous: Math.max(0, current - 1), next: current + 1, none: 0 }[token];
  return { runId: run.given.runId, attempt };
}

const named = ({ pick, token }: PickedClaim): string => `${token} claim of ${pick.of} run ${pick.number}`;
/** Whether there is what all the picks stand for. */
const has =
  (picks: readonly Pick[], kind?: NewRun['kind']) =>
  (model: ModelLedger): boolean =>
    picks.every((pick) => picked(model, pick, kind) !== undefined);
const picksOf = (claims: readonly PickedClaim[]): Pick[] => claims.map(({ pick }) => pick);

const VERSION = oneOf(1, 1, 2);
const DEPLOYMENT = fc.record({
  name: oneOf(...ENDPOINTS),
  fingerprint: oneOf('a', 'b'),
  spec: oneOf('null'),
  source: oneOf('config', 'api'),
  queueLimit: oneOf(0, 3, 6, 100, 100),
  concurrencyLimit: rarely(1, 2),
});

const DEPLOY = DEPLOYMENT.map((given: Deployment) =>
  command(`deploy ${JSON.stringify(given)}`, async (model, ledger) => {
    const version = await ledger.deploy(given);
    expect(version).toBe(model.deploy(given));
    return version;
  }),
);

const STAGE = DEPLOYMENT.map((given: Deployment) =>
  command(`stage ${JSON.stringify(given)}`, async (model, ledger) => {
    const version = await ledger.stage(given);
    expect(version).toBe(model.stage(given));
    return version;
  }),
);

const SETTLE = fc
  .record({
    endpoint: oneOf(...ENDPOINTS),
    version: VERSION,
    settlement: fc.oneof(
      fc.constant({ state: 'active' } as const),
      fc.constant({ state: 'failed', reason: 'It never became ready.' } as const),
    ),
  })
  .map(({ endpoint, version, settlement }) =>
    command(
      `settle version ${version} of ${endpoint} as ${settlement.state}`,
      async (model, ledger) => {
        await ledger.settle(endpoint, version, settlement);
        model.settle(endpoint, version, settlement);
      },
      (model) => model.versions.some((one) => one.name === endpoint && one.version === version),
    ),
  );

const ADOPT = fc
  .record({ endpoint: oneOf(...ENDPOINTS), version: VERSION, served: fc.subarray([1, 2]) })
  .map(({ endpoint, version, served }) =>
    command(`adopt for version ${version} of ${endpoint} but from ${served.join(' and ')}`, async (model, ledger) => {
      const adopted = await ledger.adopt(endpoint, version, served);
      expect(adopted).toBe(model.adopt(endpoint, version, served));
      return adopted;
    }),
  );

const NEW_RUN = fc.record({
  kind: fc.oneof({ weight: 2, arbitrary: oneOf('call') }, { weight: 1, arbitrary: oneOf('batch') }),
  endpoint: fc.oneof({ weight: 4, arbitrary: oneOf('echo') }, { weight: 1, arbitrary: oneOf('other') }),
  tenant: oneOf('ada', 'bob', 'cy'),
  version: VERSION,
  priority: oneOf(0, 0, 0, 1, -1),
  runName: rarely('nightly'),
  idempotencyKey: rarely('k', 'l'),
  concurrencyKey: rarely('x', 'y'),
  queueTtl: oneOf(minutes(10), days(50), seconds(20), null),
  lostWorkersMax: oneOf(1, 2, 3),
  retention: oneOf(seconds(1), days(1), days(40)),
  callback: rarely(
    { url: CALLBACK_URL, events: ['run.succeeded', 'run.failed', 'run.cancelled'] },
    { url: CALLBACK_URL, events: ['run.failed'] },
  ),
  isInBlob: fc.boolean(),
});
type NewRunChoice = typeof NEW_RUN extends fc.Arbitrary<infer Choice> ? Choice : never;

function newRun({ kind, isInBlob, lostWorkersMax, idempotencyKey, ...changes }: NewRunChoice): NewRun {
  const runId = newRunId();
  const input = isInBlob ? inBlob(`${runId}.input`) : inline(`{"run":"${runId}"}`);
  // Two requests with one fingerprint are the same in all that decides their outcome.
  const fingerprint = JSON.stringify([changes.endpoint, changes.concurrencyKey]);
  const idempotency = idempotencyKey === null ? null : { key: idempotencyKey, fingerprint };
  const given = { ...changes, runId, input, idempotency };
  return kind === 'batch' ? batch(given) : call({ ...given, lostWorkersMax });
}

const inBlob = (key: string): Payload => ({ ...inline(key), body: { blob: key as BlobKey } });

/** What a choice says beside what every run says. */
const chosen = (choice: object): string =>
  JSON.stringify(Object.fromEntries(Object.entries(choice).filter(([, value]) => value !== null && value !== false)));

const ENQUEUE = fc
  .array(NEW_RUN, { minLength: 1, maxLength: 4 })
  .map((choices) =>
    command(`enqueue ${choices.map(chosen).join(', ')}`, (model, ledger) =>
      enqueue(model, ledger, choices.map(newRun)),
    ),
  );

const ENQUEUE_CHUNKS = fc
  .record({
    parent: CLAIM,
    rows: fc.array(oneOf([0, 1], [1, 2], [2, 3], [0, 3]), { minLength: 1, maxLength: 3 }),
  })
  .map(({ parent, rows }) =>
    command(
      `enqueue chunks ${JSON.stringify(rows)} under the ${named(parent)}, a batch`,
      async (model, ledger) => {
        const run = picked(model, parent.pick, 'batch')!;
        const { endpoint, tenant, retention, priority } = run.given;
        const held = claimNamed(run, parent.token);
        const chunks = rows.map(([from, to]) => ({
          ...chunk(held, from, to),
          endpoint,
          version: run.version,
          tenant,
          retention,
          priority,
        }));
        return enqueue(model, ledger, chunks);
      },
      has([parent.pick], 'batch'),
    ),
  );

async function enqueue(model: ModelLedger, ledger: Ledger, runs: readonly NewRun[]): Promise<Enqueued[]> {
  const before = model.runs.at(-1)?.sequence ?? 0;
  const answers = await ledger.enqueue(runs);
  const expected = model.enqueue(runs);
  // Only that they rise is promised of sequence numbers.
  const sequences = answers.flatMap((answer) => (answer.result === 'enqueued' ? [answer.sequence] : []));
  [before, ...sequences].reduce((previous, next) => (expect(next).toBeGreaterThan(previous), next));
  const told = expected.map((answer) =>
    answer.result === 'enqueued' ? { ...answer, sequence: expect.any(Number) as number } : answer,
  );
  expect(answers).toEqual(told);
  answers.forEach((answer, place) => {
    if (answer.result === 'enqueued') model.find(runs[place]!.runId)!.sequence = answer.sequence;
  });
  return answers;
}

const CLAIM_RUNS = fc
  .record({
    version: VERSION,
    endpoint: fc.oneof({ weight: 4, arbitrary: oneOf('echo') }, { weight: 1, arbitrary: oneOf('other') }),
    lane: fc.oneof({ weight: 2, arbitrary: oneOf('replica') }, { weight: 1, arbitrary: oneOf('engine') }),
    slots: fc.integer({ min: 1, max: 4 }),
    alone: fc.boolean(),
    owner: oneOf('server-a', 'server-b'),
    lease: oneOf(...LEASES),
  })
  .map(({ slots: count, ...asked }) =>
    command(`claim ${JSON.stringify({ ...asked, slots: count })}`, async (model, ledger) => {
      const slots = Array.from({ length: count }, (_, place) => ({
        replica: asked.lane === 'engine' ? null : `r${place}`,
        coldStart: place === 0 ? milliseconds(5) : null,
      }));
      const answer = await ledger.claim({ ...asked, slots });
      const expected = model.claim({ ...asked, slots });
      const comparable = (claimed: typeof answer) => claimed.map((one) => ({ ...one, input: readable(one.input) }));
      expect(comparable(answer).map(({ run, ...rest }) => ({ ...rest, run: withoutOwnWords(run) }))).toEqual(
        comparable(expected),
      );
      return answer.map(({ claim }) => claim);
    }),
  );

const RENEW = fc
  .record({ claims: fc.array(CLAIM, { minLength: 1, maxLength: 2 }), lease: oneOf(...LEASES) })
  .map(({ claims, lease }) =>
    command(
      `renew the ${claims.map(named).join(', ')} for ${lease} ms`,
      async (model, ledger) => {
        const held = claims.map(({ pick, token }) => claimNamed(picked(model, pick)!, token));
        const answer = await ledger.renew(held, lease);
        expect(answer).toEqual(model.renew(held, lease));
        return answer;
      },
      has(picksOf(claims)),
    ),
  );

/**
 * What a batch notes of its rows, and anything else of its steps: whose total it may not know, and
 * which may have nothing to say.
 */
function progressOf({ given }: ModelRun, done: number): Progress {
  if (given.kind === 'batch') return { done, total: ROWS, failed: Math.min(1, done) };
  return { done, total: done === 0 ? null : ROWS, message: done % 2 === 0 ? null : `step ${done}` };
}

const PROGRESS = fc.record({ claim: CLAIM, done: fc.nat({ max: ROWS }) }).map(({ claim, done }) =>
  command(
    `progress ${done} under the ${named(claim)}`,
    async (model, ledger) => {
      const run = picked(model, claim.pick)!;
      const held = claimNamed(run, claim.token);
      const progress = progressOf(run, done);
      const answer = await ledger.progress(held, progress);
      expect(answer).toEqual(model.progress(held, progress));
      return answer;
    },
    has([claim.pick]),
  ),
);

const RESULT = oneOf(
  'succeeded',
  'succeeded in a blob',
  'failed',
  'retry',
  'retry in 5 s',
  'retry after a crash',
  'released',
);
type ResultChoice = typeof RESULT extends fc.Arbitrary<infer Choice> ? Choice : never;

function resultOf(choice: ResultChoice, { runId, attempt }: Claim): AttemptResult {
  switch (choice) {
    case 'succeeded':
      return { kind: 'succeeded', output: inline(`{"attempt":${attempt}}`) };
    case 'succeeded in a blob':
      return { kind: 'succeeded', output: inBlob(`${runId}.output.${attempt}`) };
    case 'failed':
      return { kind: 'failed', error: MODEL_ERROR };
    case 'retry':
      return { kind: 'retry', error: MODEL_ERROR, delay: seconds(0) };
    case 'retry in 5 s':
      return { kind: 'retry', error: MODEL_ERROR, delay: seconds(5) };
    case 'retry after a crash':
      return { kind: 'retry', error: CRASHED, delay: seconds(0) };
    case 'released':
      return { kind: 'released' };
  }
}

const FINISH = fc
  .array(fc.record({ claim: CLAIM, result: RESULT, done: fc.nat({ max: ROWS }) }), { minLength: 1, maxLength: 3 })
  .map((ends) =>
    command(
      `finish ${ends.map(({ claim, result, done }) => `the ${named(claim)}: ${result} (${done} rows)`).join(', ')}`,
      async (model, ledger) => {
        const finished = ends.map(({ claim: { pick, token }, result, done }) => {
          const run = picked(model, pick)!;
          const claim = claimNamed(run, token);
          return { claim, result: resultOf(result, claim), progress: progressOf(run, done) };
        });
        const answer = await ledger.finish(finished);
        expect(answer).toEqual(model.finish(finished));
        return finished.map(({ claim }, place) => [claim, answer[place]]);
      },
      has(picksOf(ends.map(({ claim }) => claim))),
    ),
  );

const CANCELLABLE: fc.Arbitrary<Pick> = fc.record({ of: oneOf('open', 'any'), number: fc.nat({ max: 9 }) });
const CANCEL = fc
  .oneof({ weight: 9, arbitrary: CANCELLABLE }, { weight: 1, arbitrary: fc.constant(null) })
  .map((pick) =>
    command(
      pick === null ? 'cancel a run that there never was' : `cancel ${pick.of} run ${pick.number}`,
      async (model, ledger) => {
        const runId = pick === null ? newRunId() : picked(model, pick)!.given.runId;
        const answer = await ledger.cancel(runId);
        const expected = model.cancel(runId);
        expect(answer.result).toBe(expected.result);
        expect(stoppedBy(answer)).toEqual(stoppedBy(expected));
        return [runId, answer];
      },
      has(pick === null ? [] : [pick]),
    ),
  );

/** In an order of our own, because none is promised. */
const stoppedBy = (answer: Cancelled | Purged): string[] => inAnyOrder('stopped' in answer ? answer.stopped : []);
const inAnyOrder = (answers: readonly unknown[]): string[] => answers.map((one) => JSON.stringify(one)).toSorted();

const PURGE = fc
  .record({ endpoint: oneOf(...ENDPOINTS), isOld: fc.boolean(), isNamed: fc.boolean() })
  .map(({ endpoint, isOld, isNamed }) =>
    command(
      `purge ${endpoint}${isOld ? ', what came before now' : ''}${isNamed ? ', what is called nightly' : ''}`,
      async (model, ledger) => {
        const filter: QueueFilter = {
          endpoint,
          ...(isOld ? { createdBefore: model.now } : {}),
          ...(isNamed ? { runName: 'nightly' } : {}),
        };
        expect(await ledger.countQueued(filter)).toBe(model.countQueued(filter));
        const answer = await ledger.purge(filter);
        const expected = model.purge(filter);
        expect(answer.cancelled).toEqual(expected.cancelled);
        expect(stoppedBy(answer)).toEqual(stoppedBy(expected));
        return answer;
      },
    ),
  );

const WAIT = oneOf(
  milliseconds(1),
  milliseconds(1),
  seconds(1),
  seconds(1),
  ...LEASES,
  minutes(11),
  IDEMPOTENCY_KEY_KEPT,
  LINE_KEPT,
).map((by) => command(`let ${by} ms pass`, (model, _, opened) => pass(model, opened, by)));

const WAIT_UNTIL_SOMETHING = fc
  .record({ edge: fc.nat({ max: 5 }), isJustBefore: fc.boolean() })
  .map(({ edge, isJustBefore }) =>
    command(
      `wait until ${isJustBefore ? 'just before' : 'the very'} edge ${edge}`,
      (model, _, opened) => {
        const edges = [...new Set(model.edges())].toSorted((a, b) => a - b);
        const by = edges[edge % edges.length]! - model.now - (isJustBefore ? 1 : 0);
        return pass(model, opened, milliseconds(by));
      },
      (model) => model.edges().length > 0,
    ),
  );

async function pass(model: ModelLedger, opened: OpenedLedger, by: Duration): Promise<Duration> {
  await opened.advance(by);
  model.now = opened.clock.now();
  return by;
}

const RECLAIM = oneOf('server-a', 'server-b').map((owner) =>
  command(`reclaim as ${owner}`, async (model, ledger) => {
    const answer = await ledger.reclaim(owner);
    expect(inAnyOrder(answer)).toEqual(inAnyOrder(model.reclaim(owner)));
    return answer;
  }),
);

const EXPIRE = fc.constant(
  command('expire', async (model, ledger) => {
    const answer = await ledger.expire();
    expect(inAnyOrder(answer)).toEqual(inAnyOrder(model.expire()));
    return answer;
  }),
);

const LET_GO = fc.constant(
  command('let go', async (model, ledger) => {
    const answer = await ledger.collect();
    const expected = model.collect();
    expect(answer.runs).toBe(expected.runs);
    expect(answer.blobs.toSorted()).toEqual(expected.blobs.toSorted());
    expect(inAnyOrder(answer.logs)).toEqual(inAnyOrder(expected.logs));
    return answer;
  }),
);

const CLAIM_DELIVERIES = fc
  .record({ limit: fc.integer({ min: 1, max: 3 }), lease: oneOf(...LEASES), isOfHost: fc.boolean() })
  .map(({ limit, lease, isOfHost }) =>
    command(`claim ${limit} deliveries${isOfHost ? ' of the host' : ''} for ${lease} ms`, async (model, ledger) => {
      const due = model.dueDeliveries().toSorted((a, b) => a.dueAt - b.dueAt);
      const expected = due.slice(0, limit);
      const dueAts = new Map(due.map(({ deliveryId, dueAt }) => [deliveryId, dueAt]));
      const answer = isOfHost
        ? await ledger.claimDeliveriesTo({ [hostOf(CALLBACK_URL)]: limit }, lease)
        : await ledger.claimDeliveries(limit, lease);
      const taken = answer.map(({ claim }) => claim.deliveryId);
      expect(new Set(taken).size).toBe(taken.length);
      // Which ones are taken is only decided where they have been due for different times.
      expect(inAnyOrder(taken.map((deliveryId) => dueAts.get(deliveryId)))).toEqual(
        inAnyOrder(expected.map(({ dueAt }) => dueAt)),
      );
      for (const one of answer) {
        const found = due.find(({ deliveryId }) => deliveryId === one.claim.deliveryId)!;
        const { run, event, url, createdAt, seriesFrom } = found;
        const { runId, endpoint } = run.given;
        const claim = model.claimDelivery(one.claim.deliveryId, lease);
        expect(one).toEqual({ claim, tries: claim.attempt - seriesFrom, runId, endpoint, event, url, createdAt });
      }
      return taken;
    }),
  );

const DELIVERY_RESULT: fc.Arbitrary<DeliveryResult> = oneOf(
  { kind: 'delivered', ...answered(200) },
  { kind: 'retry', ...answered(503), delay: minutes(5) },
  { kind: 'abandoned', ...answered(410) },
);

const FINISH_DELIVERIES = fc
  .array(
    fc.record({
      number: fc.nat({ max: 5 }),
      token: fc.oneof({ weight: 4, arbitrary: oneOf(0) }, { weight: 1, arbitrary: oneOf(-1, 1) }),
      result: DELIVERY_RESULT,
    }),
    { minLength: 1, maxLength: 2 },
  )
  .map((ends) =>
    command(
      `finish deliveries ${ends.map(({ number, token, result }) => `${number} (attempt ${token < 0 ? '' : '+'}${token}): ${result.kind}`).join(', ')}`,
      async (model, ledger) => {
        const named = ends.map(({ number, token, result }) => {
          const { deliveryId, attempt } = model.deliveries[number % model.deliveries.length]!;
          return { claim: { deliveryId, attempt: attempt + token }, result };
        });
        // Each delivery once: nobody ends one attempt twice in one call.
        const finished = [...new Map(named.map((one) => [one.claim.deliveryId, one])).values()];
        const answer = await ledger.finishDeliveries(finished);
        expect(answer).toEqual(model.finishDeliveries(finished));
        return finished.map(({ claim }, place) => [claim, answer[place]]);
      },
      (model) => model.deliveries.length > 0,
    ),
  );

const REDELIVER = fc.record({ number: fc.nat({ max: 5 }), isItsOwn: fc.boolean() }).map(({ number, isItsOwn }) =>
  command(
    `redeliver ${number}${isItsOwn ? '' : ' of another run'}`,
    async (model, ledger) => {
      const { deliveryId, run } = model.deliveries[number % model.deliveries.length]!;
      const other = model.runs.find((one) => one !== run)?.given.runId ?? newRunId();
      expect(await ledger.redeliver(isItsOwn ? run.given.runId : other, deliveryId)).toBe(isItsOwn);
      if (isItsOwn) model.redeliver(deliveryId);
    },
    (model) => model.deliveries.length > 0,
  ),
);

const times = (count: number, commands: fc.Arbitrary<Command>): fc.Arbitrary<Command>[] =>
  Array.from({ length: count }, () => commands);

/**
 * Every command; those that make runs and move them stand more than once, because the rest needs
 * something to work on.
 */
export const COMMANDS: fc.Arbitrary<Command>[] = [
  ...times(6, ENQUEUE),
  ...times(3, ENQUEUE_CHUNKS),
  ...times(6, CLAIM_RUNS),
  ...times(5, FINISH),
  ...times(2, RENEW),
  ...times(2, PROGRESS),
  ...times(2, CANCEL),
  PURGE,
  DEPLOY,
  STAGE,
  SETTLE,
  ADOPT,
  WAIT,
  ...times(3, WAIT_UNTIL_SOMETHING),
  ...times(2, RECLAIM),
  EXPIRE,
  ...times(2, LET_GO),
  ...times(2, CLAIM_DELIVERIES),
  ...times(2, FINISH_DELIVERIES),
  REDELIVER,
];

/** What is deployed before the first command. */
export async function begin(model: ModelLedger, ledger: Ledger): Promise<void> {
  for (const name of ENDPOINTS) {
    const given = deployment({ name, queueLimit: 8 });
    expect(await ledger.deploy(given)).toBe(model.deploy(given));
  }
}
