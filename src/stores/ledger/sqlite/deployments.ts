// Which versions of an endpoint there are, and which one takes new runs.

import type { DatabaseSync } from 'node:sqlite';
import type { Instant } from '../../../domain/time.ts';
import { ADOPT_MAX, type Deployment, type DeploymentRecord, type Retired, type Settlement } from '../ledger.ts';
import { type DeploymentRow, type Standing, staysAsItIs, toDeploymentRecord } from '../rows.ts';
import type { Counters } from './counters.ts';
import { Query } from '../../sqlite/query.ts';

const STANDING = `SELECT version, fingerprint, config_fingerprint FROM endpoints WHERE name = $name`;
const REMEMBER_CONFIG = `UPDATE endpoints SET config_fingerprint = $fingerprint WHERE name = $name`;
const WRITE = `
  INSERT INTO deployments (endpoint, version, fingerprint, spec, source, state, deployed_at_ms, queue_limit, concurrency_limit)
  VALUES ($name, 1 + (SELECT coalesce(max(version), 0) FROM deployments WHERE endpoint = $name),
    $fingerprint, $spec, $source, 'starting', $now, $queueLimit, $concurrencyLimit)
  ON CONFLICT (endpoint, fingerprint) DO UPDATE SET
    spec = excluded.spec, state = iif(state = 'active', state, 'starting'), reason = NULL, deployed_at_ms = excluded.deployed_at_ms,
    queue_limit = excluded.queue_limit, concurrency_limit = excluded.concurrency_limit
  RETURNING version`;
const SUPERSEDE = `UPDATE deployments SET state = 'superseded' WHERE endpoint = $name AND state = 'active' AND version <> $version`;
const ACTIVATE = `UPDATE deployments SET state = 'active', reason = NULL WHERE endpoint = $name AND version = $version`;
const FAIL = `
  UPDATE deployments SET state = 'failed', reason = $reason WHERE endpoint = $name AND version = $version AND state = 'starting'`;
const TELL_ENDPOINT = `
  INSERT INTO endpoints (name, version, fingerprint, deployed_at_ms, queue_limit, concurrency_limit)
  SELECT endpoint, version, fingerprint, deployed_at_ms, queue_limit, concurrency_limit
  FROM deployments WHERE endpoint = $name AND version = $version
  ON CONFLICT (name) DO UPDATE SET
    version = excluded.version, fingerprint = excluded.fingerprint, deployed_at_ms = excluded.deployed_at_ms,
    queue_limit = excluded.queue_limit, concurrency_limit = excluded.concurrency_limit`;
const LIST = `SELECT * FROM deployments ORDER BY endpoint, version`;
const IN_USE = `
  SELECT EXISTS (SELECT 1 FROM runs WHERE endpoint = $name AND status = 'queued')
    OR EXISTS (SELECT 1 FROM runs WHERE endpoint = $name AND status = 'running') AS in_use`;
const RETIRE = `UPDATE deployments SET state = 'superseded' WHERE endpoint = $name AND state IN ('active', 'starting')`;
// Without room in its queue it takes nothing that was on its way; without that fingerprint a
// configuration that named it before deploys it anew.
const CLOSE = `UPDATE endpoints SET queue_limit = 0, config_fingerprint = NULL WHERE name = $name`;
const LEFT_BEHIND = `
  SELECT d.version FROM deployments d
  WHERE d.endpoint = $name AND d.version <> $version
    AND NOT EXISTS (SELECT 1 FROM runs w WHERE w.endpoint = d.endpoint AND w.version = d.version AND w.status = 'running')`;
const ADOPT = `
  UPDATE runs SET version = $version WHERE seq IN (
    SELECT seq FROM runs WHERE endpoint = $name AND (kind = 'batch') = $batches AND version = $from AND status = 'queued' LIMIT $limit)`;

/** Keeps deployments. */
export class DeploymentVerbs {
  readonly #standing;
  readonly #rememberConfig;
  readonly #write;
  readonly #supersede;
  readonly #activate;
  readonly #fail;
  readonly #tellEndpoint;
  readonly #inUse;
  readonly #retire;
  readonly #close;
  readonly #list;
  readonly #leftBehind;
  readonly #adopt;
  readonly #counters: Counters;

  constructor(db: DatabaseSync, counters: Counters) {
    this.#standing = new Query<Standing>(db, STANDING);
    this.#rememberConfig = db.prepare(REMEMBER_CONFIG);
    this.#write = new Query<{ version: number }>(db, WRITE);
    this.#supersede = db.prepare(SUPERSEDE);
    this.#activate = db.prepare(ACTIVATE);
    this.#fail = db.prepare(FAIL);
    this.#tellEndpoint = db.prepare(TELL_ENDPOINT);
    this.#inUse = new Query<{ in_use: 0 | 1 }>(db, IN_USE);
    this.#retire = db.prepare(RETIRE);
    this.#close = db.prepare(CLOSE);
    this.#list = new Query<DeploymentRow>(db, LIST);
    this.#leftBehind = new Query<{ version: number }>(db, LEFT_BEHIND);
    this.#adopt = db.prepare(ADOPT);
    this.#counters = counters;
  }

  deploy(now: Instant, deployment: Deployment): number {
    const { name, fingerprint, source } = deployment;
    const standing = this.#standing.first({ name });
    if (staysAsItIs(deployment, standing)) return standing.version;
    const version = this.stage(now, deployment);
    this.#makeActive(name, version);
    if (source === 'config') this.#rememberConfig.run({ name, fingerprint });
    return version;
  }

  stage(now: Instant, { name, fingerprint, spec, source, queueLimit, concurrencyLimit }: Deployment): number {
    return this.#write.only({ name, fingerprint, spec, source, queueLimit, concurrencyLimit, now }).version;
  }

  settle(name: string, version: number, settlement: Settlement): void {
    if (settlement.state === 'active') this.#makeActive(name, version);
    else this.#fail.run({ name, version, reason: settlement.reason });
  }

  retire(name: string): Retired {
    if (this.#inUse.only({ name }).in_use === 1) return 'in-use';
    this.#retire.run({ name });
    this.#counters.writeBack();
    this.#close.run({ name });
    this.#counters.forget();
    return 'retired';
  }

  list(): DeploymentRecord[] {
    return this.#list.all().map(toDeploymentRecord);
  }

  adopt(name: string, version: number, served: readonly number[]): number {
    const leftBehind = this.#leftBehind.all({ name, version }).filter((other) => !served.includes(other.version));
    let adopted = 0;
    for (const { version: from } of leftBehind)
      for (const batches of [0, 1])
        adopted += Number(this.#adopt.run({ name, version, from, batches, limit: ADOPT_MAX - adopted }).changes);
    return adopted;
  }

  #makeActive(name: string, version: number): void {
    this.#supersede.run({ name, version });
    this.#activate.run({ name, version });
    this.#counters.writeBack();
    this.#tellEndpoint.run({ name, version });
    this.#counters.forget();
  }
}
