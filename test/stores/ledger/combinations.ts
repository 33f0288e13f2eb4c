// Every state that a run can be in × every event × every attempt that a claim can name. What must
// come of each is worked out from the table of transitions and from one rule: only the current
// attempt of a run that is running may write. Whole records are compared, of the run and of what
// stands around it, so that what should not change is seen not to change.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CALLBACK_EVENTS } from '../../../src/domain/delivery.ts';
import type { RunError } from '../../../src/domain/errors.ts';
import {
  ENDED_STATUSES,
  isEnded,
  type RunEvent,
  type RunKind,
  type RunStatus,
  TRANSITIONS,
} from '../../../src/domain/run.ts';
import { after, days, type Duration, type Instant, milliseconds, minutes, seconds } from '../../../src/domain/time.ts';
import type {
  AttemptRecord,
  AttemptResult,
  Claim,
  ClaimedRun,
  EndpointDepth,
  Ledger,
  Collected,
  NewRun,
  RunRecord,
} from '../../../src/stores/ledger/ledger.ts';
import type { DriverUnderTest, OpenedLedger } from './drivers.ts';
import { IN_THE_LEDGERS_WORDS } from './model-ledger.ts';
import { readable, SAID_BY_THE_TEST, withoutOwnWords } from './model-view.ts';
import { batch, call, chunk, deployment, inline } from './runs.ts';

const ME = 'server-a';
const LEASE = seconds(30);
const QUEUE_TTL = minutes(10);
const RETENTION = minutes(30);
const DELAY = seconds(3);
/** Longer than all combinations of a state take together. */
const FOR_GOOD = days(900);
const ERROR = { type: 'model-error', detail: SAID_BY_THE_TEST } as const;
const CRASHED = { type: 'replica-crashed', detail: SAID_BY_THE_TEST } as const;
const LOST_WORKER = { type: 'replica-crashed', detail: IN_THE_LEDGERS_WORDS } as const;
const WAITED = { type: 'queue-expired', detail: IN_THE_LEDGERS_WORDS } as const;
const OUTPUT = inline('{"y":2}');
const { body: _, ...OUTPUT_FACTS } = OUTPUT;
/** Where every attempt runs. */
const SLOT = { replica: 'r1', coldStart: milliseconds(7) };
const NOT_OVER = { finishedAt: null, stoppedAt: null, outcome: null, error: null };
const PROGRESS = { done: 1, total: 3, failed: 0 };
const RETRY: AttemptResult = { kind: 'retry', error: ERROR, delay: seconds(0) };

/** The run that a combination is about. */
interface Subject {
  readonly opened: OpenedLedger;
  readonly ledger: Ledger;
  readonly run: NewRun;
}

const claimRuns = async ({ ledger, run }: Subject): Promise<ClaimedRun[]> => {
  const lane = run.kind === 'batch' ? 'engine' : 'replica';
  return ledger.claim({ endpoint: 'echo', version: 1, lane, slots: [SLOT], alone: true, owner: ME, lease: LEASE });
};
const claim = async (subject: Subject): Promise<Claim[]> => (await claimRuns(subject)).map((claimed) => claimed.claim);
const finish = async ({ ledger }: Subject, held: Claim, result: AttemptResult): Promise<unknown> =>
  (await ledger.finish([{ claim: held, result, progress: null }]))[0];
const attempt = async (subject: Subject, result: AttemptResult): Promise<unknown> => {
  const [held] = await claim(subject);
  await subject.opened.advance(seconds(1));
  return finish(subject, held!, result);
};
const loseWorker = async (subject: Subject): Promise<void> => {
  await claim(subject);
  await subject.opened.advance(LEASE);
  await subject.ledger.reclaim(ME);
};

/** A state that a run can be in, and how it comes there from being queued. */
interface State {
  readonly status: RunStatus;
  readonly attempts: number;
  readonly enter: (subject: Subject) => Promise<unknown>;
  /** Which kinds of runs can be in it, unless all can. */
  readonly kinds?: readonly RunKind[];
}

