// Looking into an endpoint before anything of it runs: whom its replicas run as, what its model
// takes, and what is wrong with either.

import type { Config } from '../config/config.ts';
import type { EndpointSpec } from '../domain/endpoint.ts';
import type { FieldError } from '../domain/errors.ts';
import type { Deployed, ModelShape } from '../engine/deployment.ts';
import type { Users } from '../replicas/isolation/choice.ts';
import { Inspections } from '../replicas/runtimes/inspections.ts';
import { readEvaluation } from '../scoring/evaluation-file.ts';
import type { DeploymentRecord } from '../stores/ledger/ledger.ts';
import type { Log } from '../system/log.ts';
import { again, keptSpec } from './version-record.ts';

/** What deploying works with. */
export interface DeployDeps {
  readonly config: Config;
  readonly users: Users;
  readonly log: Log;
}

/**
 * What a model takes and whom its replicas run as, with what an operator should know; or what is
 * wrong with it.
 */
export type Examined =
  | { readonly shape: ModelShape; readonly cautions: readonly string[] }
  | { readonly mistakes: readonly FieldError[] };

/** Looks into endpoints. */
export class Examiner {
  readonly #deps: Pick<DeployDeps, 'config' | 'users'>;

  constructor(deps: Pick<DeployDeps, 'config' | 'users'>) {
    this.#deps = deps;
  }

  /** Inspections that belong together, as those of one start do. */
  inspections(): Inspections {
    return new Inspections(this.#deps.config.environment);
  }

  /**
   * With its evaluation data, which a version that stood before can do without: a file that has
   * gone since is told when rows of it are asked for.
   */
  async examineNew(spec: EndpointSpec, inspections = this.inspections()): Promise<Examined> {
    const [examined, evaluation] = await Promise.all([this.#examine(spec, inspections), readEvaluation(spec)]);
    if (evaluation === null || !('mistake' in evaluation)) return examined;
    const mistakes = 'mistakes' in examined ? examined.mistakes : [];
    return { mistakes: [...mistakes, { pointer: 'evaluation', detail: evaluation.mistake }] };
  }

  /** A version of before, if it is still what it was; or why it is not. */
  async standing(
    record: DeploymentRecord,
    inspections = this.inspections(),
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
