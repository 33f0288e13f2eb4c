// A run as it is followed: what has happened to it so far, what its model wrote, and then
// everything that comes, up to its end.
//
// What is followed is looked at again and again: the ledger's history of the run, and the files
// with its lines. A change that is heard of in this process brings the next look forward, so
// nothing is right only because it was heard, and what another server does is seen within a second.
// Nothing is read, and no text is made, before the follower asks for more: one that reads slowly
// misses no event and no line, and of progress, which has no history, it gets the newest.

import type { Clock } from '../system/clock.ts';
import type { Progress } from '../domain/batch.ts';
import type { RunError } from '../domain/errors.ts';
import type { RunId } from '../domain/ids.ts';
import { isEnded, type RunStatus } from '../domain/run.ts';
import { between, type Duration, elapsed, type Instant, milliseconds, type Moment, seconds } from '../domain/time.ts';
import type { AttemptRecord, RunDetails, RunReader, RunRecord } from '../stores/ledger/ledger.ts';
import type { RunLogs } from '../stores/run-logs/run-logs.ts';
import { historyOf, type HistoryEvent } from './history.ts';
import type { RunEvents } from './run-events.ts';

/** Pause after which a run is looked at although nothing was heard of it. */
const LOOK_EVERY: Duration = seconds(1);
/**
 * Shortest time from one look to the next, however much is heard: a model may write a thousand
 * lines a second.
 */
const LOOK_PAUSE: Duration = milliseconds(50);
/**
 * After a cancel, how long the replica is waited for that is still at it, and may write: it has ten
 * seconds before it is killed.
 */
const STOPS_WITHIN: Duration = seconds(15);

/** How far somebody has followed a run; what comes after it is still to be told. */
export interface Place {
  /**
   * The last moment of its history: twice an event's number, and one more for the second thing that
   * the event tells.
   */
  readonly moment: number;
  /** The attempt whose lines were read last, 0 before there was one, and how many bytes of them. */
  readonly attempt: number;
  readonly offset: number;
}

/** Before anything. */
export const BEGINNING: Place = { moment: 0, attempt: 0, offset: 0 };

/** Something that is told of a run; after `place` comes what is told next. */
export type FollowedEvent =
  | {
      readonly kind: 'status';
      readonly place: Place;
      readonly at: Instant;
      readonly status: RunStatus;
      readonly error: RunError | null;
    }
  | { readonly kind: 'attempt'; readonly place: Place; readonly attempt: AttemptRecord }
  /** The newest; it has no place of its own. */
  | { readonly kind: 'progress'; readonly place: Place; readonly progress: Progress }
  /** The JSON text of a `LogLine`. */
  | { readonly kind: 'log'; readonly place: Place; readonly line: string }
  /** Everything was told. */
  | { readonly kind: 'end'; readonly place: Place; readonly run: RunRecord }
  /** Nothing has happened for as long as was asked. */
  | { readonly kind: 'silence' };

/** What it takes to follow a run. */
export interface FollowingDeps {
  readonly ledger: RunReader;
  readonly logs: RunLogs;
  readonly events: RunEvents;
  readonly clock: Clock;
}

/** How a run is followed. */
export interface FollowOptions {
  readonly from: Place;
  /** How long nothing may happen before that is told. */
  readonly silence: Duration;
  /** Nobody follows any more: what has happened up to now is told, and no end. */
  readonly signal: AbortSignal;
}

/** Where the end of a run is, or null while it has none. */
export function placeOfEnd({ run, attempts }: Pick<RunDetails, 'run' | 'attempts'>): number | null {
  return isEnded(run.status) ? 2 * historyOf(run, attempts).at(-1)!.number + 2 : null;
}

/**
 * Follows a run; ends with its `end`, or without one where nobody follows any more or the run is
 * forgotten.
 */
export async function* follow(
  deps: FollowingDeps,
  runId: RunId,
  { from, silence, signal }: FollowOptions,
): AsyncGenerator<FollowedEvent, void> {
  const { ledger, clock } = deps;
  const changes = new Changes(deps, runId, signal);
  const following = new Following(deps.logs, from);
  let toldAt = clock.steady();
  let endedAt: Moment | null = null;
  try {
    let details = await ledger.details(runId);
    while (details !== null) {
      for await (const told of following.look(details)) {
        yield told;
        toldAt = clock.steady();
      }
      const end = placeOfEnd(details);
      if (end !== null) endedAt ??= clock.steady();
      if (end !== null && (hasStopped(details, clock.now()) || elapsed(endedAt!, clock.steady()) >= STOPS_WITHIN))
        return yield following.end(details.run, end);
      if (signal.aborted) return;
      const heard = await changes.next(LOOK_EVERY);
      if (elapsed(toldAt, clock.steady()) >= silence) {
        yield { kind: 'silence' };
        toldAt = clock.steady();
      }
      if (heard !== 'lines') details = await ledger.details(runId);
    }
  } finally {
    changes.close();
  }
}

