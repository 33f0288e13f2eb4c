// What a replica is given for an attempt: the input of its run, under the names that the endpoint
// declares.

import { BlobDamaged, fetchedKey } from '../stores/blobs/blobs.ts';
import type { ModelSource } from '../domain/endpoint.ts';
import { HELD_PAYLOAD_BYTES_MAX, LOCATION_TYPE, type Payload } from '../domain/payload.ts';
import { type Duration, elapsed, milliseconds } from '../domain/time.ts';
import type { Clock } from '../system/clock.ts';
import type { ClaimedRun } from '../stores/ledger/ledger.ts';
import type { Invocation } from '../replicas/contract.ts';
import type { DiskRoom } from '../stores/disk/disk-room.ts';
import type { BatchInputs } from './batch/inputs.ts';
import type { Deployed } from './deployment.ts';
import { asDeclared, type Declared } from './feature-names.ts';
import { digitsOf } from './handed-numbers.ts';
import { fetchInput, type FetchDeps } from './located-input.ts';
import { isHeld, type Payloads } from './payloads.ts';
import { checkFetched, needsAllRows } from './whole-table.ts';

/** What it takes to have the input of an attempt. */
export interface ReplicaInputDeps extends FetchDeps {
  readonly deployed: Deployed;
  readonly payloads: Payloads;
  readonly inputs: BatchInputs;
  readonly room: DiskRoom;
  readonly clock: Clock;
}

/** The input of an attempt. */
export interface ReplicaInput {
  readonly body: Invocation['body'];
  readonly contentType: string;
  /**
   * Gives an output the digits that a program may have lost, and the caller's names for columns;
   * null if it has them.
   */
  readonly giveBack: GiveBack | null;
  /** How much of the attempt's time it took to have it. */
  readonly took: Duration;
  /** What was stored for this attempt alone and is discarded with it, or null. */
  readonly fetched: Payload | null;
}

type GiveBack = Declared['giveBack'];

/**
 * The input of an attempt: a chunk's is its rows of the parent's table, a call's is its own.
 *
 * @param signal ends the fetching of an input that is only named
 * @throws InputUnavailable, InputUnfit, BlobDamaged, or trouble of this server
 */
export async function inputOf(deps: ReplicaInputDeps, claimed: ClaimedRun, signal: AbortSignal): Promise<ReplicaInput> {
  const { payloads, inputs, deployed } = deps;
  const { run, input } = claimed;
  const there = { took: milliseconds(0), fetched: null };
  if (run.parentId !== null && run.rows !== null) {
    const { bytes, contentType, columns } = await inputs.slice(run.parentId, run.rows);
    return { ...declaredInput(deployed, { bytes, contentType }, columns), ...there };
  }
  if (input === null) throw new BlobDamaged('The ledger has neither the bytes nor the blob of the input.');
  const { contentType, bytes } = input;
  if (!isHeld(input) && !needsAllRows(deployed, contentType))
    return { body: { bytes, open: () => payloads.stream(input) }, contentType, giveBack: null, ...there };
  const content = await payloads.read(input);
  return contentType === LOCATION_TYPE
    ? fetchedInput(deps, claimed, content, signal)
    : { ...declaredInput(deployed, { bytes: content, contentType }, null), ...there };
}

/**
 * An input that is only named. A long one goes to the disk as it comes, and from there to the
 * replica.
 */
async function fetchedInput(
  deps: ReplicaInputDeps,
  { run, claim }: ClaimedRun,
  location: Uint8Array,
  signal: AbortSignal,
): Promise<ReplicaInput> {
  const { deployed, payloads, room, clock, inputBytesMax } = deps;
  const startedAt = clock.steady();
  const key = fetchedKey(claim.runId, claim.attempt);
  const keep = (chunks: AsyncIterable<Uint8Array>, contentType: string): Promise<Payload> =>
    payloads.storeStream(chunks, contentType, key, inputBytesMax, (work) => room.untilRoom(work, signal));
  const { timeout } = run;
  const { content, contentType } = await fetchInput(deps, location, { timeout, signal }, HELD_PAYLOAD_BYTES_MAX, keep);
  await checkFetched(deployed, payloads, contentType, 'kept' in content ? content.kept : content).catch(
    async (error: unknown) => {
      if ('kept' in content) await payloads.discard(content.kept);
      throw error;
    },
  );
  const took = elapsed(startedAt, clock.steady());
  const fetched = content instanceof Uint8Array ? null : content.kept;
  if (fetched !== null && !needsAllRows(deployed, contentType)) {
    const body = { bytes: fetched.bytes, open: () => payloads.stream(fetched) };
    return { body, contentType, giveBack: null, took, fetched };
  }
  const bytes = content instanceof Uint8Array ? content : await payloads.read(content.kept);
  return { ...declaredInput(deployed, { bytes, contentType }, null), took, fetched };
}

/** A table or a row that is held, under the declared names; anything else as it came. */
function declaredInput(
  { spec }: Deployed,
  content: { readonly bytes: Uint8Array; readonly contentType: string },
  columns: readonly string[] | null,
): Omit<ReplicaInput, 'took' | 'fetched'> {
  const { bytes, contentType } = content;
  const declared = asDeclared(content, spec.features, columns);
  const body = declared?.bytes ?? bytes;
  // Our runners know what was a double, and have written the digits.
  const keepDigits = isOurRunner(spec.model) ? null : digitsOf({ bytes: body, contentType });
  return { body, contentType, giveBack: inTurn(keepDigits, declared?.giveBack ?? null) };
}

/** Whether a model runs in one of our runners, and not in a program of its own. */
export const isOurRunner = ({ runtime }: ModelSource): boolean => runtime === 'node' || runtime === 'python';

const inTurn = (first: GiveBack | null, then: GiveBack | null): GiveBack | null =>
  first === null || then === null
    ? (first ?? then)
    : ({ bytes, contentType }) => then({ bytes: first({ bytes, contentType }), contentType });
