// From what a receiver answered to what the ledger is told.

import { between, type Duration, type Instant, milliseconds, parseHttpDate, seconds } from '../domain/time.ts';
import type { EgressAnswer } from '../egress/egress.ts';
import type { DeliveryResult } from '../stores/ledger/ledger.ts';
import { pauseAfter, RETRY_AFTER_MAX } from './schedule.ts';

/** Longest detail of an attempt, in characters. Source: control S17 of the reliability page. */
const DETAIL_MAX = 256;

/** An attempt that is over. */
export interface Attempted {
  /** The answer, or why there was none. */
  readonly answer: EgressAnswer | string;
  readonly latency: Duration;
  /** Which attempt of its series it was. */
  readonly tries: number;
  readonly now: Instant;
  readonly jitter: number;
}

/** What a delivery is after an attempt. */
export function outcomeOf({ answer, latency, tries, now, jitter }: Attempted): DeliveryResult {
  if (typeof answer === 'string') return afterFailure({ status: null, latency, detail: `The URL ${answer}.` });
  const met = { status: answer.status, latency, detail: detailOf(answer) };
  if (answer.status >= 200 && answer.status < 300) return { kind: 'delivered', ...met };
  // Gone: the receiver says that it wants no more.
  if (answer.status === 410) return { kind: 'abandoned', ...met };
  return afterFailure(met, askedPause(answer, now));

  function afterFailure(what: typeof met | { status: null; latency: Duration; detail: string }, asked = 0) {
    const pause = pauseAfter(tries, jitter);
    if (pause === null) return { kind: 'abandoned', ...what } as const;
    return { kind: 'retry', ...what, delay: milliseconds(Math.max(pause, asked)) } as const;
  }
}

/** How long a receiver that is busy asks to be left alone. */
function askedPause({ status, headers }: EgressAnswer, now: Instant): Duration {
  const text = String(headers['retry-after'] ?? '');
  if (text === '' || (status !== 429 && status !== 503)) return milliseconds(0);
  const at = parseHttpDate(text);
  const asked = at === null ? (/^\d{1,9}$/.test(text) ? seconds(Number(text)) : 0) : between(now, at);
  return milliseconds(Math.min(RETRY_AFTER_MAX, asked));
}

/**
 * The status, and what the receiver said beside it where it was not content: in one line, without
 * anything that moves a cursor.
 */
function detailOf({ status, body }: EgressAnswer): string {
  if (status >= 300 && status < 400) return `${status}: redirects are not followed`;
  const said =
    status < 300
      ? ''
      : new TextDecoder()
          .decode(body)
          .replaceAll(/[\p{C}\s]+/gu, ' ')
          .trim();
  return (said === '' ? String(status) : `${status}: ${said}`).slice(0, DETAIL_MAX);
}