const STATES: Readonly<Record<string, State>> = {
  queued: { status: 'queued', attempts: 0, enter: async () => {} },
  'queued again after a failed attempt': { status: 'queued', attempts: 1, enter: (run) => attempt(run, RETRY) },
  'queued again after it was handed back': {
    status: 'queued',
    attempts: 1,
    enter: (run) => attempt(run, { kind: 'released' }),
  },
  'queued again after its worker was lost': { status: 'queued', attempts: 1, enter: loseWorker },
  'running its first attempt': { status: 'running', attempts: 1, enter: (run) => claim(run) },
  'running its second attempt': {
    status: 'running',
    attempts: 2,
    async enter(run) {
      await attempt(run, RETRY);
      await claim(run);
    },
  },
  'running again after its worker was lost': {
    status: 'running',
    attempts: 2,
    async enter(run) {
      await loseWorker(run);
      await claim(run);
    },
  },
  succeeded: {
    status: 'succeeded',
    attempts: 1,
    enter: (run) => attempt(run, { kind: 'succeeded', output: OUTPUT }),
  },
  'failed by its model': {
    status: 'failed',
    attempts: 1,
    enter: (run) => attempt(run, { kind: 'failed', error: ERROR }),
  },
  'failed by lost workers': {
    status: 'failed',
    attempts: 2,
    async enter(run) {
      await loseWorker(run);
      await loseWorker(run);
    },
    // A batch is taken up again however often.
    kinds: ['call', 'chunk'],
  },
  'failed by waiting too long': {
    status: 'failed',
    attempts: 0,
    async enter({ opened, ledger }) {
      await opened.advance(QUEUE_TTL);
      await ledger.expire();
    },
    // A chunk waits inside its batch, however long.
    kinds: ['call', 'batch'],
  },
  'cancelled while it was queued': {
    status: 'cancelled',
    attempts: 0,
    enter: ({ ledger, run }) => ledger.cancel(run.runId),
  },
  'cancelled while it ran': {
    status: 'cancelled',
    attempts: 1,
    async enter(run) {
      await claim(run);
      await run.ledger.cancel(run.run.runId);
    },
  },
};

/** Something that happens, and what it changes where it finds what it needs. */
interface Event {
  /** Which kinds of runs it can happen to, unless it can to all. */
  readonly kinds?: readonly RunKind[];
  /** What the run is handed in with, so that it can happen. */
  readonly given?: Partial<NewRun>;
  /** What has to pass first. */
  readonly wait?: Duration;
  /** Whether it is done under a claim, and so is tried with every attempt that one can name. */
  readonly isUnderClaim: boolean;
  readonly cause: (subject: Subject, held: Claim) => Promise<unknown>;
  /** The transition of the table that it is; null where it leaves the status as it is. */
  readonly transition: ((before: View) => RunEvent) | null;
  /** What it finds, where that is less than the transition allows, or where it is none. */
  readonly finds?: readonly RunStatus[];
  /** What it leaves on the run beside the status and its times. */
  readonly leaves?: Partial<RunRecord>;
  /**
   * How the attempt that was under way has ended with it, and why: the run's own error, where it
   * fails.
   */
  readonly outcome?: AttemptRecord['outcome'];
  readonly error?: RunError;
  /** How long a run that is queued again has to wait. */
  readonly delay?: Duration;
  /**
   * Whether the worker of the attempt says that it has stopped; that is noted even from one that
   * has lost its claim.
   */
  readonly tellsOfStop?: true;
  readonly addsChunk?: true;
  /** What it answers when it finds what it needs, and when it does not. */
  readonly answers: (before: View, to: RunStatus) => readonly [done: unknown, refused: unknown];
}

const RECORDED: Event['answers'] = () => ['recorded', 'lost'];
const FINDS_NOTHING: readonly RunStatus[] = [];

