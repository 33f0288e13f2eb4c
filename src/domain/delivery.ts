// What a caller is told of a run without asking: one delivery for each event of the run that it
// wants to hear of.

import type { RunId } from './ids.ts';
import type { EndedStatus } from './run.ts';

/** The events that a callback can be told of, by the status that a run ends in. */
export const CALLBACK_EVENTS = {
  succeeded: 'run.succeeded',
  failed: 'run.failed',
  cancelled: 'run.cancelled',
} as const satisfies Record<EndedStatus, string>;

/** The name of an event of a run. */
export type CallbackEvent = (typeof CALLBACK_EVENTS)[EndedStatus];

/** Where a caller wants to be told, and of what. */
export interface Callback {
  readonly url: string;
  readonly events: readonly CallbackEvent[];
}

/**
 * The id of a delivery: it names the event, so it is the same in every attempt, and a
 * receiver that gets it twice can tell.
 */
export type DeliveryId = string & { readonly [deliveryIdBrand]: true };
declare const deliveryIdBrand: unique symbol;

/**
 * The id of the delivery that tells of an event of a run; without a full stop, which webhook
 * signatures use as a separator.
 */
export const deliveryIdOf = (runId: RunId, event: CallbackEvent): DeliveryId =>
  `${runId}_${event.slice('run.'.length)}` as DeliveryId;

/**
 * The host that a URL leads to, with its port where it names one: as the ledgers have it in their
 * column `host`.
 */
export const hostOf = (url: string): string => url.split('/')[2] ?? '';
