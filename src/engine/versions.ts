// The versions of one endpoint that are at work on this server. One takes new runs. Those before it finish the runs that were submitted to
// them, and end; one that is to come after it is tried first: it takes over once a replica of it is ready, and never if none becomes so.

import { ADOPT_MAX, type Ledger, type Settlement } from '../ledger/ledger.ts';
import type { Log } from '../log.ts';
import type { Deployed } from './deployment.ts';
import type { EndpointEngine } from './endpoint-engine.ts';

/** What the versions of an endpoint work with. */
export interface VersionsParts {
  readonly ledger: Ledger;
  readonly log: Log;
  /** Puts a version to work; `onChange` is called whenever its replicas come, go, or fail to start. */
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
  readonly #parts: VersionsParts;
  #active: EndpointEngine;
  /** Newest first. */
  #older: EndpointEngine[] = [];
  #next: EndpointEngine | null = null;
  #failed: Rollout | null = null;
  /** Changes of what is at work, one after the other. */
  #changing: Promise<void> = Promise.resolve();

  constructor(parts: VersionsParts, deployed: Deployed) {
    this.#parts = parts;
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

  /** The version that is tried now, or was tried last and failed; null where the last one succeeded. */
  get rollout(): Rollout | null {
    return this.#next === null
      ? this.#failed
      : { version: this.#next.deployed.version, state: 'starting', reason: null };
  }

  of(version: number): EndpointEngine | undefined {
    return this.all.find(({ deployed }) => deployed.version === version);
  }

  /** Tries a version that the ledger has as `starting`. One that is tried already gives way to it. */
  tryOut(deployed: Deployed): Promise<void> {
    return this.#change(async () => {
      if (this.#next !== null) await this.#giveUp(`Version ${deployed.version} was deployed before it was ready.`);
      this.#failed = null;
      // One that was superseded may be at work still, and may be ready already.
      const standing = this.#older.find((one) => one.deployed.version === deployed.version);
      this.#older = this.#older.filter((one) => one !== standing);
      this.#next = standing ?? this.#open(deployed);
      this.#next.supervisor.warm(1);
      await this.#decide();
    });
  }

  /** Ends versions that have no runs left, or cannot execute them any more; hands what nobody serves to the active one. */
  tidy(): Promise<void> {
    return this.#change(async () => {
      const { ledger, log } = this.#parts;
      for (const engine of this.#older) {
        const { spec, version } = engine.deployed;
        const reason = engine.supervisor.trouble();
        if (reason !== null) log.warn({ endpoint: spec.name, version, reason }, 'an older version no longer starts');
        if (reason === null && (await ledger.hasOpenRuns(spec.name, version))) continue;
        this.#older = this.#older.filter((one) => one !== engine);
        await close(engine);
        log.info({ endpoint: spec.name, version }, 'an older version has ended');
      }
      const { spec, version } = this.#active.deployed;
      const served = this.all.map(({ deployed }) => deployed.version);
      const adopted = await ledger.adopt(spec.name, version, served);
      if (adopted === 0) return;
      // The rest in its turn, and not before anything else may happen.
      if (adopted === ADOPT_MAX) setImmediate(() => void this.tidy());
      log.warn({ endpoint: spec.name, version, runs: adopted }, 'runs of a version that nobody serves were taken over');
      this.#active.wake();
    });
  }

  /** Takes no more decisions, and resolves when the last one has been carried out. */
  async stop(): Promise<void> {
    this.#change = () => Promise.resolve();
    await this.#changing;
  }

  /** Ends every version; nothing of them may be open. */
  async close(): Promise<void> {
    await this.stop();
    await Promise.all(this.all.map(close));
  }

  #open(deployed: Deployed): EndpointEngine {
    // Called with every invocation that ends, so it costs nothing while no version is tried.
    return this.#parts.open(deployed, () => {
      if (this.#next !== null) void this.#change(() => this.#decide());
    });
  }

  /** Whether the version that is tried takes over, or is given up. */
  async #decide(): Promise<void> {
    const next = this.#next;
    if (next === null) return;
    if (next.supervisor.counts().current > 0) {
      await this.#settle(next, { state: 'active' });
      this.#older.unshift(this.#active);
      this.#active = next;
      this.#next = null;
    } else if (next.supervisor.trouble() !== null) await this.#giveUp(next.supervisor.trouble()!);
  }

  async #giveUp(reason: string): Promise<void> {
    const next = this.#next!;
    this.#next = null;
    this.#failed = { version: next.deployed.version, state: 'failed', reason };
    await this.#settle(next, { state: 'failed', reason });
    await close(next);
  }

  async #settle({ deployed: { spec, version } }: EndpointEngine, settlement: Settlement): Promise<void> {
    await this.#parts.ledger.settle(spec.name, version, settlement);
    this.#parts.log.info({ endpoint: spec.name, version, ...settlement }, 'a version was tried');
  }

  /** Runs one change after the other; what goes wrong is tried again by whatever comes next. */
  #change = (work: () => Promise<void>): Promise<void> => {
    this.#changing = this.#changing.then(work).catch((error: unknown) => {
      this.#parts.log.error(
        { err: error, endpoint: this.#active.deployed.spec.name },
        'a version could not be changed',
      );
    });
    return this.#changing;
  };
}

async function close(engine: EndpointEngine): Promise<void> {
  await engine.stopDispatching();
  await engine.supervisor.close();
}
