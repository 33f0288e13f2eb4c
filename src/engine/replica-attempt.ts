// The work of one attempt on a replica: its input is had, the replica is asked, and its reply
// becomes a result.

import { jitter, startTimer } from '../system/clock.ts';
import { BlobDamaged, outputKey } from '../stores/blobs/blobs.ts';
import type { RunError } from '../domain/errors.ts';
import type { Payload } from '../domain/payload.ts';
import { after, milliseconds, toRfc3339 } from '../domain/time.ts';
import type { AttemptResult, ClaimedRun } from '../stores/ledger/ledger.ts';
import type { Log } from '../system/log.ts';
import {
  ATTEMPT_HEADER,
  CALLBACK_HEADER,
  DEADLINE_HEADER,
  METADATA_HEADER,
  METADATA_HEADER_MAX,
  ROWS_HEADER,
  RUN_ID_HEADER,
} from '../model/protocol.ts';
import type { Invocation, Reply } from '../replicas/contract.ts';
import type { ReservedSlot } from '../replicas/supervisor.ts';
import { traceHeaders } from '../system/trace-context.ts';
import type { Traced } from '../system/tracing.ts';
import { textTypeOf } from '../table/border.ts';
import { disorderIn } from './batch/row-order.ts';
import type { HeldClaim, StopReason } from './leases.ts';
import { InputUnavailable } from './located-input.ts';
import { isTroubleOfServer } from './finish.ts';
import { type Failure, failureOf, resultOfFailure } from './outcome.ts';
import { inputOf, isOurRunner, type ReplicaInput, type ReplicaInputDeps } from './replica-input.ts';
import type { AttemptReports } from './reports.ts';
import { InputUnfit } from './whole-table.ts';

/** What an attempt on a replica works with. */
export interface ReplicaAttemptDeps extends ReplicaInputDeps {
  readonly log: Log;
  /**
   * Called when a slot was given back unused: another run may start, and the supervisor does not
   * know of it.
   */
  readonly onFree: () => void;
}

/** What an attempt has for its own. */
export interface ReplicaAttemptParts {
  readonly claimed: ClaimedRun;
  readonly slot: ReservedSlot;
  readonly held: HeldClaim;
  readonly reports: AttemptReports;
  readonly traced: Traced;
}

/** One attempt on a replica. */
export class ReplicaAttempt {
  readonly #deps: ReplicaAttemptDeps;
  readonly #claimed: ClaimedRun;
  readonly #slot: ReservedSlot;
  readonly #held: HeldClaim;
  readonly #reports: AttemptReports;
  readonly #traced: Traced;

  constructor(deps: ReplicaAttemptDeps, { claimed, slot, held, reports, traced }: ReplicaAttemptParts) {
    this.#deps = deps;
    this.#claimed = claimed;
    this.#slot = slot;
    this.#held = held;
    this.#reports = reports;
    this.#traced = traced;
  }

