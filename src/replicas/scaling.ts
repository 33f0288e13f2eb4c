// How many replicas an endpoint should have: from what waits and runs there, how long a run takes,
// and how long a start takes. Pure.
//
// A replica more is worth its start only where it would finish something sooner than those that are
// there. With n replicas, all that is there takes work × service time ÷ (n × concurrency); once
// that is no longer than a start, another replica would be ready when the work is done. So the
// number is the smallest for which what is left is done within one start, and never more than there
// are places to fill.

import { type Duration, milliseconds } from '../domain/time.ts';

/** What the number of replicas depends on. */
export interface Load {
  /** Runs that wait for a replica. */
  readonly waiting: number;
  /** Places that are taken on replicas. */
  readonly busy: number;
  /** Places of one replica. */
  readonly concurrency: number;
  /** How long an invocation takes, or null before anything is known. */
  readonly serviceTime: Duration | null;
  /** How long a replica takes from its start until it is ready, or null before one was. */
  readonly startTime: Duration | null;
}

/** How many replicas a load deserves, regardless of the limits of its endpoint. */
export function replicasFor({ waiting, busy, concurrency, serviceTime, startTime }: Load): number {
  const work = waiting + busy;
  // What is busy stays, also where fewer could do all that is known of: more may come as it came
  // before.
  const least = Math.max(Math.ceil(busy / concurrency), Math.min(1, work));
  // One shows how long a start and a run take. A fleet that is started on a guess competes for the
  // machine with the first run.
  if (serviceTime === null || startTime === null) return least;
  if (serviceTime >= startTime) return Math.ceil(work / concurrency);
  return Math.max(least, Math.ceil((work * serviceTime) / (concurrency * startTime)));
}

/** Share of the newest value in a mean: what is older than about ten values hardly counts. */
const NEWEST_SHARE = 0.2;

/** The exponentially weighted mean of durations: the newest counts most. */
export class RecentMean {
  #mean: number | null = null;

  add(duration: Duration): void {
    this.#mean = this.#mean === null ? duration : this.#mean + NEWEST_SHARE * (duration - this.#mean);
  }

  /** Null before there is a value. */
  get value(): Duration | null {
    return this.#mean === null ? null : milliseconds(this.#mean);
  }
}
