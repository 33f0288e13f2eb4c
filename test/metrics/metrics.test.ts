import { describe, expect, test } from 'vitest';
import { METRICS, type MetricSpec } from '../../src/metrics/table.ts';
import { folderForTest } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { serviceForTest, type TestService } from '../support/service.ts';
import { readExposition } from './exposition.ts';

async function scrape(server: TestService): Promise<(name: string, labels?: Record<string, string>) => number> {
  const families = readExposition((await server.get('/metrics')).text);
  return (name, labels = {}) => {
    const family = families.get(name) ?? families.get(name.replace(/_(?:bucket|sum|count)$/, ''));
    const samples = family?.samples.filter((one) => one.name === name && includes(one.labels, labels)) ?? [];
    return samples.reduce((sum, { value }) => sum + value, 0);
  };
}

const includes = (labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean =>
  Object.entries(wanted).every(([name, value]) => labels[name] === value);

test('after a run, a failure, a refusal and a cancel every metric is there, and says what has happened', async () => {
  const gates = new Gates(await folderForTest());
  const server = await serviceForTest({
    endpoints: {
      jobs: { model: './anything.ts', mode: 'async', queueLimit: 1, replicas: { max: 1, concurrency: 1 } },
      rows: { model: './echo.ts', mode: 'async', batchSize: 1 },
    },
  });
  await server.ended(await server.submit('jobs', { do: 'say', value: 1 }));
  await server.ended(await server.submit('jobs', { do: 'throw' }));
  await server.ended(await server.submit('rows', [{ a: 1 }, { a: 2 }], { batch: true }));
  const held = await server.submit('jobs', { path: gates.path('held') });
  await server.inStatus(held, 'running');
  const queued = await server.submit('jobs', 2);
  expect((await server.post('/endpoints/jobs/invoke', { input: 3 })).status).toBe(429);

  const during = await scrape(server);
  expect(during('claimcheck_queue_depth', { endpoint: 'jobs' })).toBe(1);
  expect(during('claimcheck_queue_limit', { endpoint: 'jobs' })).toBe(1);
  expect(during('claimcheck_backlog', { endpoint: 'jobs' })).toBe(1);
  expect(during('claimcheck_backlog_per_replica', { endpoint: 'jobs' })).toBe(1);
  expect(during('claimcheck_has_backlog_without_capacity', { endpoint: 'jobs' })).toBe(0);
  expect(during('claimcheck_runs_running', { endpoint: 'jobs' })).toBe(1);
  expect(during('claimcheck_replicas', { endpoint: 'jobs' })).toBe(1);
  expect(during('claimcheck_replicas_max', { endpoint: 'jobs' })).toBe(1);
  expect(during('claimcheck_queue_oldest_age_seconds', { endpoint: 'jobs' })).toBeGreaterThan(0);

  expect((await server.send('DELETE', `/runs/${queued}`)).status).toBe(200);
  gates.open('held');
  await server.ended(held);
  expect((await server.get('/no-such-path')).status).toBe(404);

  const families = readExposition((await server.get('/metrics')).text);
  for (const [name, { type, labels, help }] of Object.entries<MetricSpec>(METRICS)) {
    const { samples, ...family } = families.get(name)!;
    expect({ name, ...family }).toEqual({ name, type, help });
    const kinds = samples.map((one) => Object.keys(one.labels).filter((label) => label !== 'le'));
    for (const kind of kinds) expect([name, ...kind]).toEqual([name, ...labels]);
  }
  const after = await scrape(server);
  const jobs = { endpoint: 'jobs' };
  expect(after('claimcheck_runs_submitted_total', { ...jobs, kind: 'call' })).toBe(4);
  expect(after('claimcheck_runs_submitted_total', { endpoint: 'rows', kind: 'batch' })).toBe(1);
  expect(after('claimcheck_runs_submitted_total', { endpoint: 'rows', kind: 'chunk' })).toBe(2);
  expect(after('claimcheck_runs_ended_total', { ...jobs, status: 'succeeded' })).toBe(2);
  expect(after('claimcheck_runs_ended_total', { ...jobs, status: 'failed', error_type: 'model-error' })).toBe(1);
  expect(after('claimcheck_runs_ended_total', { ...jobs, status: 'failed' })).toBe(1);
  expect(after('claimcheck_runs_ended_total', { ...jobs, status: 'cancelled' })).toBe(1);
  expect(after('claimcheck_runs_ended_total', { endpoint: 'rows', level: 'run' })).toBe(1);
  expect(after('claimcheck_runs_ended_total', { endpoint: 'rows', level: 'chunk' })).toBe(2);
  expect(after('claimcheck_attempts_total', { ...jobs, outcome: 'succeeded' })).toBe(2);
  expect(after('claimcheck_attempts_total', { ...jobs, outcome: 'failed' })).toBe(1);
  expect(after('claimcheck_run_wait_seconds_count', { ...jobs, kind: 'call' })).toBe(3);
  expect(after('claimcheck_run_seconds_count', { ...jobs, kind: 'call' })).toBe(3);
  expect(after('claimcheck_run_seconds_bucket', { ...jobs, le: '+Inf' })).toBe(3);
  expect(after('claimcheck_cold_start_seconds_count', jobs)).toBe(1);
  expect(after('claimcheck_cold_start_seconds_sum', jobs)).toBeGreaterThan(0);
  expect(after('claimcheck_http_problems_total', { problem: 'queue-full' })).toBe(1);
  expect(after('claimcheck_http_problems_total', { problem: 'not-found' })).toBe(1);
  expect(after('claimcheck_http_requests_total', { route: '/endpoints/:endpoint/invoke', status: '429' })).toBe(1);
  expect(after('claimcheck_http_requests_total', { route: '/endpoints/:endpoint/invoke', status: '202' })).toBe(5);
  expect(after('claimcheck_http_requests_total', { route: '', status: '404' })).toBe(1);
  expect(after('claimcheck_http_request_duration_seconds_count', { route: '/metrics' })).toBeGreaterThan(0);
  expect(after('claimcheck_ledger_commits_total')).toBeGreaterThan(0);
  expect(after('claimcheck_ledger_calls_total')).toBeGreaterThanOrEqual(after('claimcheck_ledger_commits_total'));
  expect(after('claimcheck_build_info')).toBe(1);
  expect(after('claimcheck_queue_depth', jobs)).toBe(0);
  expect(after('nodejs_eventloop_lag_seconds')).toBeGreaterThanOrEqual(0);
  expect(after('process_resident_memory_bytes')).toBeGreaterThan(0);
});

test('an outcome that comes after the cancel is counted as refused', async () => {
  const gates = new Gates(await folderForTest());
  const server = await serviceForTest({ endpoints: { jobs: { model: './anything.ts', mode: 'async' } } });
  const held = await server.submit('jobs', { do: 'hang', path: gates.path('held') });
  await server.inStatus(held, 'running');
  await server.send('DELETE', `/runs/${held}`);
  gates.open('held');
  await expect
    .poll(async () => (await scrape(server))('claimcheck_attempts_total', { outcome: 'cancelled' }), {
      timeout: 30_000,
    })
    .toBe(1);
  expect((await scrape(server))('claimcheck_fenced_writes_total')).toBe(1);
});

describe('what may be alarmed by', () => {
  test('is there as 0 before it happens', async () => {
    const server = await serviceForTest({ endpoints: { jobs: { model: './anything.ts' } } });
    const families = readExposition((await server.get('/metrics')).text);
    const labelsOf = (name: string) => families.get(name)!.samples.map(({ labels, value }) => ({ ...labels, value }));
    expect(labelsOf('claimcheck_http_problems_total')).toContainEqual({ problem: 'queue-full', value: 0 });
    expect(labelsOf('claimcheck_attempts_total')).toContainEqual({ endpoint: 'jobs', outcome: 'lost', value: 0 });
    const failed = { endpoint: 'jobs', level: 'run', status: 'failed', error_type: 'replica-crashed', value: 0 };
    expect(labelsOf('claimcheck_runs_ended_total')).toContainEqual(failed);
    expect(labelsOf('claimcheck_webhook_attempts_total')).toContainEqual({ outcome: 'abandoned', value: 0 });
  });

  test('says that work waits where no replica is ready', async () => {
    const server = await serviceForTest({ endpoints: { jobs: { model: ['sleep', '600'], mode: 'async' } } });
    await server.submit('jobs', 1);
    const read = await scrape(server);
    expect(read('claimcheck_has_backlog_without_capacity', { endpoint: 'jobs' })).toBe(1);
    expect(read('claimcheck_backlog_per_replica', { endpoint: 'jobs' })).toBe(1);
    expect(read('claimcheck_replicas', { endpoint: 'jobs' })).toBe(0);
  });
});

test('the buckets of a histogram rise, and the last one is its count', async () => {
  const server = await serviceForTest({ endpoints: { jobs: { model: './anything.ts' } } });
  await server.post('/endpoints/jobs/invoke', { input: 1 });
  const { samples } = readExposition((await server.get('/metrics')).text).get('claimcheck_run_seconds')!;
  const buckets = samples.filter(({ name }) => name.endsWith('_bucket'));
  const values = buckets.map(({ value }) => value);
  expect(values).toEqual(values.toSorted((a, b) => a - b));
  expect(buckets.at(-1)).toMatchObject({ labels: { le: '+Inf' }, value: 1 });
  expect(samples.find(({ name }) => name.endsWith('_count'))!.value).toBe(1);
});

test('many may scrape at once, and each is answered whole', async () => {
  const server = await serviceForTest({ endpoints: { jobs: { model: './anything.ts' } } });
  const answers = await Promise.all(Array.from({ length: 20 }, () => server.get('/metrics')));
  for (const { status, headers, text } of answers) {
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(readExposition(text).has('claimcheck_build_info')).toBe(true);
  }
});
