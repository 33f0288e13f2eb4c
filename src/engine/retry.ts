// A run that has ended, handed in again: the same input and the same options, under the endpoint's
// current version.

import { ServiceError } from '../domain/errors.ts';
import { isEnded } from '../domain/run.ts';
import type { RunRecord } from '../stores/ledger/ledger.ts';
import type { Submission, SubmittedInput } from './intake.ts';
import { type OpenStored, openStored, type StoredDeps } from './stored.ts';

/** What it takes to try a run again. */
export interface RetryDeps extends StoredDeps {
  /** Stores an input that is too large to be held. */
  readonly storeInput: (
    chunks: AsyncIterable<Uint8Array>,
    contentType: string,
    bytesMax: number,
  ) => Promise<SubmittedInput>;
}

/**
 * What to submit so that a run is tried again. The new run has a copy of the input, since the old
 * one's ends with the old one's retention.
 *
 * @throws ServiceError `run-not-ended`, `output-expired` when its input is no longer kept,
 *   `invalid-request` for a chunk
 */
export async function retrySubmission(
  deps: RetryDeps,
  run: RunRecord,
  asked: Pick<Submission, 'deployed' | 'principal' | 'idempotencyKey' | 'trace'>,
): Promise<Submission> {
  const { runId } = run;
  if (run.parentId !== null) {
    throw new ServiceError(
      'invalid-request',
      `Run ${runId} is a chunk of batch ${run.parentId} and cannot be retried alone. Retry the batch instead.`,
      { runId, members: { parent_id: run.parentId } },
    );
  }
  if (!isEnded(run.status)) {
    throw new ServiceError(
      'run-not-ended',
      `Run ${runId} is ${run.status}. It can be retried once it has ended; cancel it first if it is not wanted any more.`,
      { runId },
    );
  }
  const input = run.payloadsKept ? await openStored(deps, runId, 'input') : null;
  if (input === null) {
    throw new ServiceError(
      'output-expired',
      `The input of run ${runId} is no longer kept, so it cannot be retried. Submit the input again.`,
      { runId },
    );
  }
  return {
    ...asked,
    input: await copyOf(deps, input),
    inputPointer: '',
    accept: run.accept,
    batch: run.batch ?? 'off',
    runName: run.runName,
    timeout: run.timeout,
    queueTtl: run.queueTtl,
    priority: run.priority,
    metadata: run.metadata,
    concurrencyKey: run.concurrencyKey,
    retryOf: runId,
    callback: run.callback === null ? null : { ...run.callback, pointer: '' },
  };
}

async function copyOf({ storeInput }: RetryDeps, { content, contentType, bytes }: OpenStored): Promise<SubmittedInput> {
  return content instanceof Uint8Array ? { bytes: content, contentType } : storeInput(content, contentType, bytes);
}