  /**
   * Does the work; anything that the model did is a result.
   *
   * @throws the trouble of this server that it meets
   */
  async result(): Promise<AttemptResult> {
    const input = await this.#input();
    if ('cause' in input) return this.#resultWithoutInput(input.cause);
    const invoked = await this.#invoke(input);
    if (input.fetched !== null) await this.#discardFetched(input.fetched);
    const reply = withGivenBack(input, invoked);
    if (reply.kind === 'own-fault') {
      if (reply.of === 'output' || isTroubleOfServer(reply.cause)) throw reply.cause;
      return this.#unreadableInput(reply.cause);
    }
    const { deployed, payloads, room } = this.#deps;
    const failure = failureOf(reply, this.#stopReason(), this.#claimed) ?? this.#disorderOf(input, reply);
    if (failure !== null) return resultOfFailure(failure, this.#claimed, deployed.spec.retry, jitter());
    if (reply.kind === 'kept') return { kind: 'succeeded', output: reply.output };
    const { bytes, contentType } = reply as Reply & { kind: 'output' };
    const store = (): Promise<Payload> => payloads.store(bytes, contentType, this.#outputKey());
    return { kind: 'succeeded', output: await room.untilRoom(store, this.#held.signal) };
  }

  /** The input, or why it cannot be had; the slot is given back then. */
  async #input(): Promise<ReplicaInput | { readonly cause: unknown }> {
    try {
      return await inputOf(this.#deps, this.#claimed, this.#held.signal);
    } catch (cause) {
      this.#slot.release();
      this.#deps.onFree();
      return { cause };
    }
  }

  /**
   * What an attempt comes to that has no input. An input that is only named may be there the next
   * time.
   */
  #resultWithoutInput(cause: unknown): AttemptResult {
    if (isTroubleOfServer(cause)) throw cause;
    const isUnfit = cause instanceof InputUnfit;
    if (!isUnfit && !(cause instanceof InputUnavailable)) return this.#unreadableInput(cause);
    // What the runner says of a table that it cannot read is of this type too.
    const type = isUnfit ? 'model-error' : 'input-unavailable';
    const reason = this.#stopReason();
    const failure: Failure =
      reason === null
        ? { kind: 'failed', error: { type, detail: cause.message } }
        : failureOf({ kind: 'stopped' }, reason, this.#claimed)!;
    return resultOfFailure(failure, this.#claimed, this.#deps.deployed.spec.retry, jitter());
  }

  /** The store answers, and what it has is not the input: another attempt would find the same. */
  #unreadableInput(cause: unknown): AttemptResult {
    this.#deps.log.error({ err: cause, run_id: this.#claimed.claim.runId }, 'the input of a run cannot be read');
    const error = (
      cause instanceof BlobDamaged
        ? { type: 'payload-damaged', detail: 'The input of this run is damaged in the store.' }
        : { type: 'internal', detail: 'The input of this run cannot be read; the server log has the cause.' }
    ) satisfies RunError;
    return { kind: 'failed', error };
  }

  /** No run fails because a fetched input stays: the next pass for orphans takes it. */
  async #discardFetched(fetched: Payload): Promise<void> {
    const { payloads, log } = this.#deps;
    await payloads
      .discard(fetched)
      .catch((err: unknown) =>
        log.warn({ err, run_id: this.#claimed.claim.runId }, 'a fetched input could not be deleted'),
      );
  }

  /**
   * A chunk whose rows came back in another order is a failure: it is halved until its rows stand
   * where they belong.
   */
  #disorderOf(input: ReplicaInput, reply: Reply): Failure | null {
    const idColumn = this.#deps.deployed.spec.scoring?.idColumn ?? null;
    if (idColumn === null || this.#claimed.run.rows === null || reply.kind !== 'output') return null;
    const error = disorderIn({ bytes: input.body as Uint8Array, contentType: input.contentType }, reply, idColumn);
    return error === null ? null : { kind: 'failed', error };
  }

  async #invoke({ body, contentType, giveBack, took }: ReplicaInput): Promise<Reply> {
    const { run } = this.#claimed;
    const { replicas, model } = this.#deps.deployed.spec;
    const isOurs = isOurRunner(model);
    const timeout = run.timeout === null ? null : milliseconds(Math.max(1, run.timeout - took));
    const stopTimer = timeout === null ? null : startTimer(timeout, () => this.#held.stop('timeout'));
    const headers = this.#headers(contentType, isOurs);
    if (timeout !== null) headers[DEADLINE_HEADER] = toRfc3339(after(this.#deps.clock.now(), timeout));
    try {
      // Our runner says whose line it is, also if it works on several runs at once. Only its author
      // can say that of a program.
      const isAlone = replicas.concurrency === 1 || this.#claimed.alone;
      const ownsOutput = !isOurs && isAlone && replicas.flushes === true;
      const beside = { reporter: this.#reports.reporter, ownsOutput, tenant: run.tenant };
      return await this.#slot.invoke({ headers, body, ...this.#keepOutput(giveBack), ...beside }, this.#held.signal);
    } finally {
      stopTimer?.();
    }
  }

  #headers(contentType: string, isOurs: boolean): Record<string, string> {
    const { run, claim } = this.#claimed;
    const headers: Record<string, string> = {
      // First, so that what a propagator writes replaces nothing of ours.
      ...traceHeaders(this.#traced.text),
      'content-type': contentType,
      [RUN_ID_HEADER]: claim.runId,
      [ATTEMPT_HEADER]: String(claim.attempt),
      [CALLBACK_HEADER]: this.#reports.url,
    };
    const metadata = inAscii(run.metadata);
    if (isOurs || metadata.length <= METADATA_HEADER_MAX) headers[METADATA_HEADER] = metadata;
    if (run.rows !== null) headers[ROWS_HEADER] = String(run.rows.to - run.rows.from);
    // A chunk of a table that is answered as Arrow is asked for as text.
    if (run.accept !== null) headers['accept'] = run.rows === null ? run.accept : textTypeOf(run.accept);
    return headers;
  }

  /**
   * Stores a long output of a call while it comes. Outputs that are looked into are held: a
   * chunk's, and one that is given something back.
   */
  #keepOutput(giveBack: ReplicaInput['giveBack']): Pick<Invocation, 'keep'> {
    if (this.#claimed.run.rows !== null || giveBack !== null) return {};
    const { payloads, room, deployed } = this.#deps;
    const { outputBytes } = deployed.spec.replicas;
    return {
      keep: (chunks, contentType) =>
        payloads.storeStream(chunks, contentType, this.#outputKey(), outputBytes, (work) =>
          room.untilRoom(work, this.#held.signal),
        ),
    };
  }

  #outputKey(): ReturnType<typeof outputKey> {
    const { runId, attempt } = this.#claimed.claim;
    return outputKey(runId, attempt);
  }

  #stopReason(): StopReason | null {
    const { signal } = this.#held;
    return signal.aborted ? (signal.reason as StopReason) : null;
  }
}

const withGivenBack = ({ giveBack }: ReplicaInput, reply: Reply): Reply =>
  giveBack === null || reply.kind !== 'output' ? reply : { ...reply, bytes: giveBack(reply) };

/**
 * JSON that stands in a header: what is not ASCII is escaped, and white space between values may
 * hold no line end.
 */
const inAscii = (json: string): string =>
  json
    .replaceAll(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replaceAll(/[\r\n\t]/g, ' ');
