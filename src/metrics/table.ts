// Every metric of ours: what `GET /metrics` answers and docs/metrics.md are both made from this
// table. Names follow Prometheus' conventions: base units, `_total` for what only rises. A label
// has a value for every endpoint that was deployed, or one of a fixed few; never an id.

/** What is known of a metric beside its values. */
export interface MetricSpec {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
  /** Upper bounds of a histogram's buckets, in the unit of its name. */
  readonly buckets?: readonly number[];
}

/**
 * Bounds for what may take a millisecond or hours. From 5 ms to 10 s they are those that
 * OpenTelemetry advises for durations of requests; 1 ms below, because a run that does nothing
 * takes about that long; above, every limit that the server knows by default is one of them: 60 s
 * (a synchronous wait), 15 min (an attempt), 1 h (the longest attempt that a request may ask for),
 * 6 h (a wait in the queue).
 */
export const RUN_SECONDS = [
  0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600,
] as const;
/** Bounds for requests, which are answered within the longest wait there is. */
const REQUEST_SECONDS = RUN_SECONDS.filter((bound) => bound <= 60);

/** See the head of this file. */
export const METRICS = {
  claimcheck_build_info: {
    type: 'gauge',
    labels: ['version', 'node'],
    help: 'Always 1; its labels are the versions of claimcheck and of Node.',
  },
  claimcheck_draining: { type: 'gauge', labels: [], help: '1 while the server stops and takes no new work.' },
  claimcheck_queue_depth: {
    type: 'gauge',
    labels: ['endpoint'],
    help: 'Runs that are queued and count for the limit: calls and batches, of all servers on the ledger.',
  },
  claimcheck_queue_limit: { type: 'gauge', labels: ['endpoint'], help: 'Runs that may be queued at once.' },
  claimcheck_queue_oldest_age_seconds: {
    type: 'gauge',
    labels: ['endpoint'],
    help: 'How long the run has waited that waits longest; 0 where none waits.',
  },
  claimcheck_runs_running: {
    type: 'gauge',
    labels: ['endpoint'],
    help: 'Runs that are being worked on, of all servers on the ledger.',
  },
  claimcheck_backlog: {
    type: 'gauge',
    labels: ['endpoint'],
    help: 'Calls and chunks that wait for a replica, of all servers on the ledger; counted up to 1000.',
  },
  claimcheck_backlog_per_replica: {
    type: 'gauge',
    labels: ['endpoint'],
    help: 'The backlog divided by the replicas that are ready here, or the whole of it where none is.',
  },
  claimcheck_has_backlog_without_capacity: {
    type: 'gauge',
    labels: ['endpoint'],
    help: '1 while calls or chunks wait and no replica is ready here.',
  },
  claimcheck_replicas: { type: 'gauge', labels: ['endpoint'], help: 'Replicas that are ready, of all versions.' },
  claimcheck_replicas_desired: {
    type: 'gauge',
    labels: ['endpoint'],
    help: 'Replicas that the work which is there asks for.',
  },
  claimcheck_replicas_min: { type: 'gauge', labels: ['endpoint'], help: 'Replicas that are kept even without work.' },
  claimcheck_replicas_max: { type: 'gauge', labels: ['endpoint'], help: 'Replicas that there may be.' },
  claimcheck_cold_start_seconds: {
    type: 'histogram',
    labels: ['endpoint'],
    buckets: RUN_SECONDS,
    help: 'How long replicas took from their start to their first good ping; its count is the number of cold starts.',
  },
  claimcheck_replica_start_failures_total: {
    type: 'counter',
    labels: ['endpoint'],
    help: 'Replicas that did not become ready.',
  },
  claimcheck_runs_submitted_total: {
    type: 'counter',
    labels: ['endpoint', 'kind'],
    help: 'Runs that this server has written down, by kind: call, batch or chunk.',
  },
  claimcheck_runs_ended_total: {
    type: 'counter',
    labels: ['endpoint', 'level', 'status', 'error_type'],
    help: 'Runs that this server has ended. Level: run (calls and batches) or chunk; chunks that are cancelled with their batch are not counted. Error type: empty unless the status is failed.',
  },
  claimcheck_run_wait_seconds: {
    type: 'histogram',
    labels: ['endpoint', 'kind'],
    buckets: RUN_SECONDS,
    help: 'How long runs had waited when they were claimed: since they arrived or, where they were tried again, since they were due.',
  },
  claimcheck_run_seconds: {
    type: 'histogram',
    labels: ['endpoint', 'kind'],
    buckets: RUN_SECONDS,
    help: 'How long attempts took from the claim until the ledger had their outcome.',
  },
  claimcheck_attempts_total: {
    type: 'counter',
    labels: ['endpoint', 'outcome'],
    help: 'Attempts of this server that are over. Retried: failed, and the run is tried again. Released: handed back unfinished. Cancelled and lost: their outcome was refused, because the run was cancelled or the claim lost.',
  },
  claimcheck_claims_reclaimed_total: {
    type: 'counter',
    labels: ['endpoint'],
    help: 'Claims that were taken back because their owner was gone.',
  },
  claimcheck_fenced_writes_total: {
    type: 'counter',
    labels: [],
    help: 'Outcomes that the ledger refused because their claim was no longer valid: each would have written over something newer.',
  },
  claimcheck_ledger_calls_total: { type: 'counter', labels: [], help: 'Calls of the ledger.' },
  claimcheck_ledger_commits_total: {
    type: 'counter',
    labels: [],
    help: 'Commits of the ledger; calls divided by commits is how many share one, and its fsync.',
  },
  claimcheck_webhook_attempts_total: {
    type: 'counter',
    labels: ['outcome'],
    help: 'Attempts to deliver a webhook: delivered, retry (it is tried again) or abandoned (it is not).',
  },
  claimcheck_http_requests_total: {
    type: 'counter',
    labels: ['route', 'method', 'status'],
    help: 'Requests that were answered, by the pattern of their route; empty where there is no such route.',
  },
  claimcheck_http_request_duration_seconds: {
    type: 'histogram',
    labels: ['route', 'method'],
    buckets: REQUEST_SECONDS,
    help: 'How long requests took from their headers to the end of their answer, waits included.',
  },
  claimcheck_http_connections: { type: 'gauge', labels: [], help: 'Connections that are open.' },
  claimcheck_http_connections_refused_total: {
    type: 'counter',
    labels: ['limit'],
    help: 'Connections that were closed at once, by the limit that they were over: connections or connections-per-address.',
  },
  claimcheck_http_problems_total: {
    type: 'counter',
    labels: ['problem'],
    help: 'Requests that were answered with a problem, by its slug: queue-full, draining, invalid-request and so on.',
  },
} as const satisfies Record<string, MetricSpec>;

/** The name of a metric of ours. */
export type MetricName = keyof typeof METRICS;
