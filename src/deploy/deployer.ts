// From an endpoint as somebody wrote it to a version that is at work: when the server starts, for
// what the configuration names and what was deployed through a server before; and while it runs.

import { ConfigError } from '../config/config-error.ts';
import type { FieldError } from '../domain/errors.ts';
import type { Deployed, Deployments, ModelShape } from '../engine/deployment.ts';
import type { Engine } from '../engine/engine.ts';
import { missingProgram } from '../replicas/runtimes/missing-program.ts';
import type { Ledger } from '../stores/ledger/ledger.ts';
import { type DeployDeps, type Examined, Examiner } from './examiner.ts';
import { ServerDeployments } from './server-deployments.ts';
import { deploymentOf } from './version-record.ts';

/** Examines endpoints, and deploys them. */
export class Deployer {
  readonly #deps: DeployDeps;
  readonly #examiner: Examiner;

  constructor(deps: DeployDeps) {
    this.#deps = deps;
    this.#examiner = new Examiner(deps);
  }

  /**
   * What every endpoint's model takes, found out before anything is started.
   *
   * @param inspections where the models are inspected; those of this start alone unless told
   * @throws ConfigError that names every model which cannot be used, and why
   */
  async examineConfig(
    inspections = this.#examiner.inspections(),
  ): Promise<{ shapes: ReadonlyMap<string, ModelShape>; cautions: readonly string[] }> {
    const { file, endpoints } = this.#deps.config;
    const examined = await Promise.all(
      endpoints.map(async (spec) => [spec.name, await this.#examiner.examineNew(spec, inspections)] as const),
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
    const inspections = this.#examiner.inspections();
    const examined = await Promise.all(
      endpoints.map(async (spec): Promise<readonly [string, Examined]> => {
        const missing = missingProgram(spec, environment);
        return [
          spec.name,
          missing === null ? await this.#examiner.examineNew(spec, inspections) : { mistakes: [missing] },
        ];
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
    const inspections = this.#examiner.inspections();
    const written = config.endpoints.map((spec) => ({ spec, deployment: deploymentOf(spec, 'config') }));
    await Promise.all(written.map(({ deployment }) => ledger.deploy(deployment)));
    const deployments = await ledger.deployments();
    const fromConfig = await Promise.all(
      written.map(async ({ spec, deployment }): Promise<Deployed> => {
        const active = deployments.find(({ endpoint, state }) => endpoint === spec.name && state === 'active');
        const { version } = active!;
        if (active!.fingerprint === deployment.fingerprint) return { spec, version, ...shapes.get(spec.name)! };
        const standing = await this.#examiner.standing(active!, inspections);
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
          const standing = await this.#examiner.standing(record, inspections);
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
    return new ServerDeployments({ ...this.#deps, examiner: this.#examiner, ledger, engine, announce });
  }
}

const mistakesOf = (examined: readonly (readonly [string, Examined])[]): FieldError[] =>
  examined.flatMap(([name, one]) =>
    'mistakes' in one
      ? one.mistakes.map(({ pointer, detail }) => ({ pointer: `endpoints.${name}.${pointer}`, detail }))
      : [],
  );
