// Two calls for one run, in both orders and at once. What each order comes to is written down here;
// what happens at once must be one of the two, so that the answers agree with what is then stored
// and no loser is told that it won.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CALLBACK_EVENTS } from '../../../src/domain/delivery.ts';
import type { RunStatus } from '../../../src/domain/run.ts';
import { days, type Duration, milliseconds, seconds } from '../../../src/domain/time.ts';
import type { AttemptRecord, Claim, Ledger } from '../../../src/stores/ledger/ledger.ts';
import type { DriverUnderTest, OpenedLedger } from './drivers.ts';
import { readable, SAID_BY_THE_TEST } from './model-view.ts';
import { call, deployment, inline } from './runs.ts';

const ME = 'server-a';
const LEASE = seconds(30);
const QUEUE_TTL = days(1);
/** How often two calls are made at once, in each order. */
const ROUNDS = { SQLite: 30, Postgres: 9 } as const;
const CALLBACK = { url: 'https://example.com/hook', events: Object.values(CALLBACK_EVENTS) };

/** A call for a run that is queued or running, and its answer in a few words. */
type Call = (ledger: Ledger, held: Claim) => Promise<string>;

const counted = (answers: readonly unknown[]): string => `${answers.length} of 1`;
const succeedWith =
  (text: string): Call =>
  async (ledger, held) =>
    (await ledger.finish([{ claim: held, result: { kind: 'succeeded', output: inline(text) }, progress: null }]))[0]!;

const CALLS = {
  async cancel(ledger, { runId }) {
    const answer = await ledger.cancel(runId);
    return answer.result === 'cancelled' && answer.stopped.length > 0 ? 'cancelled and stopped' : answer.result;
  },
  claim: async (ledger) =>
    counted(
      await ledger.claim({
        endpoint: 'echo',
        version: 1,
        lane: 'replica',
        slots: [{ replica: 'r1', coldStart: null }],
        alone: true,
        owner: ME,
        lease: LEASE,
      }),
    ),
  succeed: succeedWith('"one"'),
  'succeed otherwise': succeedWith('"another"'),
  async retry(ledger, held) {
    const error = { type: 'model-error', detail: SAID_BY_THE_TEST } as const;
    const result = { kind: 'retry', error, delay: milliseconds(0) } as const;
    return (await ledger.finish([{ claim: held, result, progress: null }]))[0]!;
  },
  renew: async (ledger, held) => (await ledger.renew([held], LEASE))[0]!,
  reclaim: async (ledger) => counted(await ledger.reclaim(ME)),
  expire: async (ledger) => counted(await ledger.expire()),
  purge: async (ledger) => counted((await ledger.purge({ endpoint: 'echo' })).cancelled),
} as const satisfies Record<string, Call>;
type CallName = keyof typeof CALLS;
const HAND_IN: readonly CallName[] = ['succeed', 'succeed otherwise', 'retry'];

/** What two calls come to: their answers, and how the run and its attempts stand then. */
interface Outcome {
  readonly answers: readonly [string, string];
  readonly status: RunStatus;
  readonly attempts: readonly AttemptRecord['outcome'][];
  readonly output?: string;
}

/** Two calls, and what they come to when the one is first and when the other is. */
interface Race {
  readonly calls: readonly [CallName, CallName];
  readonly begins: 'queued' | 'running';
  /** What passes before: the run's lease, or its time to wait. */
  readonly lapse?: Duration;
  readonly oneFirst: Outcome;
  readonly otherFirst: Outcome;
}