const finishing = (result: AttemptResult, transition: RunEvent, what: Partial<Event>): Event => ({
  isUnderClaim: true,
  cause: (subject, held) => finish(subject, held, result),
  transition: () => transition,
  tellsOfStop: true,
  answers: RECORDED,
  ...what,
});

const EVENTS: Readonly<Record<string, Event>> = {
  claim: {
    isUnderClaim: false,
    cause: async (subject) => (await claimRuns(subject)).map(({ claim: held, alone }) => ({ ...held, alone })),
    transition: () => 'claim',
    answers: (before) => [
      [{ runId: before.run.runId, attempt: before.run.attempt + 1, alone: hasLostWorker(before) }],
      [],
    ],
  },
  renew: {
    isUnderClaim: true,
    cause: async ({ ledger }, held) => (await ledger.renew([held], LEASE))[0],
    transition: null,
    finds: ['running'],
    answers: RECORDED,
  },
  progress: {
    kinds: ['batch'],
    isUnderClaim: true,
    cause: ({ ledger }, held) => ledger.progress(held, PROGRESS),
    transition: null,
    finds: ['running'],
    leaves: { progress: PROGRESS },
    answers: RECORDED,
  },
  'enqueue a chunk': {
    kinds: ['batch'],
    isUnderClaim: true,
    cause: async ({ ledger }, held) => (await ledger.enqueue([chunk(held, 0, 1)]))[0]!.result,
    transition: null,
    finds: ['running'],
    addsChunk: true,
    answers: () => ['enqueued', 'refused'],
  },
  'finish with an output': finishing({ kind: 'succeeded', output: OUTPUT }, 'succeed', {
    leaves: { output: OUTPUT_FACTS },
    outcome: 'succeeded',
  }),
  'finish with an error': finishing({ kind: 'failed', error: ERROR }, 'fail', {
    outcome: 'failed',
    error: ERROR,
  }),
  'finish to try again': finishing({ kind: 'retry', error: ERROR, delay: DELAY }, 'requeue', {
    outcome: 'failed',
    error: ERROR,
    delay: DELAY,
  }),
  'finish to try again after a crash': finishing({ kind: 'retry', error: CRASHED, delay: seconds(0) }, 'requeue', {
    outcome: 'failed',
    error: CRASHED,
  }),
  'hand back': finishing({ kind: 'released' }, 'requeue', { outcome: 'released' }),
  cancel: {
    isUnderClaim: false,
    cause: ({ ledger, run }) => ledger.cancel(run.runId),
    transition: () => 'cancel',
    outcome: 'cancelled',
    answers: ({ run: { runId, attempt: last, status } }) => [
      { result: 'cancelled', stopped: status === 'running' ? [{ runId, attempt: last }] : [] },
      { result: status === 'cancelled' ? 'already-cancelled' : 'ended' },
    ],
  },
  purge: {
    kinds: ['call', 'batch'],
    isUnderClaim: false,
    cause: ({ ledger }) => ledger.purge({ endpoint: 'echo' }),
    transition: () => 'cancel',
    finds: ['queued'],
    answers: ({ run: { runId } }) => [
      { cancelled: [runId], stopped: [] },
      { cancelled: [], stopped: [] },
    ],
  },
  'reclaim while its lease is good': {
    isUnderClaim: false,
    wait: milliseconds(LEASE - 1),
    cause: ({ ledger }) => ledger.reclaim(ME),
    transition: null,
    finds: FINDS_NOTHING,
    answers: () => [[], []],
  },
  'reclaim once its lease has lapsed': {
    isUnderClaim: false,
    wait: LEASE,
    cause: ({ ledger }) => ledger.reclaim(ME),
    transition: ({ run, attempts }) => (run.kind !== 'batch' && attempts.length >= LOST_WORKERS ? 'fail' : 'requeue'),
    outcome: 'lost',
    error: LOST_WORKER,
    answers: ({ run: { runId, endpoint, parentId } }, status) => [[{ runId, endpoint, parentId, status }], []],
  },
  'expire while it may wait': {
    isUnderClaim: false,
    wait: milliseconds(QUEUE_TTL - 1),
    cause: ({ ledger }) => ledger.expire(),
    transition: null,
    finds: FINDS_NOTHING,
    answers: () => [[], []],
  },
  'expire once it has waited too long': {
    kinds: ['call', 'batch'],
    isUnderClaim: false,
    wait: QUEUE_TTL,
    cause: ({ ledger }) => ledger.expire(),
    transition: () => 'expire',
    error: WAITED,
    answers: ({ run: { runId, endpoint, parentId } }, status) => [[{ runId, endpoint, parentId, status }], []],
  },
  'let go while its payloads are kept': {
    isUnderClaim: false,
    given: { retention: RETENTION },
    wait: milliseconds(RETENTION - 1),
    cause: ({ ledger }) => collect(ledger),
    transition: null,
    finds: FINDS_NOTHING,
    answers: () => [null, { runs: 0, blobs: [] }],
  },
  'let go once they are not': {
    // A chunk's are kept for as long as its batch has not ended.
    kinds: ['call', 'batch'],
    isUnderClaim: false,
    given: { retention: RETENTION },
    wait: RETENTION,
    cause: ({ ledger }) => collect(ledger),
    transition: null,
    finds: ENDED_STATUSES,
    leaves: { payloadsKept: false },
    answers: () => [
      { runs: 1, blobs: [] },
      { runs: 0, blobs: [] },
    ],
  },
};
/**
 * Lets go; whose logs go with it hangs on how many attempts there were, which the random histories
 * hold against their model.
 */
