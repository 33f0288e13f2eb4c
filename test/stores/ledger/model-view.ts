// Holds what a ledger shows against what the model expects it to show.

import { expect } from 'vitest';
import type { RunError } from '../../../src/domain/errors.ts';
import type { RunId } from '../../../src/domain/ids.ts';
import type { BlobKey, Payload } from '../../../src/domain/payload.ts';
import type { Ledger } from '../../../src/stores/ledger/ledger.ts';
import { IN_THE_LEDGERS_WORDS, type ModelLedger, type ModelRun } from './model-ledger.ts';

/** More than any sequence of commands stores. */
const ALL = 10_000;

/**
 * What every error that a test hands in says, so that the ledger's own sentences can be told from
 * it.
 */
export const SAID_BY_THE_TEST = 'Said by the test.';

/** A run or an attempt with the sentences that the ledger wrote itself left out. */
export function withoutOwnWords<Record extends { readonly error: RunError | null }>(record: Record): Record {
  const { error } = record;
  if (error === null || error.detail === '' || error.detail === SAID_BY_THE_TEST) return record;
  return { ...record, error: { ...error, detail: IN_THE_LEDGERS_WORDS } };
}

/** A payload whose bytes can be compared and read, from any kind of array. */
export function readable(payload: Payload | null): unknown {
  if (payload === null || 'blob' in payload.body) return payload;
  return { ...payload, body: new TextDecoder().decode(payload.body.inline) };
}

/**
 * Every run's record, the counters, and all there is to know of the runs that the last verb
 * touched.
 */
export async function expectSameView(model: ModelLedger, ledger: Ledger): Promise<void> {
  await Promise.all([
    expectSameRecords(model, ledger),
    expectSameDepths(model, ledger),
    ...[...model.touched].map((run) => expectSameRun(model, ledger, run)),
  ]);
}

/**
 * As above, but of every run there was: what nobody had a reason to touch must be as it was left.
 */
export async function expectSameEverything(model: ModelLedger, ledger: Ledger): Promise<void> {
  await expectSameView(model, ledger);
  await Promise.all(model.runs.map((run) => expectSameRun(model, ledger, run)));
  await Promise.all(model.forgotten.map((runId) => expectForgotten(ledger, runId)));
  const blobs = [...model.runs.map(({ given }) => given.runId), ...model.forgotten].flatMap((runId) => [
    `${runId}.input` as BlobKey,
    `${runId}.output.1` as BlobKey,
  ]);
  expect(await ledger.unreferenced(blobs)).toEqual(blobs.filter((blob) => !isNamed(model, blob)));
  expect(ledger.stats().lost).toBe(model.lost);
  expect(await ledger.audit()).toEqual([]);
}

async function expectSameRecords(model: ModelLedger, ledger: Ledger): Promise<void> {
  const topLevel = model.runs.filter(({ parent }) => parent === null);
  const batches = topLevel.filter(({ given }) => given.kind === 'batch');
  const [found, ...chunks] = await Promise.all([
    ledger.runs({ limit: ALL }),
    ...batches.map(({ given }) => ledger.runs({ limit: ALL, parentId: given.runId })),
  ]);
  expect(found.map(withoutOwnWords)).toEqual(topLevel.toReversed().map((run) => model.record(run)));
  expect(chunks.map((ofBatch) => ofBatch.map(withoutOwnWords))).toEqual(
    batches.map((batch) => newestFirst(model.chunksOf(batch)).map((run) => model.record(run))),
  );
}

async function expectSameDepths(model: ModelLedger, ledger: Ledger): Promise<void> {
  const byName = (a: { endpoint: string }, b: { endpoint: string }): number => a.endpoint.localeCompare(b.endpoint);
  expect((await ledger.depths()).toSorted(byName)).toEqual(model.depths().toSorted(byName));
  for (const { name, version } of model.versions) {
    expect(await ledger.backlog(name, version)).toEqual(model.backlog(name, version));
    expect(await ledger.hasOpenRuns(name, version)).toBe(model.hasOpenRuns(name, version));
  }
  const standing = model.versions.map(({ name, version, fingerprint, spec, source, state, reason }) => ({
    endpoint: name,
    version,
    fingerprint,
    spec,
    source,
    state,
    reason,
    deployedAt: expect.any(Number) as number,
  }));
  expect(await ledger.deployments()).toEqual(
    standing.toSorted((one, other) => byName(one, other) || one.version - other.version),
  );
}

async function expectSameRun(model: ModelLedger, ledger: Ledger, run: ModelRun): Promise<void> {
  const { runId, kind } = run.given;
  const [record, attempts, input, output, deliveries, chunks, ahead] = await Promise.all([
    ledger.run(runId),
    ledger.attempts(runId),
    ledger.payload(runId, 'input'),
    ledger.payload(runId, 'output'),
    ledger.deliveries(runId),
    kind === 'batch' ? ledger.chunks(runId) : [],
    run.status === 'queued' ? ledger.ahead(runId) : null,
  ]);
  expect({
    record: record === null ? null : withoutOwnWords(record),
    attempts: attempts.map(withoutOwnWords),
    input: readable(input),
    output: readable(output),
    deliveries,
    chunks: chunks.map(withoutOwnWords),
    ahead,
  }).toEqual({
    record: model.record(run),
    attempts: run.attempts,
    input: readable(model.payload(run, 'input')),
    output: readable(model.payload(run, 'output')),
    deliveries: model.deliveriesOf(run),
    chunks: model.chunksOf(run).map((chunk) => ({
      runId: chunk.given.runId,
      rows: chunk.given.parent!.rows,
      status: chunk.status,
      error: chunk.error,
    })),
    ahead: run.status === 'queued' ? model.ahead(run) : null,
  });
}

async function expectForgotten(ledger: Ledger, runId: RunId): Promise<void> {
  expect(
    await Promise.all([
      ledger.run(runId),
      ledger.attempts(runId),
      ledger.payload(runId, 'input'),
      ledger.payload(runId, 'output'),
      ledger.deliveries(runId),
    ]),
  ).toEqual([null, [], null, null, []]);
}

function isNamed(model: ModelLedger, blob: BlobKey): boolean {
  return model.runs.some((run) =>
    (['input', 'output'] as const).some((role) => {
      const payload = model.payload(run, role);
      return payload !== null && 'blob' in payload.body && payload.body.blob === blob;
    }),
  );
}

const newestFirst = (runs: readonly ModelRun[]): ModelRun[] => runs.toSorted((a, b) => b.sequence - a.sequence);
