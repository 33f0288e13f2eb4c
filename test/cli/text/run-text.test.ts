import { describe, expect, test } from 'vitest';
import { endpointDetails, endpointTable, runDetails } from '../../../src/cli/text/run-text.ts';
import { coloursFor } from '../../../src/cli/text/text.ts';
import type { EndpointBody } from '../../../src/wire/endpoints.ts';
import type { RunBody } from '../../../src/wire/runs.ts';

const plain = coloursFor({ isTTY: false });

const endpoint = (changes: Partial<EndpointBody> = {}): EndpointBody => ({
  name: 'smiles-to-3d',
  version: 2,
  mode: 'async',
  default: true,
  description: null,
  tags: [],
  features: [],
  scoring: null,
  batch_size: null,
  max_in_flight: 64,
  on_row_error: 'mark',
  timeout: 900,
  sync_timeout: 60,
  queue_ttl: 21_600,
  queue_limit: 1_000,
  concurrency_limit: null,
  retention: 604_800,
  replicas: { current: 0, desired: 0, min: 0, max: 8 },
  queued: 0,
  backlog: 0,
  running: 0,
  oldest_age_seconds: null,
  drain_rate: null,
  state: 'idle',
  trouble: null,
  rollout: null,
  failures: 0,
  retry_at: null,
  last_start_seconds: null,
  ...changes,
});

const run = (changes: Partial<RunBody> = {}): RunBody => ({
  run_id: '0199f4a2-6f2e-7cc1-9d2b-0a1b2c3d4e5f',
  endpoint: 'smiles-to-3d',
  version: 2,
  run_name: null,
  status: 'succeeded',
  done: true,
  created_at: '2026-11-21T12:00:00.000Z',
  started_at: '2026-11-21T12:00:01.000Z',
  finished_at: '2026-11-21T12:00:31.000Z',
  timeout: 900,
  queue_ttl: 21_600,
  priority: 0,
  progress: null,
  batch: null,
  rows: null,
  output: { href: '/runs/x/output', content_type: 'application/json', bytes: 12, sha256: 'aa' },
  error: null,
  parent_id: null,
  retry_of: null,
  concurrency_key: null,
  links: {
    self: '/runs/x',
    output: '/runs/x/output',
    events: '/runs/x/events',
    logs: '/runs/x/logs',
    cancel: '/runs/x/cancel',
  },
  metadata: {},
  queue: null,
  waiting_on: null,
  attempts: [],
  outputs: null,
  ...changes,
});

describe('an endpoint is shown', () => {
  test('that has nothing to do', () => {
    expect(endpointDetails(endpoint(), plain)).toBe(
      [
        'endpoint   smiles-to-3d (default), version 2',
        'mode       async',
        'state      idle',
        'replicas   0, 0 to 8',
        'queue      0 of 1000 queued, 0 running',
        'batches    default rows per chunk, 64 chunks in flight',
        'timeout    15 min 00 s an attempt, 6 h 00 min in the queue',
        'kept       inputs and outputs for 7 d 0 h',
        '',
      ].join('\n'),
    );
  });

  test('that is growing: replicas, queue, the oldest run, the drain rate and the last start', () => {
    const growing = endpoint({
      state: 'ready',
      replicas: { current: 1, desired: 3, min: 0, max: 8 },
      queued: 40,
      running: 1,
      oldest_age_seconds: 12,
      drain_rate: 1.5,
      last_start_seconds: 0.4,
    });
    const lines = endpointDetails(growing, plain).split('\n').slice(2, 5);
    expect(lines).toEqual([
      'state      ready',
      'replicas   1→3, 0 to 8 (the last start took 0.4 s)',
      'queue      40 of 1000 queued (the oldest for 12 s), 1 running, 1.50 runs/s',
    ]);
  });

  test('whose replica failed to start once, with when it is tried again', () => {
    const pausing = endpoint({ state: 'backing-off', failures: 1, retry_at: '2026-11-21T12:00:01.000Z' });
    expect(endpointDetails(pausing, plain)).toContain(
      'state      backing-off, 1 failure, tried again at 2026-11-21T12:00:01.000Z\n',
    );
  });

  test('whose model does not start: how often, when it is tried again, and why', () => {
    const failing = endpoint({
      state: 'failing',
      failures: 4,
      retry_at: '2026-11-21T12:00:08.000Z',
      trouble: 'serve.py: exit code 1.',
      replicas: { current: 0, desired: 1, min: 0, max: 8 },
    });
    const text = endpointDetails(failing, plain);
    expect(text).toContain('state      failing, 4 failures in a row, tried again at 2026-11-21T12:00:08.000Z\n');
    expect(text).toContain('replicas   0→1, 0 to 8\n');
    expect(text).toMatch(/\ntrouble {4}serve\.py: exit code 1\.\n$/);
  });

  test('in a list, with its state', () => {
    const others = [
      endpoint({ state: 'ready', replicas: { current: 3, desired: 1, min: 0, max: 8 }, running: 1 }),
      endpoint({ name: 'logp', mode: 'sync', default: false, version: 1, state: 'failing', queued: 7 }),
    ];
    expect(endpointTable(others, plain)).toBe(
      [
        'NAME                    MODE   VERSION  STATE    REPLICAS  QUEUED  RUNNING',
        'smiles-to-3d (default)  async  2        ready    3→1 of 8  0       1',
        'logp                    sync   1        failing  0 of 8    7       0',
        '',
      ].join('\n'),
    );
  });
});