async function collect(ledger: Ledger): Promise<Omit<Collected, 'logs'>> {
  const { runs, blobs } = await ledger.collect();
  return { runs, blobs };
}

/** After how many lost workers a call or a chunk fails here. */
const LOST_WORKERS = 2;

/** What there is to know of a run, from which the rest follows. */
interface View {
  readonly run: RunRecord;
  readonly attempts: readonly AttemptRecord[];
  readonly chunks: number;
}

/** Whether it is to run alone from now on; a batch holds no replica, and never is. */
const hasLostWorker = ({ run, attempts }: View): boolean =>
  run.kind !== 'batch' && attempts.some(({ error }) => error?.type === 'replica-crashed');

/** All that is seen of a run, its endpoint and its outbox. */
interface Sight extends View {
  readonly input: unknown;
  readonly output: unknown;
  readonly depth: EndpointDepth;
  readonly told: readonly string[];
}

/** All that should be seen where a run is so. */
function sightOf(view: View, given: NewRun): Sight {
  const { run, chunks } = view;
  const { status, kind, payloadsKept } = run;
  const [isQueued, isRunning] = [status === 'queued', status === 'running'];
  return {
    ...view,
    input: payloadsKept ? readable(given.input) : null,
    output: payloadsKept && status === 'succeeded' ? readable(OUTPUT) : null,
    depth: {
      endpoint: 'echo',
      queued: isQueued && kind !== 'chunk' ? 1 : 0,
      backlog: (isQueued && kind !== 'batch' ? 1 : 0) + chunks,
      alone: isQueued && hasLostWorker(view) ? 1 : 0,
      running: isRunning ? 1 : 0,
      oldestQueuedAt: isQueued && kind !== 'chunk' ? run.createdAt : null,
    },
    told: isEnded(status) ? [CALLBACK_EVENTS[status]] : [],
  };
}

/**
 * What an event should answer and leave behind: the table of transitions, the rule about claims,
 * and what follows from a change of status.
 */