/**
 * Whether nobody works on a run any more that has ended: after a cancel, its replica may write for
 * a while.
 */
function hasStopped({ attempts }: RunDetails, now: Instant): boolean {
  const last = attempts.at(-1);
  if (last === undefined || last.stoppedAt !== null || last.finishedAt === null) return true;
  return between(last.finishedAt, now) >= STOPS_WITHIN;
}

/** Where somebody is who follows a run. */
class Following {
  readonly #logs: RunLogs;
  #place: Place;
  #progress: string | null = null;

  constructor(logs: RunLogs, from: Place) {
    this.#logs = logs;
    this.#place = from;
  }

  /** Tells everything that was not told yet. */
  async *look({ run, attempts }: RunDetails): AsyncGenerator<FollowedEvent, void> {
    for (const event of historyOf(run, attempts)) {
      const isLast = 'attempt' in event && event.attempt.attempt === run.attempt;
      if (event.kind === 'attempt-ended') {
        // What it has written, and how far it has come, comes before its end.
        yield* this.#lines(run, event.attempt.attempt);
        if (isLast) yield* this.#newest(run);
      }
      for (const [step, told] of toldOf(event, run).entries()) {
        const moment = 2 * event.number + step;
        if (moment <= this.#place.moment) continue;
        this.#place = { ...this.#place, moment };
        yield { ...told, place: this.#place };
      }
    }
    yield* this.#lines(run, run.attempt);
    yield* this.#newest(run);
  }

  end(run: RunRecord, moment: number): FollowedEvent {
    this.#place = { ...this.#place, moment };
    return { kind: 'end', place: this.#place, run };
  }

  async *#lines({ runId, payloadsKept }: RunRecord, attempt: number): AsyncGenerator<FollowedEvent, void> {
    if (!payloadsKept || attempt < Math.max(1, this.#place.attempt)) return;
    if (attempt > this.#place.attempt) this.#place = { ...this.#place, attempt, offset: 0 };
    for (;;) {
      const lines = await this.#logs.readOn(runId, attempt, this.#place.offset);
      if (lines.length === 0) return;
      for (const { line, end } of lines) {
        this.#place = { ...this.#place, offset: end };
        yield { kind: 'log', place: this.#place, line };
      }
    }
  }

  *#newest({ progress }: RunRecord): Generator<FollowedEvent, void> {
    const text = JSON.stringify(progress);
    if (progress === null || text === this.#progress) return;
    this.#progress = text;
    yield { kind: 'progress', place: this.#place, progress };
  }
}

type WithoutPlace<Kind extends FollowedEvent['kind']> = Omit<Extract<FollowedEvent, { kind: Kind }>, 'place'>;

/** What an event tells, in order; never more than two things. */
function toldOf(event: HistoryEvent, run: RunRecord): (WithoutPlace<'status'> | WithoutPlace<'attempt'>)[] {
  const { at, status } = event;
  const error = isEnded(status) ? run.error : null;
  const told = { kind: 'status', at, status, error } as const;
  switch (event.kind) {
    case 'attempt-started':
      return [{ kind: 'attempt', attempt: { ...event.attempt, ...UNFINISHED } }, told];
    case 'attempt-ended':
      return [{ kind: 'attempt', attempt: event.attempt }, told];
    case 'queued':
    case 'ended':
      return [told];
  }
}

/**
 * An attempt as it was when it began, however it has ended since: the same event is the same
 * whenever it is told.
 */
const UNFINISHED = { finishedAt: null, stoppedAt: null, outcome: null, error: null } as const;

/** What is heard of a run, as something that can be waited for. */
class Changes {
  readonly #clock: Clock;
  readonly #stopListening: () => void;
  readonly #signal: AbortSignal;
  #heard: 'nothing' | 'lines' | 'state' = 'nothing';
  #wake: () => void = () => {};
  #lookedAt: Moment | null = null;

  constructor({ events, clock }: FollowingDeps, runId: RunId, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
    this.#stopListening = events.onChange(runId, (what) => {
      if (this.#heard !== 'state') this.#heard = what;
      this.#wake();
    });
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /**
   * Resolves when something was heard since the last time, and not before a moment has passed; or
   * when nothing was for so long.
   */
  async next(atMost: Duration): Promise<'nothing' | 'lines' | 'state'> {
    if (this.#heard === 'nothing') await this.#pause(atMost);
    const since = this.#lookedAt === null ? LOOK_PAUSE : elapsed(this.#lookedAt, this.#clock.steady());
    if (since < LOOK_PAUSE) await this.#pause(milliseconds(LOOK_PAUSE - since), false);
    this.#lookedAt = this.#clock.steady();
    const heard = this.#heard;
    this.#heard = 'nothing';
    return heard;
  }

  close(): void {
    this.#stopListening();
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => this.#wake();

  #pause(duration: Duration, isWoken = true): Promise<void> {
    if (this.#signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, duration);
      this.#wake = () => {
        if (!isWoken && !this.#signal.aborted) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
