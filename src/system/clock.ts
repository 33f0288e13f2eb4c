// The only reader of the clock, and of the randomness that ids and jitter are made of.

import { randomUUIDv7 } from 'node:crypto';
import type { RunId } from '../domain/ids.ts';
import { type Duration, type Instant, instant, type Moment, moment } from '../domain/time.ts';

/** What time it is, for code that must not ask the machine: tests move their own by hand. */
export interface Clock {
  /** As people and other machines have it; it may be set, forward and back. */
  now(): Instant;
  /** It goes on when `now` is set, and stands while the machine sleeps. */
  steady(): Moment;
}

/**
 * The machine's clock that nobody can set, in whole milliseconds: no column of a ledger takes a
 * part of one.
 */
export const steadyNow = (): Moment => moment(Math.floor(performance.now()));

/** The machine's clock. */
export const systemClock: Clock = { now: () => instant(Date.now()), steady: steadyNow };

/**
 * A clock that begins at the time that another has, and goes on from there when that one is set.
 */
export function unset(clock: Clock): Clock {
  const ahead = clock.now() - clock.steady();
  return { now: () => instant(Math.round(clock.steady() + ahead)), steady: () => clock.steady() };
}

/**
 * A clock for the collectors of what is old: by it, nothing is older than it can be, whether the
 * time of its making or the time now is one that the clock was set to since.
 */
export function cautious(clock: Clock): Clock {
  const going = unset(clock);
  return { now: () => instant(Math.min(clock.now(), going.now())), steady: () => clock.steady() };
}

/**
 * Longest time that one of Node's timers holds, in milliseconds; anything longer would fire at
 * once.
 */
const TIMER_MAX = 2 ** 31 - 1;

/** Calls `onEnd` after a time of any length; answers how to stop that. */
export function startTimer(duration: Duration, onEnd: () => void): () => void {
  let timer: NodeJS.Timeout;
  const arm = (left: number): void => {
    timer = setTimeout(() => (left > TIMER_MAX ? arm(left - TIMER_MAX) : onEnd()), Math.min(left, TIMER_MAX));
  };
  arm(duration);
  return () => clearTimeout(timer);
}

/** A new run id: a UUIDv7, so that ids sort roughly by the time they were made. */
export const newRunId = (): RunId => randomUUIDv7() as RunId;

/** A number from 0 to 1, for spreading retries out. */
export const jitter = (): number => Math.random();