const RACES: readonly Race[] = [
  {
    calls: ['cancel', 'succeed'],
    begins: 'running',
    oneFirst: { answers: ['cancelled and stopped', 'lost'], status: 'cancelled', attempts: ['cancelled'] },
    otherFirst: { answers: ['ended', 'recorded'], status: 'succeeded', attempts: ['succeeded'], output: '"one"' },
  },
  {
    calls: ['cancel', 'retry'],
    begins: 'running',
    oneFirst: { answers: ['cancelled and stopped', 'lost'], status: 'cancelled', attempts: ['cancelled'] },
    otherFirst: { answers: ['cancelled', 'recorded'], status: 'cancelled', attempts: ['failed'] },
  },
  {
    calls: ['cancel', 'claim'],
    begins: 'queued',
    oneFirst: { answers: ['cancelled', '0 of 1'], status: 'cancelled', attempts: [] },
    otherFirst: { answers: ['cancelled and stopped', '1 of 1'], status: 'cancelled', attempts: ['cancelled'] },
  },
  {
    calls: ['cancel', 'expire'],
    begins: 'queued',
    lapse: QUEUE_TTL,
    oneFirst: { answers: ['cancelled', '0 of 1'], status: 'cancelled', attempts: [] },
    otherFirst: { answers: ['ended', '1 of 1'], status: 'failed', attempts: [] },
  },
  {
    calls: ['cancel', 'reclaim'],
    begins: 'running',
    lapse: LEASE,
    oneFirst: { answers: ['cancelled and stopped', '0 of 1'], status: 'cancelled', attempts: ['cancelled'] },
    otherFirst: { answers: ['cancelled', '1 of 1'], status: 'cancelled', attempts: ['lost'] },
  },
  {
    calls: ['cancel', 'cancel'],
    begins: 'running',
    oneFirst: {
      answers: ['cancelled and stopped', 'already-cancelled'],
      status: 'cancelled',
      attempts: ['cancelled'],
    },
    otherFirst: {
      answers: ['already-cancelled', 'cancelled and stopped'],
      status: 'cancelled',
      attempts: ['cancelled'],
    },
  },
  {
    calls: ['cancel', 'purge'],
    begins: 'queued',
    oneFirst: { answers: ['cancelled', '0 of 1'], status: 'cancelled', attempts: [] },
    otherFirst: { answers: ['already-cancelled', '1 of 1'], status: 'cancelled', attempts: [] },
  },
  {
    calls: ['purge', 'claim'],
    begins: 'queued',
    oneFirst: { answers: ['1 of 1', '0 of 1'], status: 'cancelled', attempts: [] },
    otherFirst: { answers: ['0 of 1', '1 of 1'], status: 'running', attempts: [null] },
  },
  {
    calls: ['purge', 'expire'],
    begins: 'queued',
    lapse: QUEUE_TTL,
    oneFirst: { answers: ['1 of 1', '0 of 1'], status: 'cancelled', attempts: [] },
    otherFirst: { answers: ['0 of 1', '1 of 1'], status: 'failed', attempts: [] },
  },
  {
    calls: ['succeed', 'reclaim'],
    begins: 'running',
    lapse: LEASE,
    oneFirst: { answers: ['recorded', '0 of 1'], status: 'succeeded', attempts: ['succeeded'], output: '"one"' },
    otherFirst: { answers: ['lost', '1 of 1'], status: 'queued', attempts: ['lost'] },
  },
  {
    calls: ['renew', 'reclaim'],
    begins: 'running',
    lapse: LEASE,
    oneFirst: { answers: ['recorded', '0 of 1'], status: 'running', attempts: [null] },
    otherFirst: { answers: ['lost', '1 of 1'], status: 'queued', attempts: ['lost'] },
  },
  {
    calls: ['reclaim', 'claim'],
    begins: 'running',
    lapse: LEASE,
    oneFirst: { answers: ['1 of 1', '1 of 1'], status: 'running', attempts: ['lost', null] },
    otherFirst: { answers: ['1 of 1', '0 of 1'], status: 'queued', attempts: ['lost'] },
  },
  {
    calls: ['claim', 'claim'],
    begins: 'queued',
    oneFirst: { answers: ['1 of 1', '0 of 1'], status: 'running', attempts: [null] },
    otherFirst: { answers: ['0 of 1', '1 of 1'], status: 'running', attempts: [null] },
  },
  {
    calls: ['reclaim', 'reclaim'],
    begins: 'running',
    lapse: LEASE,
    oneFirst: { answers: ['1 of 1', '0 of 1'], status: 'queued', attempts: ['lost'] },
    otherFirst: { answers: ['0 of 1', '1 of 1'], status: 'queued', attempts: ['lost'] },
  },
  {
    calls: ['succeed', 'succeed otherwise'],
    begins: 'running',
    oneFirst: { answers: ['recorded', 'lost'], status: 'succeeded', attempts: ['succeeded'], output: '"one"' },
    otherFirst: { answers: ['lost', 'recorded'], status: 'succeeded', attempts: ['succeeded'], output: '"another"' },
  },
  {
    calls: ['succeed', 'retry'],
    begins: 'running',
    oneFirst: { answers: ['recorded', 'lost'], status: 'succeeded', attempts: ['succeeded'], output: '"one"' },
    otherFirst: { answers: ['lost', 'recorded'], status: 'queued', attempts: ['failed'] },
  },
];

