// What callbacks are told of a run, and asking for a delivery again.

import type { DeliveryId } from '../domain/delivery.ts';
import { ServiceError } from '../domain/errors.ts';
import { isEnded } from '../domain/run.ts';
import type { DeliveryLedger, DeliveryRecord, RunReader, RunRecord } from '../stores/ledger/ledger.ts';

/**
 * Makes a delivery of a run due, regardless of its outcome so far; answers it as it then stands.
 *
 * @throws ServiceError `run-not-ended`, `delivery-not-found`
 */
export async function redeliver(
  ledger: DeliveryLedger & RunReader,
  { runId, status, callback }: RunRecord,
  deliveryId: DeliveryId,
): Promise<DeliveryRecord> {
  if (!isEnded(status))
    throw new ServiceError('run-not-ended', `Run ${runId} is ${status}, and nobody was told of anything yet.`, {
      runId,
    });
  const isThere = await ledger.redeliver(runId, deliveryId);
  const delivery = (await ledger.deliveries(runId)).find((one) => one.deliveryId === deliveryId);
  if (isThere && delivery !== undefined) return delivery;
  const why =
    callback === null ? 'it was submitted without a callback_url' : `GET /runs/${runId}/deliveries lists what it has`;
  throw new ServiceError('delivery-not-found', `Run ${runId} has no such delivery: ${why}.`, { runId });
}
