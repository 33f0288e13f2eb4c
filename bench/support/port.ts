// Runs at the ledger's port, without a server around it.

import { systemClock } from '../../src/system/clock.ts';
import type { Payload } from '../../src/domain/payload.ts';
import { days, minutes } from '../../src/domain/time.ts';
import type { ClaimedRun, Ledger, NewRun } from '../../src/stores/ledger/ledger.ts';
import { openPostgresLedger } from '../../src/stores/ledger/postgres/driver.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite/driver.ts';
import { call, inline } from '../../test/stores/ledger/runs.ts';
import { BODY } from './load.ts';

const INPUT: Payload = inline(JSON.stringify((JSON.parse(BODY) as { input: unknown }).input));

/** Where claimcheck keeps its ledger in a data folder. */
export { ledgerFile } from '../../src/config/config.ts';

/** Opens the ledger at a path (SQLite) or at a URL (Postgres). */
export const openLedger = (place: string): Promise<Ledger> =>
  place.startsWith('postgres:') ? openPostgresLedger(place) : openSqliteLedger(place, systemClock);

/** Enqueues, claims and finishes runs that do nothing. */
export class PortRuns {
  readonly #ledger: Ledger;
  readonly #endpoint: string;

  private constructor(ledger: Ledger, endpoint: string) {
    this.#ledger = ledger;
    this.#endpoint = endpoint;
  }

  /** Deploys the endpoint, unless a server has done so before: then the runs are that version's. */
  static async deploy(ledger: Ledger, endpoint: string): Promise<PortRuns> {
    const isDeployed = (await ledger.deployments()).some((one) => one.endpoint === endpoint && one.state === 'active');
    if (isDeployed) return new PortRuns(ledger, endpoint);
    await ledger.deploy({
      name: endpoint,
      fingerprint: 'bench',
      spec: 'null',
      source: 'config',
      queueLimit: 100_000_000,
      concurrencyLimit: null,
    });
    return new PortRuns(ledger, endpoint);
  }

  async enqueue(count: number): Promise<void> {
    const results = await this.#ledger.enqueue(Array.from({ length: count }, () => this.#newRun()));
    if (results.some(({ result }) => result !== 'enqueued')) throw new Error('A run was not taken in.');
  }

  async claim(count: number): Promise<ClaimedRun[]> {
    const claimed = await this.#ledger.claim({
      endpoint: this.#endpoint,
      version: 1,
      lane: 'replica',
      slots: Array.from({ length: count }, () => ({ replica: 'bench', coldStart: null })),
      alone: true,
      owner: 'bench',
      lease: minutes(10),
    });
    if (claimed.length === 0) throw new Error('There was no run to claim.');
    return claimed;
  }

  async finish(claimed: readonly ClaimedRun[]): Promise<void> {
    const result = { kind: 'succeeded', output: INPUT } as const;
    const answers = await this.#ledger.finish(claimed.map(({ claim }) => ({ claim, result, progress: null })));
    if (answers.includes('lost')) throw new Error('An outcome was refused.');
  }

  #newRun(): NewRun {
    return call({ endpoint: this.#endpoint, input: INPUT, queueTtl: days(7) });
  }
}
