// How long things are kept once nobody works on them any more.

import { days, type Duration, hours } from './time.ts';

/**
 * How long the input and the output of a run are kept after its end, where its endpoint says
 * nothing. Source: the HTTP contract.
 */
export const DEFAULT_RETENTION: Duration = days(7);

/**
 * How long a run's own line is kept after its end, its input and output gone or not. Source: the
 * HTTP contract.
 */
export const LINE_KEPT: Duration = days(30);

/**
 * How long an idempotency key stands for its run. Source: the HTTP contract, which promises at
 * least this.
 */
export const IDEMPOTENCY_KEY_KEPT: Duration = hours(24);