function expectedOf(before: View, event: Event, held: Claim, now: Instant): { answer: unknown; after: View } {
  const { run, attempts, chunks } = before;
  const name = event.transition?.(before) ?? null;
  const to = name === null ? run.status : TRANSITIONS[name].to;
  const from: readonly RunStatus[] = event.finds ?? TRANSITIONS[name!].from;
  const isHeld = run.status === 'running' && held.attempt === run.attempt;
  const happens = from.includes(run.status) && (isHeld || !event.isUnderClaim);
  const [done, refused] = event.answers(before, to);

  const told = event.tellsOfStop === true ? held.attempt : null;
  const heard = attempts.map((one) => (one.attempt === told ? { ...one, stoppedAt: one.stoppedAt ?? now } : one));
  if (!happens) return { answer: refused, after: { run, attempts: heard, chunks } };

  const changed = {
    ...run,
    status: to,
    ...event.leaves,
    ...(name !== null && to === 'failed' ? { error: event.error! } : {}),
  };
  const wasOver = { outcome: event.outcome ?? null, error: event.error ?? null, finishedAt: now };
  const ended = heard.map((one) => (one.outcome === null ? { ...one, ...wasOver } : one));
  if (name === null)
    return { answer: done, after: { run: changed, attempts, chunks: chunks + (event.addsChunk === true ? 1 : 0) } };
  if (to === 'running') {
    const started = { attempt: run.attempt + 1, ...SLOT, startedAt: now, ...NOT_OVER };
    const claimed = { ...changed, attempt: run.attempt + 1, startedAt: run.startedAt ?? now };
    return { answer: done, after: { run: claimed, attempts: [...attempts, started], chunks } };
  }
  const times = to === 'queued' ? { dueAt: after(now, event.delay ?? seconds(0)) } : { finishedAt: now };
  return { answer: done, after: { run: { ...changed, ...times }, attempts: ended, chunks } };
}

/**
 * The attempts that a claim of a run can name: its current one, the one before, the next one, and
 * none.
 */
const attemptsToName = (last: number): number[] => [...new Set([last, Math.max(0, last - 1), last + 1, 0])];

/**
 * Every combination of a state: with each event that can happen to a kind, every attempt that its
 * claim can name.
 */
function combinationsOf({ attempts, kinds = ['call', 'batch', 'chunk'] }: State) {
  return kinds.flatMap((kind) =>
    Object.entries(EVENTS)
      .filter(([, event]) => event.kinds?.includes(kind) ?? true)
      .flatMap(([name, event]) =>
        (event.isUnderClaim ? attemptsToName(attempts) : [attempts]).map((named) => ({ kind, name, event, named })),
      ),
  );
}

/**
 * What stands around the run under test, and must stand there still when everything has been tried.
 */
interface Surroundings {
  /** The claim of the batch whose chunks are tried. */
  readonly parent: Claim;
  readonly look: () => Promise<unknown>;
}

async function surround(ledger: Ledger): Promise<Surroundings> {
  const lasting = { queueTtl: FOR_GOOD, retention: FOR_GOOD };
  const [parent, waiting, running, done] = [
    batch(lasting),
    call({ ...lasting, endpoint: 'other', priority: -1 }),
    call({ ...lasting, endpoint: 'other' }),
    call({ ...lasting, endpoint: 'other', priority: 1 }),
  ];
  for (const name of ['echo', 'other']) await ledger.deploy(deployment({ name }));
  await ledger.enqueue([parent, done, running, waiting]);
  const slots = [SLOT, SLOT];
  const asked = { version: 1, slots, alone: true, owner: ME, lease: FOR_GOOD };
  const [held] = await ledger.claim({ ...asked, endpoint: 'echo', lane: 'engine' });
  const [first] = await ledger.claim({ ...asked, endpoint: 'other', lane: 'replica' });
  const output = { kind: 'succeeded', output: OUTPUT } as const;
  await ledger.finish([{ claim: first!.claim, result: output, progress: null }]);
  const all = [parent, waiting, running, done];
  return {
    parent: held!.claim,
    async look() {
      const [depths, ...seen] = await Promise.all([
        ledger.depths(),
        ...all.flatMap(({ runId }) => [ledger.run(runId), ledger.attempts(runId), ledger.deliveries(runId)]),
      ]);
      return [depths.filter(({ endpoint }) => endpoint === 'other'), ...seen];
    },
  };
}

