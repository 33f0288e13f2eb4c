// The endpoints that are deployed on this server: found by name, shown, and put to work or taken
// away.

import type { Clock } from '../system/clock.ts';
import { mayUse, type Viewer } from '../domain/access.ts';
import { ServiceError } from '../domain/errors.ts';
import type { DeploymentLedger, RunReader } from '../stores/ledger/ledger.ts';
import type { Log } from '../system/log.ts';
import type { Deployed } from './deployment.ts';
import type { EndpointEngine } from './endpoint-engine.ts';
import { type EndpointView, endpointViewOf } from './views.ts';
import { Versions } from './versions.ts';

/** What the endpoints of a server work with. */
export interface EndpointsDeps {
  readonly ledger: DeploymentLedger & RunReader;
  readonly clock: Clock;
  readonly log: Log;
  /**
   * Puts a version to work; `onChange` is called whenever its replicas come, go, or fail to start.
   */
  readonly open: (deployed: Deployed, onChange: () => void) => EndpointEngine;
}

/** Every endpoint of a server. */
export class Endpoints {
  readonly #deps: EndpointsDeps;
  readonly #versions = new Map<string, Versions>();
  /** Endpoints that are being taken away: they work on what they have, and take nothing more. */
  readonly #leaving = new Set<string>();
  readonly #troubleListeners = new Set<() => void>();
  #stopped = false;

  constructor(deps: EndpointsDeps) {
    this.#deps = deps;
  }

  /**
   * The endpoint of a name, or the default one of those that somebody may use.
   *
   * @throws ServiceError `endpoint-not-found`, which names those
   */
  resolve(name: string | null, viewer: Viewer): Deployed {
    if (name !== null && mayUse(viewer, name)) {
      const named = this.find(name);
      if (named !== null) return named;
    }
    const all = this.visibleTo(viewer);
    const preset = all.find(({ spec }) => spec.isDefault) ?? (all.length === 1 ? all[0] : undefined);
    if (name === null && preset !== undefined) return preset;
    const names = all.map(({ spec }) => spec.name).join(', ') || 'none';
    throw new ServiceError(
      'endpoint-not-found',
      name === null
        ? `No endpoint is marked as the default; name one of: ${names}.`
        : `There is no endpoint "${name}". Deployed are: ${names}.`,
    );
  }

  /** The active version of an endpoint, or null where there is no such endpoint. */
  find(name: string): Deployed | null {
    return this.#leaving.has(name) ? null : (this.#versions.get(name)?.active.deployed ?? null);
  }

  /** The active version of every endpoint that somebody may use. */
  visibleTo(viewer: Viewer): readonly Deployed[] {
    return [...this.#versions.values()]
      .map(({ active }) => active.deployed)
      .filter(({ spec }) => !this.#leaving.has(spec.name) && mayUse(viewer, spec.name));
  }

  /** The name of the endpoint that is marked as the default, or null. */
  default(): string | null {
    const marked = [...this.#versions.values()].find(({ active }) => active.deployed.spec.isDefault);
    return marked?.active.deployed.spec.name ?? null;
  }

  /**
   * Another endpoint than the one of this name that is the default, or would be once its new
   * version is ready; null where there is none.
   */
  otherDefault(name: string): string | null {
    const specs = [...this.#versions.values()].flatMap(({ current }) => current.map(({ deployed }) => deployed.spec));
    return specs.find((spec) => spec.isDefault && spec.name !== name)?.name ?? null;
  }

  /**
   * The endpoints that somebody may use, as they are shown. What waits and works there is counted
   * over all tenants: it is what a new run waits for.
   */
  async views(viewer: Viewer): Promise<EndpointView[]> {
    const depths = new Map((await this.#deps.ledger.depths()).map((depth) => [depth.endpoint, depth]));
    const visible = [...this.#versions.entries()].filter(([name]) => mayUse(viewer, name));
    return visible.map(([name, versions]) => endpointViewOf(versions, depths.get(name)!, this.#deps.clock));
  }

  /** The versions of an endpoint that are at work. */
  versionsOf(name: string): Versions | undefined {
    return this.#versions.get(name);
  }

  /** Every version of every endpoint that is at work, those that are being ended among them. */
  get atWork(): readonly EndpointEngine[] {
    return [...this.#versions.values()].flatMap(({ all, ending }) => [...all, ...ending]);
  }

  /** Something may have become possible for the versions of an endpoint. */
  wake(name: string): void {
    this.#versions.get(name)?.all.forEach((version) => version.wake());
  }

  /** Why the replicas of an endpoint do not become ready, or null. */
  trouble(name: string): string | null {
    return this.#versions.get(name)?.active.supervisor.trouble() ?? null;
  }

  /**
   * Calls back whenever the replicas of some version turn out not to start; answers how to stop
   * listening.
   */
  onTrouble(listener: () => void): () => void {
    this.#troubleListeners.add(listener);
    return () => void this.#troubleListeners.delete(listener);
  }

  /** Takes up an endpoint that the ledger has. */
  add(deployed: Deployed): void {
    const { ledger, log } = this.#deps;
    const open = (version: Deployed, onChange: () => void): EndpointEngine => this.#open(version, onChange);
    this.#versions.set(deployed.spec.name, new Versions({ ledger, log, open }, deployed));
  }

  /**
   * Takes an endpoint up that the ledger has just been told of; or, where there is one of that
   * name, tries its new version out.
   */
  async deploy(deployed: Deployed): Promise<void> {
    const versions = this.#versions.get(deployed.spec.name);
    if (versions !== undefined) await versions.tryOut(deployed);
    // A server that has stopped in the meantime starts nothing: the next one finds it in the
    // ledger.
    else if (!this.#stopped) this.add(deployed);
  }

  /**
   * Takes an endpoint away once nothing of it is open; its runs and their outputs stay. What is
   * submitted meanwhile finds no such endpoint.
   *
   * @param name of an endpoint that there is
   * @param before what is done first, while it takes nothing more
   * @throws ServiceError `endpoint-in-use` where something is open
   */
  async remove(name: string, before: () => Promise<void>): Promise<void> {
    const versions = this.#versions.get(name)!;
    this.#leaving.add(name);
    try {
      await before();
      if ((await versions.retire()) === 'in-use') throw inUse(name);
      this.#versions.delete(name);
    } finally {
      this.#leaving.delete(name);
    }
    await versions.close();
  }

  /**
   * Ends versions that have no runs left, or cannot execute them any more; hands what nobody serves
   * to the active ones.
   */
  async tidy(): Promise<void> {
    await Promise.all([...this.#versions.values()].map((versions) => versions.tidy()));
  }

  /** Changes no versions any more, and resolves when the last change has been carried out. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#versions.values()].map((versions) => versions.stop()));
  }

  #open(version: Deployed, onChange: () => void): EndpointEngine {
    const engine: EndpointEngine = this.#deps.open(version, () => {
      if (engine.supervisor.trouble() !== null) this.#troubleListeners.forEach((listener) => listener());
      onChange();
    });
    return engine;
  }
}

const inUse = (name: string): ServiceError =>
  new ServiceError(
    'endpoint-in-use',
    `Runs of ${name} are queued or running. Wait for them, cancel them, or say force=true, which cancels them all.`,
  );