/** Runs the suite against a driver. */
export function describeInterleavings(driver: DriverUnderTest): void {
  describe(`${driver.name} ledger, of two calls for one run`, () => {
    let opened: OpenedLedger;
    let here: Ledger;
    let there: Ledger;
    beforeAll(async () => {
      opened = await driver.open();
      here = opened.ledger;
      there = await opened.another();
      await here.deploy(deployment());
    });
    afterEach(async () => {
      expect(await here.audit()).toEqual([]);
    });
    afterAll(() => opened.close());

    /** Makes a run, lets two calls loose on it, and tells their outcomes. */
    async function outcomeOf(race: Race, both: (held: Claim) => Promise<[string, string]>): Promise<Outcome> {
      const { begins, lapse } = race;
      const run = call({ queueTtl: QUEUE_TTL, callback: CALLBACK });
      await here.enqueue([run]);
      if (begins === 'running') await CALLS.claim(here);
      if (lapse !== undefined) await opened.advance(lapse);
      const answers = await both({ runId: run.runId, attempt: 1 });
      const [record, attempts, output, deliveries] = await Promise.all([
        here.run(run.runId),
        there.attempts(run.runId),
        here.payload(run.runId, 'output'),
        here.deliveries(run.runId),
      ]);
      const { status } = record!;
      // A callback is told once, and of what is then stored.
      const told = status === 'queued' || status === 'running' ? [] : [CALLBACK_EVENTS[status]];
      expect(deliveries.map(({ event }) => event)).toEqual(told);
      // A worker that hands in an outcome has stopped, refused or not.
      if (race.calls.some((name) => HAND_IN.includes(name))) expect(attempts[0]!.stoppedAt).not.toBeNull();
      await here.cancel(run.runId);
      const words = (readable(output) as { body: string } | null)?.body;
      return {
        answers,
        status,
        attempts: attempts.map(({ outcome }) => outcome),
        ...(words === undefined ? {} : { output: words }),
      };
    }

    describe.each(RACES.map((race) => [...race.calls, race] as const))('%s and %s', (one, other, race) => {
      const cause = (name: CallName, ledger: Ledger, held: Claim): Promise<string> => CALLS[name](ledger, held);

      test('the first one is served as if it were alone, and the second finds what it left', async () => {
        expect(
          await outcomeOf(race, async (held) => {
            const first = await cause(one, here, held);
            return [first, await cause(other, there, held)];
          }),
        ).toEqual(race.oneFirst);
        expect(
          await outcomeOf(race, async (held) => {
            const first = await cause(other, there, held);
            return [await cause(one, here, held), first];
          }),
        ).toEqual(race.otherFirst);
      });

      test('made at once, one of them was first', async () => {
        const serial = [race.oneFirst, race.otherFirst];
        for (let round = 0; round < ROUNDS[driver.name]; round += 1) {
          // From two servers, and from one that may write both calls together.
          const ledgers = [[here, there] as const, [there, here] as const, [here, here] as const][round % 3]!;
          const inOrder = await outcomeOf(race, (held) =>
            Promise.all([cause(one, ledgers[0], held), cause(other, ledgers[1], held)]),
          );
          expect(serial).toContainEqual(inOrder);
          const reversed = await outcomeOf(race, async (held) => {
            const [second, first] = await Promise.all([cause(other, ledgers[1], held), cause(one, ledgers[0], held)]);
            return [first, second];
          });
          expect(serial).toContainEqual(reversed);
        }
      });
    });
  });
}