/** Runs the suite against a driver. */
export function describeCombinations(driver: DriverUnderTest): void {
  describe.each(Object.entries(STATES))(`${driver.name} ledger, a run that is %s`, (stateName, state) => {
    const combinations = combinationsOf(state);
    let opened: OpenedLedger;
    let around: Surroundings;
    let chunksMade = 0;
    beforeAll(async () => {
      opened = await driver.open();
      around = await surround(opened.ledger);
    });
    afterAll(() => opened.close());

    function newRun(kind: RunKind, given: Partial<NewRun> = {}): NewRun {
      const callback = { url: 'https://example.com/hook', events: Object.values(CALLBACK_EVENTS) };
      const changes = { retention: FOR_GOOD, callback, lostWorkersMax: LOST_WORKERS, ...given };
      if (kind === 'call') return call({ ...changes, queueTtl: QUEUE_TTL });
      if (kind === 'batch') return batch({ ...changes, queueTtl: QUEUE_TTL, lostWorkersMax: null });
      chunksMade += 1;
      return { ...chunk(around.parent, chunksMade, chunksMade + 1), ...changes };
    }

    async function look({ ledger, run }: Subject): Promise<Sight> {
      const { runId, kind } = run;
      const [record, attempts, input, output, deliveries, chunks, depths] = await Promise.all([
        ledger.run(runId),
        ledger.attempts(runId),
        ledger.payload(runId, 'input'),
        ledger.payload(runId, 'output'),
        ledger.deliveries(runId),
        kind === 'batch' ? ledger.chunks(runId) : [],
        ledger.depths(),
      ]);
      const depth = depths.find(({ endpoint }) => endpoint === 'echo')!;
      return {
        run: withoutOwnWords(record!),
        attempts: attempts.map(withoutOwnWords),
        chunks: chunks.length,
        input: readable(input),
        output: readable(output),
        // But for the batch whose chunks are tried.
        depth: { ...depth, running: depth.running - 1 },
        told: deliveries.map(({ event }) => event),
      };
    }

    test(`is left by ${combinations.length} combinations of an event and a claim as the transitions say`, async () => {
      const { ledger } = opened;
      for (const { kind, name, event, named } of combinations) {
        const combination = `a ${kind} that is ${stateName}: ${name}, attempt ${named}`;
        const subject: Subject = { opened, ledger, run: newRun(kind, event.given) };
        await ledger.enqueue([subject.run]);
        await state.enter(subject);
        const before = await look(subject);
        const { status, attempts: attempt } = state;
        expect({ combination, ...before }).toMatchObject({ combination, run: { kind, status, attempt } });
        const standing = await around.look();

        // A moment at least, so that what happens now is told from what has happened before.
        await opened.advance(event.wait ?? milliseconds(1));
        const held = { runId: subject.run.runId, attempt: named };
        const expected = expectedOf(before, event, held, opened.clock.now());
        const answer = await event.cause(subject, held);
        const [sight, nowStanding] = await Promise.all([look(subject), around.look()]);
        const violations = driver.name === 'SQLite' ? await ledger.audit() : [];
        expect({ combination, answer, sight, nowStanding, violations }).toEqual({
          combination,
          answer: expected.answer,
          sight: sightOf(expected.after, subject.run),
          nowStanding: standing,
          violations: [],
        });

        await ledger.cancel(subject.run.runId);
        if (event.given === undefined) continue;
        await opened.advance(RETENTION);
        await ledger.collect();
      }
      // An audit of Postgres is two dozen statements, so there is one of everything that was done.
      expect(await ledger.audit()).toEqual([]);
    });
  });
}
