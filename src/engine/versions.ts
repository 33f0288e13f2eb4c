// The versions of one endpoint that are at work on this server. One takes new runs. Those before it
// finish the runs that were submitted to them, and end; one that is to come after it is tried
// first: it takes over once a replica of it is ready, and never if none becomes so.

import {
  ADOPT_MAX,
  type DeploymentLedger,
  type Retired,
  type RunReader,
  type Settlement,
} from '../stores/ledger/ledger.ts';
import type { Log } from '../system/log.ts';
import type { Deployed } from './deployment.ts';
import type { EndpointEngine } from './endpoint-engine.ts';
import { Sequence } from './sequence.ts';

/** What the versions of an endpoint work with. */
export interface VersionsDeps {
  readonly ledger: DeploymentLedger & RunReader;
  readonly log: Log;
  /**
   * Puts a version to work; `onChange` is called whenever its replicas come, go, or fail to start.
   */
  readonly open: (deployed: Deployed, onChange: () => void) => EndpointEngine;
}

/** A version that is tried, or that was and failed. */
export interface Rollout {
  readonly version: number;
  readonly state: 'starting' | 'failed';
  /** Why no replica became ready; null while that is not decided. */
  readonly reason: string | null;
}

/** One endpoint with all its versions that are at work. */
export class Versions {
  readonly #deps: VersionsDeps;
  #active: EndpointEngine;
  /** Newest first. */
  #older: EndpointEngine[] = [];
  #next: EndpointEngine | null = null;
  #failed: Rollout | null = null;
  /** Why versions were given up of which the ledger does not know it yet. */
  readonly #givenUp = new Map<number, string>();
  /**
   * Versions that take nothing more and finish what they have begun: that may take as long as a
   * run, and nobody waits for it here.
   */
  readonly #ending = new Set<EndpointEngine>();
  /** Changes of what is at work, one after the other. */
  readonly #changes = new Sequence();
  /** Then everything stays as it is. */
  #stopped = false;

  constructor(deps: VersionsDeps, deployed: Deployed) {
    this.#deps = deps;
    this.#active = this.#open(deployed);
  }

  /** The version that takes new runs. */
  get active(): EndpointEngine {
    return this.#active;
  }

