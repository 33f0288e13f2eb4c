// The only reader of the clock, and of the randomness that ids and jitter are made of.

import { randomUUIDv7 } from 'node:crypto';
import type { RunId } from './domain/ids.ts';
import { type Instant, instant } from './domain/time.ts';

/** What time it is, for whoever must not ask the machine: tests move their own by hand. */
export interface Clock {
  now(): Instant;
}

/** The machine's clock. */
export const systemClock: Clock = { now: () => instant(Date.now()) };

/** A new run id: a UUIDv7, so that ids sort roughly by the time they were made. */
export const newRunId = (): RunId => randomUUIDv7() as RunId;

/** A number from 0 to 1, for spreading retries out. */
export const jitter = (): number => Math.random();
