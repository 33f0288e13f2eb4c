// Deploying while the server runs: new endpoints and versions, versions of before, and endpoints
// that go.

import { dirname } from 'node:path';
import { EndpointFile } from '../config/config-file.ts';
import { permit, type Permitted, permitOperator } from '../config/deploy-rules.ts';
import { resolveEndpoint } from '../config/endpoint.ts';
import { checkInWords } from '../config/in-words.ts';
import type { Principal } from '../domain/access.ts';
import type { EndpointSpec } from '../domain/endpoint.ts';
import { type FieldError, ServiceError } from '../domain/errors.ts';
import type { Deploying, Deployments, ModelShape } from '../engine/deployment.ts';
import type { Engine } from '../engine/engine.ts';
import { Sequence } from '../engine/sequence.ts';
import type { DeploymentRecord, Ledger } from '../stores/ledger/ledger.ts';
import type { DeployDeps, Examiner } from './examiner.ts';
import { deploymentOf, keptSpec } from './version-record.ts';

const checkEndpoint = checkInWords(EndpointFile);

/** What deploying at a server works with. */
export interface ServerDeploymentsDeps extends Pick<DeployDeps, 'config' | 'users'> {
  readonly examiner: Examiner;
  readonly ledger: Ledger;
  readonly engine: Engine;
  /** Told of an endpoint's name before it is deployed. */
  readonly announce: (endpoint: string) => Promise<void>;
}

/** The deployments of a server that runs. */
export class ServerDeployments implements Deployments {
  readonly #deps: ServerDeploymentsDeps;
  readonly #changes = new Changes();

  constructor(deps: ServerDeploymentsDeps) {
    this.#deps = deps;
  }

  async versions(name: string, principal: Principal): Promise<DeploymentRecord[]> {
    return this.#recordsOf(this.#resolve(name, principal).name);
  }

  async deploy(name: string, written: unknown, principal: Principal): Promise<Deploying> {
    this.#assertOpen();
    const spec = this.#permitted(this.#read(name, written), principal);
    return this.#changes.of(spec, () => this.#put(spec));
  }

  async remove(name: string, force: boolean, principal: Principal): Promise<void> {
    this.#assertOpen();
    const spec = this.#resolve(name, principal);
    if (this.#deps.config.endpoints.some((written) => written.name === spec.name))
      throw new ServiceError(
        'endpoint-in-use',
        `${name} is in the server's configuration, which would bring it back: take it out there, and start the server anew.`,
      );
    await this.#changes.of(spec, async () => {
      // Somebody else may have taken it away meanwhile.
      this.#resolve(name, principal);
      this.#assertOpen();
      await this.#deps.engine.remove(spec.name, force);
    });
  }

  async rollBack(name: string, version: number | null, principal: Principal): Promise<Deploying> {
    this.#assertOpen();
    return this.#changes.of(this.#resolve(name, principal), async () => {
      const wanted = earlier(name, version, await this.#recordsOf(this.#resolve(name, principal).name));
      this.#assertMayReturn(wanted, principal);
      const standing = await this.#deps.examiner.standing(wanted);
      if ('reason' in standing) throw new ServiceError('invalid-request', standing.reason);
      return this.#put(standing.deployed.spec);
    });
  }

  #resolve(name: string, principal: Principal): EndpointSpec {
    return this.#deps.engine.endpoints.resolve(name, principal).spec;
  }

  async #recordsOf(name: string): Promise<DeploymentRecord[]> {
    return (await this.#deps.ledger.deployments()).filter(({ endpoint }) => endpoint === name);
  }

  #assertOpen(): void {
    this.#deps.engine.assertNotDraining('deploys nothing');
  }

  async #put(spec: EndpointSpec): Promise<Deploying> {
    const { examiner, announce, ledger, engine } = this.#deps;
    const found = await examiner.examineNew(spec);
    if ('mistakes' in found) throw invalid(found.mistakes);
    await announce(spec.name);
    this.#assertOpen();
    const putThis = (): Promise<Deploying> => putToWork(ledger, engine, spec, found.shape);
    return spec.isDefault ? this.#changes.ofDefault(putThis) : putThis();
  }

  /**
   * Reads an endpoint as a configuration file would have it; paths are relative to the server's
   * configuration.
   */
  #read(name: string, written: unknown): EndpointSpec {
    const errors = checkEndpoint(written);
    if (errors.length > 0) throw new ServiceError('invalid-request', 'The endpoint is not valid.', { errors });
    const { spec, mistakes } = resolveEndpoint(name, written as EndpointFile, dirname(this.#deps.config.file));
    if (spec !== null) return spec;
    const prefix = `endpoints.${name}`;
    throw invalid(mistakes.map(({ pointer, detail }) => ({ pointer: pointer.slice(prefix.length + 1), detail })));
  }

  /**
   * The endpoint as somebody may deploy it: the operator any but as the server's user, a key what
   * the configuration allows.
   */
  #permitted(spec: EndpointSpec, principal: Principal): EndpointSpec {
    const permitted = this.#permit(spec, principal);
    if ('spec' in permitted) return permitted.spec;
    throw new ServiceError('forbidden', whyForbidden(spec, permitted.refused, principal), {
      errors: pointersOf(permitted.refused),
    });
  }

  #permit(spec: EndpointSpec, { isOperator }: Principal): Permitted {
    const { config, users } = this.#deps;
    const configured = config.endpoints.find(({ name }) => name === spec.name) ?? null;
    return isOperator === true
      ? permitOperator(spec, configured, config.deploy, users.arePossible)
      : permit(spec, configured, config.deploy, users.arePossible);
  }

  /**
   * Refuses a return that the configuration no longer allows. A version that is there was deployed
   * by a caller who might, and its model is what it was: anyone who may deploy may go back to it.
   * The server's user is the exception, since the configuration may have been changed.
   */
  #assertMayReturn(record: DeploymentRecord, principal: Principal): void {
    const kept = keptSpec(record);
    // What cannot be gone back to is refused with its reason, before anything of it runs.
    if ('reason' in kept) return;
    const { spec } = kept;
    const { version } = record;
    if (spec.model.runtime === 'remote' || !this.#wouldBeServers(spec, principal)) return;
    const permitted = this.#permit(spec, principal);
    if ('refused' in permitted || permitted.spec.user !== spec.user)
      throw new ServiceError(
        'forbidden',
        `Version ${version} runs as the server's own user, which the server's configuration does not allow: allow it there, by deploy: { users: [own, server] }.`,
      );
  }

  /**
   * Whether a version runs as the server's user where others are to be had: said so, or (which the
   * operator may) because its own cannot read it.
   */
  #wouldBeServers(spec: EndpointSpec, { isOperator }: Principal): boolean {
    const { users } = this.#deps;
    if (spec.user === 'server' || isOperator === true) return spec.user === 'server';
    const chosen = users.choose(spec);
    return users.arePossible && 'uid' in chosen && chosen.uid === null;
  }
}

