// From an endpoint as somebody wrote it to a version that is at work: when the server starts, for
// what the configuration names and what was deployed through a server before; and while it runs.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { EndpointFile } from './config/config-file.ts';
import { ConfigError } from './config/config-error.ts';
import type { Config } from './config/config.ts';
import { checkInWords } from './config/in-words.ts';
import { permit, type Permitted, permitOperator } from './config/deploy-rules.ts';
import { resolveEndpoint } from './config/endpoint.ts';
import type { Principal } from './domain/access.ts';
import type { EndpointSpec } from './domain/endpoint.ts';
import { type FieldError, ServiceError } from './domain/errors.ts';
import { isLack, isSystemError } from './domain/system-error.ts';
import type { Deployed, Deploying, Deployments, ModelShape } from './engine/deployment.ts';
import type { Engine } from './engine/engine.ts';
import { Sequence } from './engine/sequence.ts';
import { readEvaluation } from './scoring/evaluation-file.ts';
import type { DeploymentRecord, Ledger } from './stores/ledger/ledger.ts';
import type { Log } from './system/log.ts';
import type { Users } from './replicas/isolation/choice.ts';
import { missingProgram } from './replicas/runtimes/missing-program.ts';
import { Inspections } from './replicas/runtimes/inspections.ts';

const checkEndpoint = checkInWords(EndpointFile);

/**
 * What a model takes and whom its replicas run as, with what an operator should know; or what is
 * wrong with it.
 */
type Examined =
  | { readonly shape: ModelShape; readonly cautions: readonly string[] }
  | { readonly mistakes: readonly FieldError[] };

/** What deploying works with. */
export interface DeployerDeps {
  readonly config: Config;
  readonly users: Users;
  readonly log: Log;
}

/** Examines endpoints, and deploys them. */
export class Deployer {
  readonly #deps: DeployerDeps;

  constructor(deps: DeployerDeps) {
    this.#deps = deps;
  }