  /** Every version that is at work, the active one first. */
  get all(): readonly EndpointEngine[] {
    return [this.#active, ...this.#older, ...(this.#next === null ? [] : [this.#next])];
  }

  /** Versions that are being ended. */
  get ending(): readonly EndpointEngine[] {
    return [...this.#ending];
  }

  /** The versions that take new runs, or will once they are ready. */
  get current(): readonly EndpointEngine[] {
    return this.#next === null ? [this.#active] : [this.#active, this.#next];
  }

  /**
   * The version that is tried now, or was tried last and failed; null where the last one succeeded.
   */
  get rollout(): Rollout | null {
    return this.#next === null
      ? this.#failed
      : { version: this.#next.deployed.version, state: 'starting', reason: null };
  }

  of(version: number): EndpointEngine | undefined {
    return this.all.find(({ deployed }) => deployed.version === version);
  }

  /** Tries a version that the ledger has. Another one that is tried gives way to it. */
  tryOut(deployed: Deployed): Promise<void> {
    const { version } = deployed;
    return this.#changes.run(async () => {
      if (this.#stopped || this.#next?.deployed.version === version) return;
      await this.#giveUp(`Version ${version} was deployed before it was ready.`);
      this.#failed = null;
      this.#givenUp.delete(version);
      // Another server on this ledger may have made another one active.
      if (this.#active.deployed.version === version) return this.#settle(version, { state: 'active' });
      this.#next = (await this.#takeBack(version)) ?? this.#open(deployed);
      this.#next.supervisor.warm(1);
      await this.#look();
    });
  }

  /**
   * Keeps a version active that is so here: what is tried gives way to it. Answers false, and
   * changes nothing, where another one is.
   */
  keep(version: number): Promise<boolean> {
    return this.#changes.run(async () => {
      if (this.#active.deployed.version !== version) return false;
      await this.#giveUp(`Version ${version} was deployed again before it was ready.`);
      this.#failed = null;
      await this.#look();
      return true;
    });
  }

  /**
   * Ends versions that have no runs left, or cannot execute them any more; hands what nobody serves
   * to the active one.
   */
  async tidy(): Promise<void> {
    await this.#changes
      .run(async () => {
        if (this.#stopped) return;
        // Also what could not be written when it was decided.
        await this.#look();
        await this.#endOlder();
        await this.#adopt();
      })
      .catch((error: unknown) => this.#report(error, 'the versions of an endpoint could not be tidied up'));
  }

  /**
   * Takes the endpoint away where nothing of it is open; then nothing is tried or takes over any
   * more.
   */
  retire(): Promise<Retired> {
    return this.#changes.run(async () => {
      const retired = await this.#deps.ledger.retire(this.#active.deployed.spec.name);
      if (retired === 'retired') this.#stopped = true;
      return retired;
    });
  }

  /** Takes no more decisions, and resolves when the last one has been carried out. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#changes.over();
  }

  /** Ends every version; nothing of them may be open. */
  async close(): Promise<void> {
    await this.stop();
    await Promise.all([...this.all, ...this.#ending].map(close));
  }

  #open(deployed: Deployed): EndpointEngine {
    // Called with every invocation that ends, so it costs nothing while no version is tried.
    return this.#deps.open(deployed, () => {
      if (this.#next !== null) void this.#changes.run(() => this.#look());
    });
  }

  /**
   * A version of before that is at work still, and may be ready already; not one that no longer
   * starts.
   */
  async #takeBack(version: number): Promise<EndpointEngine | null> {
    const standing = this.#older.find((one) => one.deployed.version === version);
    if (standing === undefined) return null;
    this.#older = this.#older.filter((one) => one !== standing);
    if (standing.supervisor.trouble() === null) return standing;
    await this.#end(standing);
    return null;
  }

  /**
   * Carries out what can be decided of the version that is tried, and tells the ledger; what fails
   * is done with the next look.
   */
  async #look(): Promise<void> {
    if (this.#stopped) return;
    try {
      const next = this.#next;
      const trouble = next?.supervisor.trouble() ?? null;
      if (next !== null && next.supervisor.counts().current > 0) {
        await this.#settle(next.deployed.version, { state: 'active' });
        this.#older.unshift(this.#active);
        this.#active = next;
        this.#next = null;
      } else if (trouble !== null) await this.#giveUp(trouble);
      for (const [version, reason] of this.#givenUp) {
        await this.#settle(version, { state: 'failed', reason });
        this.#givenUp.delete(version);
      }
    } catch (error) {
      this.#report(error, 'the state of a version could not be written down; it will be tried again');
    }
  }

  /**
   * Gives up the version that is tried, where one is. Its replicas end first, so that none goes on
   * of which nobody knows.
   */
  async #giveUp(reason: string): Promise<void> {
    const next = this.#next;
    if (next === null || this.#stopped) return;
    const { version } = next.deployed;
    this.#next = null;
    this.#failed = { version, state: 'failed', reason };
    this.#givenUp.set(version, reason);
    // One that can execute runs may have some, and ends like any other version of before.
    if (next.supervisor.counts().current > 0) this.#older.unshift(next);
    else await this.#end(next);
  }

  async #endOlder(): Promise<void> {
    const { ledger, log } = this.#deps;
    for (const engine of this.#older) {
      const { spec, version } = engine.deployed;
      const reason = engine.supervisor.trouble();
      if (reason !== null) log.warn({ endpoint: spec.name, version, reason }, 'an older version no longer starts');
      if (reason === null && (await ledger.hasOpenRuns(spec.name, version))) continue;
      this.#older = this.#older.filter((one) => one !== engine);
      void this.#end(engine).then(() => log.info({ endpoint: spec.name, version }, 'an older version has ended'));
    }
  }

  async #adopt(): Promise<void> {
    const { ledger, log } = this.#deps;
    const { spec, version } = this.#active.deployed;
    const served = this.all.map(({ deployed }) => deployed.version);
    const adopted = await ledger.adopt(spec.name, version, served);
    if (adopted === 0) return;
    // The rest in its turn, and not before anything else may happen.
    if (adopted === ADOPT_MAX) setImmediate(() => void this.tidy());
    log.warn({ endpoint: spec.name, version, runs: adopted }, 'runs of a version that nobody serves were taken over');
    this.#active.wake();
  }

  async #end(engine: EndpointEngine): Promise<void> {
    this.#ending.add(engine);
    await close(engine).catch((error: unknown) => this.#report(error, 'a version could not be ended'));
    this.#ending.delete(engine);
  }

  async #settle(version: number, settlement: Settlement): Promise<void> {
    const { ledger, log } = this.#deps;
    const { name } = this.#active.deployed.spec;
    await ledger.settle(name, version, settlement);
    log.info({ endpoint: name, version, ...settlement }, 'a version was tried');
  }

  #report(err: unknown, what: string): void {
    this.#deps.log.error({ err, endpoint: this.#active.deployed.spec.name }, what);
  }
}

async function close(engine: EndpointEngine): Promise<void> {
  await engine.stopDispatching();
  await engine.supervisor.close();
}
