// How many deliveries each host has on their way, and how many it may have: few as long as nothing
// is known of it, more while it takes what comes, and few again as soon as it does not. What is
// known is forgotten when nothing more is due.

import { type Duration, seconds } from '../domain/time.ts';
import type { DeliveryResult } from '../stores/ledger/ledger.ts';

/** Places of a host that nothing is known of, or that did not take what came last. */
export const PLACES_MIN = 4;
/**
 * Places of a host that has taken everything for a while: so many connections a receiver has to
 * bear.
 */
export const PLACES_MAX = 16;
/** A receiver that takes a delivery in less is given one place more. */
const QUICK: Duration = seconds(1);

interface Host {
  underway: number;
  places: number;
  /** Whether more may be due for it than it had places for. */
  hasMore: boolean;
}

/** See the head of this file. */
export class Hosts {
  readonly #hosts = new Map<string, Host>();

  /**
   * How many deliveries are on their way, by host, for a look that gives no host more than
   * PLACES_MIN: it walks past what is due for a host that has as many.
   */
  walkedPast(): Record<string, number> {
    for (const [, host] of this.#hosts) host.hasMore ||= host.underway >= PLACES_MIN;
    return Object.fromEntries([...this.#hosts].map(([name, { underway }]) => [name, underway]));
  }

  /** A delivery to a host is on its way. */
  take(name: string): void {
    const host = this.#hosts.get(name) ?? { underway: 0, places: PLACES_MIN, hasMore: false };
    host.underway += 1;
    host.hasMore ||= host.underway >= PLACES_MIN;
    this.#hosts.set(name, host);
  }

  /**
   * It no longer is; `result` is what it came to, or null where nothing is known of that. Answers
   * whether more may be due for the host.
   */
  giveBack(name: string, result: DeliveryResult | null): boolean {
    const host = this.#hosts.get(name)!;
    host.underway -= 1;
    const isTaken = result?.kind === 'delivered' && result.latency <= QUICK;
    host.places = isTaken ? Math.min(PLACES_MAX, host.places + 1) : PLACES_MIN;
    this.#forgetWhereIdle(name, host);
    return host.hasMore;
  }

  /**
   * Places of hosts that more may be due for, `limit` in all at the most; who has the fewest on
   * their way comes first.
   */
  free(limit: number): Record<string, number> {
    const free: Record<string, number> = {};
    let left = limit;
    const waiting = [...this.#hosts].filter(([, { hasMore, underway, places }]) => hasMore && underway < places);
    for (const [name, { underway, places }] of waiting.toSorted(([, a], [, b]) => a.underway - b.underway)) {
      if (left <= 0) break;
      free[name] = Math.min(left, places - underway);
      left -= free[name];
    }
    return free;
  }

  /**
   * Where what was found for places that were free leads to: a host for which it was less than they
   * are has no more.
   */
  found(free: Readonly<Record<string, number>>, ledTo: readonly string[]): void {
    for (const [name, places] of Object.entries(free)) {
      const host = this.#hosts.get(name)!;
      host.hasMore = ledTo.filter((one) => one === name).length >= places;
      this.#forgetWhereIdle(name, host);
    }
  }

  #forgetWhereIdle(name: string, { underway, hasMore }: Host): void {
    if (underway === 0 && !hasMore) this.#hosts.delete(name);
  }
}
