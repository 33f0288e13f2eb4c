// From what a replica answered to what the ledger is told. Pure: the whole table of cases is tested
// without a process.

import type { RunError } from '../domain/errors.ts';
import { EMBEDDED_JSON_BYTES_MAX, isJson } from '../domain/payload.ts';
import { afterFailure, type RetryPolicy } from '../domain/retry.ts';
import { inSeconds } from '../domain/time.ts';
import type { AttemptResult, ClaimedRun } from '../stores/ledger/ledger.ts';
import type { Reply } from '../replicas/contract.ts';

import { checkFits } from '../table/arrow/fits.ts';
import { textTypeOf } from '../table/border.ts';
import { borderFormatOf, TableError, tableFormatOf } from '../table/format.ts';
import { checkOutput } from '../table/merge.ts';
import type { StopReason } from './leases.ts';

/** An attempt that has no output: it failed, or was handed back. */
export type Failure = { readonly kind: 'failed'; readonly error: RunError } | { readonly kind: 'released' };

/** A reply that tells the outcome of the model's work, and not what the server could not do. */
export type ModelReply = Exclude<Reply, { readonly kind: 'own-fault' }>;

/**
 * Why an attempt has no output, or null when its reply is one.
 *
 * @param reason why the attempt was stopped, where it was
 */
export function failureOf(reply: ModelReply, reason: StopReason | null, claimed: ClaimedRun): Failure | null {
  switch (reply.kind) {
    case 'output':
      return claimed.run.rows === null ? failureOfJson(reply) : failureOfChunk(reply, claimed);
    case 'kept':
      return null;
    case 'model-error':
    case 'invalid-output':
      return failed(reply.kind, reply.detail);
    case 'crashed':
      return failed('replica-crashed', reply.detail);
    case 'out-of-memory':
      return failed('out-of-memory', reply.detail);
    case 'stopped':
      if (reason !== 'timeout') return { kind: 'released' };
      return failed(
        'run-timeout',
        `The attempt took longer than its timeout of ${inSeconds(claimed.run.timeout!)} s and was stopped.`,
      );
  }
}

/**
 * JSON that is small enough to be shown inside its run must be JSON: it is spliced into the run's
 * body as it is.
 */
function failureOfJson({ contentType, bytes }: Reply & { kind: 'output' }): Failure | null {
  if (!isJson(contentType) || bytes.length > EMBEDDED_JSON_BYTES_MAX) return null;
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return null;
  } catch {
    return failed(
      'invalid-output',
      `The model answered with ${contentType}, but its ${bytes.length} bytes are not JSON.`,
    );
  }
}

/**
 * A chunk's output must be a table in the format that was asked for, with as many rows as went in.
 */
function failureOfChunk({ contentType, bytes }: Reply & { kind: 'output' }, { run }: ClaimedRun): Failure | null {
  const asked = textTypeOf(run.accept!);
  const wanted = tableFormatOf(asked)!;
  const format = tableFormatOf(contentType);
  if (format !== wanted)
    return failed(
      'invalid-output',
      `The model answered with ${contentType}; ${asked} was asked for (the Accept header says so).`,
    );
  try {
    checkOutput(bytes, format, run.rows!.to - run.rows!.from);
    if (borderFormatOf(run.accept!) === 'arrow') checkFits(bytes);
    return null;
  } catch (error) {
    if (error instanceof TableError)
      return failed('invalid-output', `The model's output is not accepted: ${error.message}`);
    throw error;
  }
}

const failed = (type: RunError['type'], detail: string): Failure => ({ kind: 'failed', error: { type, detail } });

/** What the ledger is told of an attempt without an output: retried where the policy says so. */
export function resultOfFailure(
  failure: Failure,
  claimed: ClaimedRun,
  policy: RetryPolicy,
  jitter: number,
): AttemptResult {
  if (failure.kind === 'released') return failure;
  const next = afterFailure(failure.error, claimed.countedAttempts, policy, jitter);
  return next.verdict === 'retry' ? { kind: 'retry', error: failure.error, delay: next.delay } : failure;
}
