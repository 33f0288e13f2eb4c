// What the server counts, and how it is answered to Prometheus. Gauges are read when somebody
// scrapes; nothing is sampled in between.

import type { Histogram, Registry } from 'prom-client';
import { ANYBODY } from '../domain/access.ts';
import { type ProblemSlug, RUN_FAILURES, type RunError } from '../domain/errors.ts';
import type { EndedStatus } from '../domain/run.ts';
import { type Duration, inSeconds } from '../domain/time.ts';
import type { Engine } from '../engine/engine.ts';
import type { EndpointView } from '../engine/views.ts';
import {
  ATTEMPT_OUTCOMES,
  type AttemptOutcome,
  type EndedRun,
  type QueuedRun,
  type RunObserver,
} from '../engine/observer.ts';
import type { ClaimedRun, LedgerStats } from '../stores/ledger/ledger.ts';
import { METRICS, type MetricName, type MetricSpec, RUN_SECONDS } from './table.ts';
import { Count, Distribution, Family } from './tally.ts';

/** Where the gauges are read. */
export interface MetricSources {
  readonly engine: Pick<Engine, 'endpoints' | 'draining'>;
  readonly ledger: LedgerStats;
}

/** A request that was answered. */
export interface AnsweredRequest {
  /** The pattern of its route, or the empty string where it has none. */
  readonly route: string;
  readonly method: string;
  readonly status: number;
  readonly took: Duration;
}

const DELIVERY_OUTCOMES = ['delivered', 'retry', 'abandoned'] as const;

/** What hears how deliveries of webhooks go. */
export interface DeliveryObserver {
  /**
   * An attempt at a delivery is over, and the ledger has its outcome: the kind of its
   * `DeliveryResult`.
   */
  attempted(outcome: (typeof DELIVERY_OUTCOMES)[number]): void;
}

/** Problems by which the server turns work away that somebody may be alarmed by. */
const REFUSALS: readonly ProblemSlug[] = [
  'queue-full',
  'draining',
  'storage-full',
  'storage-unavailable',
  'payload-too-large',
  'invalid-request',
  'internal',
];

/**
 * One line of a metric: its labels and its value; `suffix` is what the parts of a histogram have
 * behind the name.
 */
interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly suffix?: '_bucket' | '_sum' | '_count';
}

/** What a scrape has read before it reads the metrics. */
interface Reading {
  readonly endpoints: readonly EndpointView[];
  readonly ledger: LedgerStats;
  readonly isDraining: boolean;
}

/** How many backlogged runs there are for each replica that is ready. */
const perReplica = ({ depth, replicas }: EndpointView): number => depth.backlog / Math.max(1, replicas.current);

/**
 * Counts what the engine, the transport and the webhooks tell of, and answers all of it as text.
 */
