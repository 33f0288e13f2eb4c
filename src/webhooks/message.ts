// A webhook as Standard Webhooks has it: what is said of an event, and the signature by which its
// receiver can tell that it was said here.
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

import { createHmac } from 'node:crypto';
import { epochSeconds, type Instant, toRfc3339 } from '../domain/time.ts';
import type { ClaimedDelivery, RunRecord } from '../stores/ledger/ledger.ts';
import { traceHeaders } from '../system/trace-context.ts';
import type { SigningSecret } from '../stores/vault/vault.ts';

/** Longest body, in bytes: the specification asks senders for 20 kB at the most. */
const BODY_BYTES_MAX = 20_000;
/** How much of an error's detail is said where the whole would be too long, in characters. */
const DETAIL_SHORT = 1_000;
const SECRET_PREFIX = 'whsec_';

/** A message that is ready to be sent. */
export interface Message {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * What a message says is never longer than BODY_BYTES_MAX; a delivery's own part is at most as long
 * as this, in bytes.
 */
const AROUND_BYTES_MAX = 100;

/** What a message is made of, beside the delivery. */
export interface MessageParts {
  readonly run: RunRecord;
  /** The JSON text of a run as lists have it, without its output. */
  readonly describe: (run: RunRecord) => string;
  readonly secrets: readonly SigningSecret[];
  readonly now: Instant;
}

/**
 * The message of a delivery. Its id is the delivery's, the same in every attempt; its time is that
 * of the attempt.
 */
export function messageOf(
  { claim: { deliveryId }, event, createdAt }: ClaimedDelivery,
  { run, describe, secrets, now }: MessageParts,
): Message {
  const body = `{"type":"${event}","timestamp":"${toRfc3339(createdAt)}","data":${dataOf(run, describe)}}`;
  const timestamp = String(epochSeconds(now));
  const signed = `${deliveryId}.${timestamp}.${body}`;
  return {
    headers: {
      // First, so that what a propagator writes replaces nothing of ours.
      ...traceHeaders(run.trace),
      'content-type': 'application/json',
      'webhook-id': deliveryId,
      'webhook-timestamp': timestamp,
      'webhook-signature': secrets.map(({ secret }) => signatureOf(signed, secret)).join(' '),
    },
    body,
  };
}

/**
 * The run; without its metadata, and with the beginning of its error alone, where it would be too
 * long otherwise.
 */
function dataOf(run: RunRecord, describe: MessageParts['describe']): string {
  const data = describe(run);
  if (Buffer.byteLength(data) <= BODY_BYTES_MAX - AROUND_BYTES_MAX) return data;
  const { error } = run;
  const short = error === null ? null : { ...error, detail: error.detail.slice(0, DETAIL_SHORT) };
  return describe({ ...run, metadata: 'null', error: short });
}

/** With the key that the secret is in base64, after its prefix. */
function signatureOf(signed: string, secret: string): string {
  const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
  return `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
}