  /**
   * What every endpoint's model takes, found out before anything is started.
   *
   * @param inspections where the models are inspected; those of this start alone unless told
   * @throws ConfigError that names every model which cannot be used, and why
   */
  async examineConfig(
    inspections = this.#inspections(),
  ): Promise<{ shapes: ReadonlyMap<string, ModelShape>; cautions: readonly string[] }> {
    const { file, endpoints } = this.#deps.config;
    const examined = await Promise.all(
      endpoints.map(async (spec) => [spec.name, await this.#examineNew(spec, inspections)] as const),
    );
    const mistakes = mistakesOf(examined);
    if (mistakes.length > 0) throw new ConfigError(file, mistakes);
    const fine = examined.flatMap(([name, one]) => ('shape' in one ? [{ name, ...one }] : []));
    return {
      shapes: new Map(fine.map(({ name, shape }) => [name, shape])),
      cautions: fine.flatMap(({ cautions }) => cautions),
    };
  }

  /**
   * Everything that is wrong with the models of the configuration, programs that are not there
   * among it; and what the others take.
   */
  async lookOver(): Promise<{ kinds: ReadonlyMap<string, ModelShape['takes']>; mistakes: readonly FieldError[] }> {
    const { environment, endpoints } = this.#deps.config;
    const inspections = this.#inspections();
    const examined = await Promise.all(
      endpoints.map(async (spec): Promise<readonly [string, Examined]> => {
        const missing = missingProgram(spec, environment);
        return [spec.name, missing === null ? await this.#examineNew(spec, inspections) : { mistakes: [missing] }];
      }),
    );
    return {
      kinds: new Map(examined.flatMap(([name, one]) => ('shape' in one ? [[name, one.shape.takes]] : []))),
      mistakes: mistakesOf(examined),
    };
  }

  /**
   * What is to be at work when the server starts: the endpoints of the configuration, each in the
   * version that was deployed through a server since the configuration said something new; and
   * endpoints that were deployed through a server alone. A version that can no longer be used gives
   * way to the configuration's.
   */
  async atStart(ledger: Ledger, shapes: ReadonlyMap<string, ModelShape>): Promise<Deployed[]> {
    const { config, log } = this.#deps;
    const inspections = this.#inspections();
    const written = config.endpoints.map((spec) => ({ spec, deployment: deploymentOf(spec, 'config') }));
    await Promise.all(written.map(({ deployment }) => ledger.deploy(deployment)));
    const deployments = await ledger.deployments();
    const fromConfig = await Promise.all(
      written.map(async ({ spec, deployment }): Promise<Deployed> => {
        const active = deployments.find(({ endpoint, state }) => endpoint === spec.name && state === 'active');
        const { version } = active!;
        if (active!.fingerprint === deployment.fingerprint) return { spec, version, ...shapes.get(spec.name)! };
        const standing = await this.#standing(active!, inspections);
        if ('deployed' in standing) return standing.deployed;
        log.warn({ endpoint: spec.name, version, reason: standing.reason }, 'the configuration takes over again');
        return { spec, version: await ledger.deploy({ ...deployment, source: 'api' }), ...shapes.get(spec.name)! };
      }),
    );
    const known = new Set(config.endpoints.map(({ name }) => name));
    const others = await Promise.all(
      deployments
        .filter(({ endpoint, state, source }) => state === 'active' && source === 'api' && !known.has(endpoint))
        .map(async (record) => {
          const standing = await this.#standing(record, inspections);
          if ('deployed' in standing) return [standing.deployed];
          log.error({ endpoint: record.endpoint, reason: standing.reason }, 'an endpoint cannot be started');
          return [];
        }),
    );
    for (const { endpoint, version, state } of deployments) {
      if (state === 'starting')
        await ledger.settle(endpoint, version, { state: 'failed', reason: 'The server ended before it was ready.' });
    }
    return [...fromConfig, ...others.flat()];
  }

  /**
   * Deploying while the server runs.
   *
   * @param announce told of an endpoint's name before it is deployed
   */
  running(ledger: Ledger, engine: Engine, announce: (endpoint: string) => Promise<void>): Deployments {
    const changes = new Changes();
    const recordsOf = async (name: string): Promise<DeploymentRecord[]> =>
      (await ledger.deployments()).filter(({ endpoint }) => endpoint === name);
    const assertOpen = (): void => engine.assertNotDraining('deploys nothing');
    const put = async (spec: EndpointSpec): Promise<Deploying> => {
      const found = await this.#examineNew(spec);
      if ('mistakes' in found) throw invalid(found.mistakes);
      await announce(spec.name);
      assertOpen();
      const putThis = (): Promise<Deploying> => putToWork(ledger, engine, spec, found.shape);
      return spec.isDefault ? changes.ofDefault(putThis) : putThis();
    };
    return {
      versions: async (name, principal) => recordsOf(engine.endpoints.resolve(name, principal).spec.name),
      deploy: async (name, written, principal) => {
        assertOpen();
        const spec = this.#permitted(this.#read(name, written), principal);
        return changes.of(spec, () => put(spec));
      },
      remove: async (name, force, principal) => {
        assertOpen();
        const { spec } = engine.endpoints.resolve(name, principal);
        if (this.#deps.config.endpoints.some((written) => written.name === spec.name))
          throw new ServiceError(
            'endpoint-in-use',
            `${name} is in the server's configuration, which would bring it back: take it out there, and start the server anew.`,
          );
        await changes.of(spec, async () => {
          // Somebody else may have taken it away meanwhile.
          engine.endpoints.resolve(name, principal);
          assertOpen();
          await engine.remove(spec.name, force);
        });
      },
      rollBack: async (name, version, principal) => {
        assertOpen();
        return changes.of(engine.endpoints.resolve(name, principal).spec, async () => {
          const wanted = earlier(name, version, await recordsOf(engine.endpoints.resolve(name, principal).spec.name));
          this.#assertMayReturn(wanted, principal);
          const standing = await this.#standing(wanted);
          if ('reason' in standing) throw new ServiceError('invalid-request', standing.reason);
          return put(standing.deployed.spec);
        });
      },
    };
  }

  #inspections(): Inspections {
    return new Inspections(this.#deps.config.environment);
  }

  /** A version of before, if it is still what it was. */
  async #standing(
    record: DeploymentRecord,
    inspections = this.#inspections(),
  ): Promise<{ deployed: Deployed } | { reason: string }> {
    const kept = keptSpec(record);
    if ('reason' in kept) return kept;
    const { spec } = kept;
    const { version } = record;
    const examined = await this.#examine(spec, inspections);
    return 'mistakes' in examined
      ? { reason: `Version ${version} can no longer be used: ${examined.mistakes[0]!.detail}. ${again(record)}` }
      : { deployed: { spec, version, ...examined.shape } };
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
   * Whoever deployed a version that is there was entitled to, and its model is what it was: anybody
   * may go back to it. Not so to the server's user, to whom the configuration may have said no
   * since.
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

  /**
   * With its evaluation data, which a version that stood before can do without: a file that has
   * gone since is told when rows of it are asked for.
   */
  async #examineNew(spec: EndpointSpec, inspections = this.#inspections()): Promise<Examined> {
    const [examined, evaluation] = await Promise.all([this.#examine(spec, inspections), readEvaluation(spec)]);
    if (evaluation === null || !('mistake' in evaluation)) return examined;
    const mistakes = 'mistakes' in examined ? examined.mistakes : [];
    return { mistakes: [...mistakes, { pointer: 'evaluation', detail: evaluation.mistake }] };
  }

  /**
   * The endpoint's own user inspects the model, where it is to have one: that shows that it can
   * read it, and spares the look. Where it cannot, or something else is wrong, the look finds out
   * which, and whether the server's user inspects the model in its place.
   */
  async #examine(spec: EndpointSpec, inspections: Inspections): Promise<Examined> {
    const { users } = this.#deps;
    const asker = users.ownAsker(spec);
    const asOwn = asker === null ? null : await inspections.of(spec, asker);
    const user = asOwn === null || 'error' in asOwn ? users.choose(spec) : users.take(spec);
    if ('mistake' in user) return { mistakes: [{ pointer: 'isolation.user', detail: user.mistake }] };
    const inspected = asOwn !== null && user.uid !== null ? asOwn : await inspections.of(spec);
    if ('error' in inspected) return { mistakes: [{ pointer: 'model', detail: inspected.error }] };
    const cautions = [user.caution, users.unkept(spec)].filter((caution) => caution !== null);
    const { kind: takes, inputSchema = null, outputSchema = null } = inspected;
    return { shape: { takes, inputSchema, outputSchema }, cautions };
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

/** Nothing may come between: whoever calls this has its turn. */
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

const mistakesOf = (examined: readonly (readonly [string, Examined])[]): FieldError[] =>
  examined.flatMap(([name, one]) =>
    'mistakes' in one
      ? one.mistakes.map(({ pointer, detail }) => ({ pointer: `endpoints.${name}.${pointer}`, detail }))
      : [],
  );

function deploymentOf(spec: EndpointSpec, source: 'config' | 'api') {
  return {
    name: spec.name,
    fingerprint: fingerprintOf(spec),
    spec: JSON.stringify(spec),
    source,
    queueLimit: spec.queueLimit,
    concurrencyLimit: spec.concurrencyLimit,
  };
}

/**
 * Changes when the specification does, or the model file. What the file imports is not followed.
 */
function fingerprintOf(spec: EndpointSpec): string {
  const digest = createHash('sha256').update(JSON.stringify(spec));
  if ('file' in spec.model) digest.update(readFileSync(spec.model.file));
  return digest.digest('hex');
}

/**
 * The specification of a version that is what it was, or why it is not: one that somebody has
 * damaged keeps no server from its other endpoints.
 */
function keptSpec(record: DeploymentRecord): { readonly spec: EndpointSpec } | { readonly reason: string } {
  const { version, fingerprint, spec: text } = record;
  try {
    const spec = JSON.parse(text) as EndpointSpec | null;
    if (spec === null)
      return {
        reason: `Version ${version} was deployed by an older claimcheck, which kept no specification. ${again(record)}`,
      };
    if (fingerprintOf(spec) === fingerprint) return { spec };
  } catch (error) {
    if (!isSystemError(error))
      return { reason: `What the ledger says of version ${version} cannot be read any more. ${again(record)}` };
    // Another time it may be read.
    if (isLack(error)) throw error;
  }
  return {
    reason: `The model of version ${version} has changed since it was deployed, or is gone, or cannot be read. ${again(record)}`,
  };
}

const again = ({ endpoint }: DeploymentRecord): string => `Deploy ${endpoint} again, which makes a new version.`;

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