export class Metrics implements RunObserver {
  readonly #version: string;
  readonly #sources: () => MetricSources;
  readonly #submitted = new Family(() => new Count());
  readonly #endedRuns = new Family(() => new Count());
  readonly #endedChunks = new Family(() => new Count());
  readonly #waits = new Family(() => new Distribution(RUN_SECONDS));
  readonly #attemptSeconds = new Family(() => new Distribution(RUN_SECONDS));
  readonly #attempts = new Family(() => new Count());
  readonly #reclaimed = new Family(() => new Count());
  readonly #coldStarts = new Family(() => new Distribution(RUN_SECONDS));
  readonly #startFailures = new Family(() => new Count());
  readonly #deliveries = new Family(() => new Count());
  readonly #requests = new Family(() => new Count());
  readonly #requestSeconds = new Family(
    () => new Distribution(METRICS.claimcheck_http_request_duration_seconds.buckets),
  );
  readonly #problems = new Family(() => new Count());
  readonly #refusedConnections = new Family(() => new Count());
  #connections = (): number => 0;
  #registry: Promise<Registry> | null = null;
  #reading: Promise<Reading> | null = null;
  #read: Reading | null = null;

  /** Metrics of a server of that version; `sources` is asked with every scrape. */
  constructor(version: string, sources: () => MetricSources) {
    this.#version = version;
    this.#sources = sources;
  }

  queued({ endpoint, kind }: QueuedRun): void {
    this.#submitted.at(endpoint, kind).value += 1;
  }

  started({ run }: ClaimedRun, waited: Duration): void {
    this.#waits.at(run.endpoint, run.kind).observe(inSeconds(waited));
  }

  attempted({ run }: ClaimedRun, outcome: AttemptOutcome, took: Duration): void {
    this.#attempts.at(run.endpoint, outcome).value += 1;
    this.#attemptSeconds.at(run.endpoint, run.kind).observe(inSeconds(took));
  }

  ended({ endpoint, parentId }: EndedRun, status: EndedStatus, error: RunError | null): void {
    const counts = parentId === null ? this.#endedRuns : this.#endedChunks;
    counts.at(endpoint, status, error?.type ?? '').value += 1;
  }

  reclaimed({ endpoint }: EndedRun): void {
    this.#reclaimed.at(endpoint).value += 1;
  }

  replicaReady(endpoint: string, startedIn: Duration): void {
    this.#coldStarts.at(endpoint).observe(inSeconds(startedIn));
  }

  replicaFailed(endpoint: string): void {
    this.#startFailures.at(endpoint).value += 1;
  }

  /** What hears how deliveries of webhooks go. */
  readonly deliveries: DeliveryObserver = {
    attempted: (outcome) => void (this.#deliveries.at(outcome).value += 1),
  };

  /** A request was answered. */
  answered({ route, method, status, took }: AnsweredRequest): void {
    this.#requests.at(route, method, STATUS_TEXTS[status] ?? String(status)).value += 1;
    this.#requestSeconds.at(route, method).observe(inSeconds(took));
  }

  /** A request was answered with a problem. */
  refused(problem: ProblemSlug): void {
    this.#problems.at(problem).value += 1;
  }

  /** A connection was refused for a limit. */
  connectionRefused(limit: string): void {
    this.#refusedConnections.at(limit).value += 1;
  }

  /** Takes the number of open connections from here. */
  watchConnections(count: () => number): void {
    this.#connections = count;
  }

  /** Calls and batches of an endpoint that this server has ended. */
  executions(endpoint: string): number {
    return [...this.#endedRuns.entries()].reduce((sum, [[of], { value }]) => (of === endpoint ? sum + value : sum), 0);
  }

  /** Every metric in Prometheus' text format. Scrapes that come together ask the ledger once. */
  async scrape(): Promise<{ readonly contentType: string; readonly text: string }> {
    this.#reading ??= this.#readSources().finally(() => (this.#reading = null));
    this.#read = await this.#reading;
    this.#begin(this.#read.endpoints);
    this.#registry ??= this.#openRegistry().catch((error: unknown) => {
      this.#registry = null;
      throw error;
    });
    const registry = await this.#registry;
    return { contentType: registry.contentType, text: await registry.metrics() };
  }

  /**
   * What may happen is there as 0 before it does: a rate over a counter that appears with its first
   * increment does not see that one.
   */
  #begin(endpoints: readonly EndpointView[]): void {
    for (const { deployed } of endpoints) {
      const { name } = deployed.spec;
      for (const outcome of ATTEMPT_OUTCOMES) this.#attempts.at(name, outcome);
      for (const status of ['succeeded', 'cancelled']) this.#endedRuns.at(name, status);
      for (const type of RUN_FAILURES) this.#endedRuns.at(name, 'failed', type);
      this.#reclaimed.at(name);
      this.#startFailures.at(name);
    }
    for (const slug of REFUSALS) this.#problems.at(slug);
    for (const outcome of DELIVERY_OUTCOMES) this.#deliveries.at(outcome);
  }

  async #readSources(): Promise<Reading> {
    const { engine, ledger } = this.#sources();
    return { endpoints: await engine.endpoints.views(ANYBODY), ledger, isDraining: engine.draining };
  }

  /**
   * Made with the first scrape: a server that nobody scrapes does not load the library, and watches
   * neither its event loop nor its collector.
   */
  async #openRegistry(): Promise<Registry> {
    const { collectDefaultMetrics, Registry } = await import('prom-client');
    const registry = new Registry();
    const samples = this.#samples();
    for (const [name, { help, type }] of Object.entries<MetricSpec>(METRICS)) {
      const get = async () => ({
        name,
        help,
        type,
        aggregator: 'sum',
        values: samples[name as MetricName]().map(({ labels, value, suffix = '' }) => ({
          labels,
          value,
          metricName: `${name}${suffix}`,
        })),
      });
      // A registry asks a metric for nothing but its name and this.
      registry.registerMetric({ name, get } as unknown as Histogram);
    }
    collectDefaultMetrics({ register: registry });
    return registry;
  }

  /** How each metric of the table is read. */
  #samples(): Record<MetricName, () => Sample[]> {
    const gauge = (valueOf: (view: EndpointView) => number) => (): Sample[] =>
      this.#read!.endpoints.map((view) => ({ labels: { endpoint: view.deployed.spec.name }, value: valueOf(view) }));
    const single = (valueOf: () => number) => (): Sample[] => [{ labels: {}, value: valueOf() }];
    return {
      claimcheck_build_info: () => [{ labels: { version: this.#version, node: process.versions.node }, value: 1 }],
      claimcheck_draining: single(() => Number(this.#read!.isDraining)),
      claimcheck_queue_depth: gauge(({ depth }) => depth.queued),
      claimcheck_queue_limit: gauge(({ deployed }) => deployed.spec.queueLimit),
      claimcheck_queue_oldest_age_seconds: gauge(({ oldestAge }) => (oldestAge === null ? 0 : inSeconds(oldestAge))),
      claimcheck_runs_running: gauge(({ depth }) => depth.running),
      claimcheck_backlog: gauge(({ depth }) => depth.backlog),
      claimcheck_backlog_per_replica: gauge(perReplica),
      claimcheck_has_backlog_without_capacity: gauge(({ depth, replicas }) =>
        Number(depth.backlog > 0 && replicas.current === 0),
      ),
      claimcheck_replicas: gauge(({ replicas }) => replicas.current),
      claimcheck_replicas_desired: gauge(({ replicas }) => replicas.desired),
      claimcheck_replicas_min: gauge(({ replicas }) => replicas.min),
      claimcheck_replicas_max: gauge(({ replicas }) => replicas.max),
      claimcheck_cold_start_seconds: () => distributions('claimcheck_cold_start_seconds', this.#coldStarts),
      claimcheck_replica_start_failures_total: () =>
        counts('claimcheck_replica_start_failures_total', this.#startFailures),
      claimcheck_runs_submitted_total: () => counts('claimcheck_runs_submitted_total', this.#submitted),
      claimcheck_runs_ended_total: () => [...ends('run', this.#endedRuns), ...ends('chunk', this.#endedChunks)],
      claimcheck_run_wait_seconds: () => distributions('claimcheck_run_wait_seconds', this.#waits),
      claimcheck_run_seconds: () => distributions('claimcheck_run_seconds', this.#attemptSeconds),
      claimcheck_attempts_total: () => counts('claimcheck_attempts_total', this.#attempts),
      claimcheck_claims_reclaimed_total: () => counts('claimcheck_claims_reclaimed_total', this.#reclaimed),
      claimcheck_fenced_writes_total: single(() => this.#read!.ledger.lost),
      claimcheck_ledger_calls_total: single(() => this.#read!.ledger.calls),
      claimcheck_ledger_commits_total: single(() => this.#read!.ledger.commits),
      claimcheck_webhook_attempts_total: () => counts('claimcheck_webhook_attempts_total', this.#deliveries),
      claimcheck_http_requests_total: () => counts('claimcheck_http_requests_total', this.#requests),
      claimcheck_http_request_duration_seconds: () =>
        distributions('claimcheck_http_request_duration_seconds', this.#requestSeconds),
      claimcheck_http_connections: single(() => this.#connections()),
      claimcheck_http_connections_refused_total: () =>
        counts('claimcheck_http_connections_refused_total', this.#refusedConnections),
      claimcheck_http_problems_total: () => counts('claimcheck_http_problems_total', this.#problems),
    };
  }
}

/** The texts of statuses, so that none is made with every request. */
const STATUS_TEXTS: readonly string[] = Array.from({ length: 600 }, (_, status) => String(status));

function counts(name: MetricName, family: Family<Count>): Sample[] {
  return [...family.entries()].map(([values, { value }]) => ({ labels: labelled(name, values), value }));
}

function ends(level: 'run' | 'chunk', family: Family<Count>): Sample[] {
  return [...family.entries()].map(([[endpoint, status, type], { value }]) => ({
    labels: { endpoint, level, status, error_type: type },
    value,
  }));
}

function distributions(name: MetricName, family: Family<Distribution>): Sample[] {
  return [...family.entries()].flatMap(([values, distribution]) => {
    const labels = labelled(name, values);
    const cumulative = distribution.cumulative();
    const buckets = [...distribution.bounds, '+Inf'].map((le, place): Sample => ({
      labels: { ...labels, le },
      value: cumulative[place]!,
      suffix: '_bucket',
    }));
    return [
      ...buckets,
      { labels, value: distribution.sum, suffix: '_sum' },
      { labels, value: cumulative.at(-1)!, suffix: '_count' },
    ];
  });
}

function labelled(name: MetricName, values: readonly string[]): Record<string, string> {
  return Object.fromEntries(METRICS[name].labels.map((label, place) => [label, values[place]!]));
}
