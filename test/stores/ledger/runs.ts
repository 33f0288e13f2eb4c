// Runs, payloads and deployments to hand to a ledger in tests.

import { newRunId } from '../../../src/system/clock.ts';
import { sha256 } from '../../../src/domain/digest.ts';
import { DEFAULT_TENANT } from '../../../src/domain/ids.ts';
import type { Payload } from '../../../src/domain/payload.ts';
import { DEFAULT_RETENTION } from '../../../src/domain/retention.ts';
import { LOST_WORKERS_MAX } from '../../../src/domain/run.ts';
import { milliseconds, minutes } from '../../../src/domain/time.ts';
import type { Claim, DeliveryAnswer, Deployment, NewRun } from '../../../src/stores/ledger/ledger.ts';

/** A deployment of endpoint `echo`, with changes that the test cares about. */
export const deployment = (changes: Partial<Deployment> = {}): Deployment => ({
  name: 'echo',
  fingerprint: 'a',
  spec: 'null',
  source: 'config',
  queueLimit: 100,
  concurrencyLimit: null,
  ...changes,
});

/** A payload kept in the ledger. */
export function inline(text: string, contentType = 'application/json'): Payload {
  const bytes = new TextEncoder().encode(text);
  return { contentType, bytes: bytes.length, sha256: sha256(bytes), body: { inline: bytes } };
}

/** A call of endpoint `echo`, with changes that the test cares about. */
export function call(changes: Partial<NewRun> = {}): NewRun {
  return {
    runId: newRunId(),
    endpoint: 'echo',
    version: 1,
    kind: 'call',
    runName: null,
    priority: 0,
    timeout: minutes(15),
    queueTtl: minutes(10),
    lostWorkersMax: LOST_WORKERS_MAX,
    metadata: '{}',
    accept: null,
    input: inline('{"x":1}'),
    batch: null,
    parent: null,
    tenant: DEFAULT_TENANT,
    idempotency: null,
    concurrencyKey: null,
    retryOf: null,
    retention: DEFAULT_RETENTION,
    callback: null,
    trace: null,
    ...changes,
  };
}

/** A batch of three rows. */
export const batch = (changes: Partial<NewRun> = {}): NewRun =>
  call({
    kind: 'batch',
    timeout: null,
    lostWorkersMax: null,
    batch: { size: 10, maxInFlight: 4, onRowError: 'mark', rows: 3 },
    ...changes,
  });

/** A chunk of a batch. */
export const chunk = (claim: Claim, from: number, to: number): NewRun =>
  call({ kind: 'chunk', queueTtl: null, input: null, parent: { claim, rows: { from, to } } });

/** What a receiver answered to a delivery. */
export const answered = (status: number): DeliveryAnswer => ({
  status,
  latency: milliseconds(12),
  detail: String(status),
});