function whyForbidden({ name }: EndpointSpec, refused: readonly FieldError[], { isOperator }: Principal): string {
  const sentences = refused.map(({ pointer, detail }) => `${pointer} ${detail}`).join('; ');
  if (isOperator === true)
    return `Over HTTP an endpoint gets the server's own user only where the server's configuration says so: ${sentences}. Write deploy: { users: [own, server] } there, or isolation: { user: server } under endpoints.${name}, and start the server anew; or deploy it without ${refused.map(({ pointer }) => pointer).join(' and ')}.`;
  // The operator's token helps with everything but the server's user.
  const orToken = refused.some(({ pointer }) => pointer === 'isolation.user')
    ? ''
    : ", or deploy with the operator's token, the first line of operator-token in the server's data folder, in place of the key";
  return `This server lets a key deploy what its configuration names, and no more: ${sentences}. Allow it there under deploy${orToken}.`;
}

/**
 * Changes of the endpoints of a server: those of one endpoint one after the other, so that the one
 * that was asked for last has the last word.
 */
class Changes {
  readonly #ofName = new Map<string, Sequence>();
  readonly #ofDefault = new Sequence();

  of<Result>({ name }: EndpointSpec, change: () => Promise<Result>): Promise<Result> {
    const sequence = this.#ofName.get(name) ?? new Sequence();
    this.#ofName.set(name, sequence);
    return sequence.run(change);
  }

  /** Of two endpoints that want to be the default, the second one must see the first. */
  ofDefault<Result>(change: () => Promise<Result>): Promise<Result> {
    return this.#ofDefault.run(change);
  }
}

/** Puts a version to work. Nothing may come between its steps: the caller has its turn. */
async function putToWork(ledger: Ledger, engine: Engine, spec: EndpointSpec, shape: ModelShape): Promise<Deploying> {
  const { endpoints } = engine;
  const other = spec.isDefault ? endpoints.otherDefault(spec.name) : null;
  if (other !== null) throw invalid([{ pointer: 'default', detail: `is true, but ${other} is the default already` }]);
  const deployment = deploymentOf(spec, 'api');
  if (endpoints.find(spec.name) === null) {
    const version = await ledger.deploy(deployment);
    await endpoints.deploy({ spec, version, ...shape });
    return { version, outcome: 'created' };
  }
  const records = await ledger.deployments();
  const active = records.find(({ endpoint, state }) => endpoint === spec.name && state === 'active');
  if (active?.fingerprint === deployment.fingerprint) {
    // What is tried would take over a moment later, although it is not what was asked for last.
    if (await endpoints.versionsOf(spec.name)!.keep(active.version))
      return { version: active.version, outcome: 'unchanged' };
  }
  const version = await ledger.stage(deployment);
  await endpoints.deploy({ spec, version, ...shape });
  return { version, outcome: 'starting' };
}

/** The version that a rollback leads to. */
function earlier(name: string, version: number | null, records: readonly DeploymentRecord[]): DeploymentRecord {
  const before = records.filter(({ state }) => state === 'superseded').toSorted((a, b) => b.deployedAt - a.deployedAt);
  const wanted = version === null ? before[0] : records.find((record) => record.version === version);
  if (wanted === undefined) throw noSuchVersion(name, version, records);
  return wanted;
}

/** Keys as they stand in a file are pointers in a request. */
const pointersOf = (mistakes: readonly FieldError[]): FieldError[] =>
  mistakes.map(({ pointer, detail }) => ({
    pointer: pointer === '' ? '' : `/${pointer.replaceAll('.', '/')}`,
    detail,
  }));

function invalid(mistakes: readonly FieldError[]): ServiceError {
  const errors = pointersOf(mistakes);
  const sentences = mistakes.map(({ pointer, detail }) => `${pointer} ${detail}`.trim()).join('; ');
  return new ServiceError('invalid-request', `The endpoint is not valid: ${sentences}`, { errors });
}

function noSuchVersion(name: string, version: number | null, records: readonly DeploymentRecord[]): ServiceError {
  const known = records.map((record) => `${record.version} (${record.state})`).join(', ');
  return new ServiceError(
    'invalid-request',
    version === null
      ? `No version of ${name} came before the one that is active. There are: ${known}.`
      : `${name} has no version ${version}. There are: ${known}.`,
    version === null ? {} : { errors: [{ pointer: '/version', detail: 'is no version of this endpoint' }] },
  );
}
