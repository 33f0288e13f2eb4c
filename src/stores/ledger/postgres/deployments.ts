// Which versions of an endpoint there are, and which one takes new runs.

import { ADOPT_MAX, type Deployment, type DeploymentRecord, type Retired, type Settlement } from '../ledger.ts';
import { type DeploymentRow, type Standing, staysAsItIs, toDeploymentRecord } from '../rows.ts';
import type { Connections, Statement, Writer } from '../../postgres/connections.ts';

// An endpoint that is deployed for the first time has no row to be locked.
const LOCK: Statement = {
  name: 'claimcheck_lock_deployments',
  text: `SELECT pg_advisory_xact_lock(hashtextextended('claimcheck deployments of ' || $1, 0))`,
};
const STANDING: Statement = {
  name: 'claimcheck_standing_deployment',
  text: `SELECT version, fingerprint, config_fingerprint FROM claimcheck.endpoints WHERE name = $1`,
};
const REMEMBER_CONFIG: Statement = {
  name: 'claimcheck_remember_config',
  text: `UPDATE claimcheck.endpoints SET config_fingerprint = $2 WHERE name = $1`,
};
const WRITE: Statement = {
  name: 'claimcheck_stage',
  text: `
  INSERT INTO claimcheck.deployments AS d
    (endpoint, version, fingerprint, spec, source, state, deployed_at_ms, queue_limit, concurrency_limit)
  VALUES ($1, 1 + (SELECT coalesce(max(version), 0) FROM claimcheck.deployments WHERE endpoint = $1),
    $2, $3, $4, 'starting', claimcheck.now_ms(), $5, $6)
  ON CONFLICT (endpoint, fingerprint) DO UPDATE SET
    spec = excluded.spec, state = CASE WHEN d.state = 'active' THEN d.state ELSE 'starting' END, reason = NULL,
    deployed_at_ms = excluded.deployed_at_ms, queue_limit = excluded.queue_limit, concurrency_limit = excluded.concurrency_limit
  RETURNING version`,
};
const SUPERSEDE: Statement = {
  name: 'claimcheck_supersede',
  text: `UPDATE claimcheck.deployments SET state = 'superseded' WHERE endpoint = $1 AND state = 'active' AND version <> $2`,
};
const ACTIVATE: Statement = {
  name: 'claimcheck_activate',
  text: `UPDATE claimcheck.deployments SET state = 'active', reason = NULL WHERE endpoint = $1 AND version = $2`,
};
const TELL_ENDPOINT: Statement = {
  name: 'claimcheck_tell_endpoint',
  text: `
  INSERT INTO claimcheck.endpoints (name, version, fingerprint, deployed_at_ms, queue_limit, concurrency_limit)
  SELECT endpoint, version, fingerprint, deployed_at_ms, queue_limit, concurrency_limit
  FROM claimcheck.deployments WHERE endpoint = $1 AND version = $2
  ON CONFLICT (name) DO UPDATE SET
    version = excluded.version, fingerprint = excluded.fingerprint, deployed_at_ms = excluded.deployed_at_ms,
    queue_limit = excluded.queue_limit, concurrency_limit = excluded.concurrency_limit`,
};
const FAIL: Statement = {
  name: 'claimcheck_fail_deployment',
  text: `
  UPDATE claimcheck.deployments SET state = 'failed', reason = $3 WHERE endpoint = $1 AND version = $2 AND state = 'starting'`,
};
const LIST: Statement = {
  name: 'claimcheck_deployments',
  text: `SELECT * FROM claimcheck.deployments ORDER BY endpoint, version`,
};
// Every submit locks this row, so what is on its way has come, or finds no room.
const LOCK_ENDPOINT: Statement = {
  name: 'claimcheck_lock_endpoint',
  text: `SELECT 1 AS locked FROM claimcheck.endpoints WHERE name = $1 FOR UPDATE`,
};
const IN_USE: Statement = {
  name: 'claimcheck_endpoint_in_use',
  text: `SELECT EXISTS (SELECT 1 FROM claimcheck.open_runs WHERE endpoint = $1) AS in_use`,
};
const RETIRE: Statement = {
  name: 'claimcheck_retire',
  text: `UPDATE claimcheck.deployments SET state = 'superseded' WHERE endpoint = $1 AND state IN ('active', 'starting')`,
};
// Without room in its queue it takes nothing that was on its way; without that fingerprint a
// configuration that named it before deploys it anew.
const CLOSE: Statement = {
  name: 'claimcheck_close_endpoint',
  text: `UPDATE claimcheck.endpoints SET queue_limit = 0, config_fingerprint = NULL WHERE name = $1`,
};
// Rows that are being claimed at this moment are left to their claim. A transaction that has locked
// rows waits for nobody here.
const ADOPT: Statement = {
  name: 'claimcheck_adopt',
  text: `
  WITH
  left_behind AS MATERIALIZED (
    SELECT d.version FROM claimcheck.deployments d
    WHERE d.endpoint = $1 AND d.version <> $2 AND d.version <> ALL($3::integer[])
      AND NOT EXISTS (
        SELECT 1 FROM claimcheck.open_runs w WHERE w.endpoint = $1 AND w.version = d.version AND w.status = 'running')),
  found AS MATERIALIZED (
    SELECT r.seq, r.status
    FROM left_behind l CROSS JOIN (VALUES (FALSE), (TRUE)) AS lane (batches) CROSS JOIN LATERAL (
      SELECT q.seq, q.status FROM claimcheck.open_runs q
      WHERE q.endpoint = $1 AND (q.kind = 'batch') = lane.batches AND q.version = l.version AND q.status = 'queued'
      LIMIT ${ADOPT_MAX}
      FOR UPDATE SKIP LOCKED) r
    LIMIT ${ADOPT_MAX})
  UPDATE claimcheck.open_runs r SET version = $2 FROM found f WHERE r.seq = f.seq AND r.status = f.status
  RETURNING r.seq`,
};

