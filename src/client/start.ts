// Starts a run: the one place that posts an invocation.

import type { RunBody } from '../wire/runs.ts';
import { type ClaimcheckError, DrainingError, WaitExceededError } from './errors.ts';
import { idempotencyKey, requestOf, type Submission } from './submission.ts';
import { jsonOf, type Transport } from './transport.ts';

/** A run that the server has. */
export interface Started {
  readonly runId: string;
  /** The run as the server answered it; null where all that is known is that it goes on. */
  readonly run: RunBody | null;
}

/**
 * How often a job is started anew after runs that failed: each of them has to be asked about, input
 * and all, to find that out.
 */
const JOB_STARTS_MAX = 20;

/**
 * Hands an invocation in and answers the run that came of it. However often the request has to be
 * sent, it is one run.
 *
 * @throws ClaimcheckError for a refused invocation, and for a synchronous one whose run failed
 *   while the server waited for it; TypeError for a job under whose key too many runs have failed
 */
export async function startRun(transport: Transport, submission: Submission): Promise<Started> {
  const { jobKey } = submission.options;
  for (let start = 1; ; start += 1) {
    const { started, replayed } = await post(transport, submission, idempotencyKey(submission, start));
    const status = started.run?.status;
    const failedBefore = replayed && (status === 'failed' || status === 'cancelled');
    if (!failedBefore || jobKey === undefined) return started;
    if (start === JOB_STARTS_MAX)
      throw new TypeError(
        `jobKey "${jobKey}" is used up: ${start} runs have failed or were cancelled under it, run ${started.runId} as the last. Use another key.`,
      );
  }
}

async function post(
  transport: Transport,
  submission: Submission,
  key: string,
): Promise<{ started: Started; replayed: boolean }> {
  const request = requestOf(submission);
  try {
    const answer = await transport.send({ ...request, headers: { ...request.headers, 'idempotency-key': key } });
    const run = jsonOf<RunBody>(answer, request.path);
    return { started: { runId: run.run_id, run }, replayed: answer.headers.get('idempotency-replayed') === 'true' };
  } catch (error) {
    if (!goesOn(error)) throw error;
    return { started: { runId: error.runId, run: null }, replayed: false };
  }
}

/**
 * The server stopped waiting, because of the time or because it stops itself; it has the run, which
 * goes on.
 */
function goesOn(error: unknown): error is ClaimcheckError & { readonly runId: string } {
  return (error instanceof WaitExceededError || error instanceof DrainingError) && error.runId !== null;
}