describe('a run is shown', () => {
  test('with the replica, the cold start and the length of every attempt', () => {
    const attempt = { stopped_at: null, error: null };
    const lost = {
      ...attempt,
      attempt: 1,
      replica: '3f2a',
      cold_start_seconds: 0.4,
      started_at: '2026-11-21T12:00:01.000Z',
      finished_at: '2026-11-21T12:00:02.500Z',
      outcome: 'failed' as const,
      error: {
        type: 'replica-crashed',
        title: 'The replica was lost',
        status: 424,
        detail: 'exit code 9.',
        retryable: true,
      },
    };
    const done = {
      ...attempt,
      attempt: 2,
      replica: '77b0',
      cold_start_seconds: null,
      started_at: '2026-11-21T12:00:03.000Z',
      finished_at: '2026-11-21T12:00:31.000Z',
      outcome: 'succeeded' as const,
    };
    expect(runDetails(run({ attempts: [lost, done] as RunBody['attempts'] }), plain)).toBe(
      [
        'run        0199f4a2-6f2e-7cc1-9d2b-0a1b2c3d4e5f',
        'endpoint   smiles-to-3d, version 2',
        'status     succeeded',
        'created    2026-11-21T12:00:00.000Z',
        'started    2026-11-21T12:00:01.000Z',
        'finished   2026-11-21T12:00:31.000Z (took 30 s)',
        'attempt 1  failed after 1.5 s, replica 3f2a, cold start 0.4 s, replica-crashed: exit code 9.',
        'attempt 2  succeeded after 28 s, replica 77b0',
        'output     application/json, 12 bytes',
        '',
      ].join('\n'),
    );
  });

  test('that is running, and one that waits for a replica to start', () => {
    const running = run({
      status: 'running',
      done: false,
      finished_at: null,
      output: null,
      attempts: [
        {
          attempt: 1,
          replica: '3f2a',
          cold_start_seconds: 12,
          started_at: '2026-11-21T12:00:01.000Z',
          finished_at: null,
          stopped_at: null,
          outcome: null,
          error: null,
        },
      ],
    });
    expect(runDetails(running, plain)).toContain('attempt 1  running, replica 3f2a, cold start 12 s\n');
    const waiting = run({
      status: 'queued',
      done: false,
      started_at: null,
      finished_at: null,
      output: null,
      waiting_on: 'cold_start',
      queue: { ahead: 3, estimated_start_seconds: null },
    });
    expect(runDetails(waiting, plain)).toContain('status     queued, waiting on cold start, 3 ahead\n');
  });
});