/** Keeps deployments. */
export class DeploymentVerbs {
  readonly #connections: Connections;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  deploy(deployment: Deployment): Promise<number> {
    const { name, fingerprint, source } = deployment;
    return this.#alone(name, async (writer) => {
      const [standing] = await writer.write<Standing>(STANDING, [name]);
      if (staysAsItIs(deployment, standing)) return standing.version;
      const version = await write(writer, deployment);
      await makeActive(writer, name, version);
      if (source === 'config') await writer.write(REMEMBER_CONFIG, [name, fingerprint]);
      return version;
    });
  }

  stage(deployment: Deployment): Promise<number> {
    return this.#alone(deployment.name, (writer) => write(writer, deployment));
  }

  settle(name: string, version: number, settlement: Settlement): Promise<void> {
    return this.#alone(name, async (writer) => {
      if (settlement.state === 'active') await makeActive(writer, name, version);
      else await writer.write(FAIL, [name, version, settlement.reason]);
    });
  }

  retire(name: string): Promise<Retired> {
    return this.#alone(name, async (writer) => {
      await writer.write(LOCK_ENDPOINT, [name]);
      const [open] = await writer.write<{ in_use: boolean }>(IN_USE, [name]);
      if (open!.in_use) return 'in-use';
      for (const statement of [RETIRE, CLOSE]) await writer.write(statement, [name]);
      return 'retired';
    });
  }

  async list(): Promise<DeploymentRecord[]> {
    return (await this.#connections.read<DeploymentRow>(LIST, [])).map(toDeploymentRecord);
  }

  async adopt(name: string, version: number, served: readonly number[]): Promise<number> {
    const adopted = await this.#connections.untilKnown(() =>
      this.#connections.write(ADOPT, [name, version, [...served]]),
    );
    return adopted.length;
  }

  /** Every change can be made twice, so one whose connection was lost is. */
  #alone<Result>(name: string, work: (writer: Writer) => Promise<Result>): Promise<Result> {
    return this.#connections.untilKnown(() =>
      this.#connections.transaction(async (writer) => {
        await writer.write(LOCK, [name]);
        return work(writer);
      }),
    );
  }
}

async function write(
  writer: Writer,
  { name, fingerprint, spec, source, queueLimit, concurrencyLimit }: Deployment,
): Promise<number> {
  const values = [name, fingerprint, spec, source, queueLimit, concurrencyLimit];
  const [row] = await writer.write<{ version: number }>(WRITE, values);
  return row!.version;
}

async function makeActive(writer: Writer, name: string, version: number): Promise<void> {
  for (const statement of [SUPERSEDE, ACTIVATE, TELL_ENDPOINT]) await writer.write(statement, [name, version]);
}
