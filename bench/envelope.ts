// envelope: what reading the request of an invocation costs the event loop, a byte, for envelopes
// of many shapes up to the limit of a body. Everybody else waits for as long.

import { setImmediate } from 'node:timers/promises';
import { resolveEndpoint } from '../src/config/endpoint.ts';
import { ANYBODY } from '../src/domain/access.ts';
import { ServiceError } from '../src/domain/errors.ts';
import type { Deployed } from '../src/engine/deployment.ts';
import { planHeld } from '../src/engine/batch/plan.ts';
import { ArrowConverter } from '../src/engine/batch/arrow-converter.ts';
import { DEFAULT_LIMITS } from '../src/http/limits.ts';
import { isLongEnvelope, LongEnvelopes } from '../src/http/request/long-envelope.ts';
import { problemBody } from '../src/http/answer/problem.ts';
import { readSubmission } from '../src/http/request/submission.ts';
import type { BenchOptions } from './support/options.ts';
import { count, ms, print } from './support/print.ts';

/**
 * Bytes of the shortest envelopes, and of those in between: what grows faster than the body shows
 * between them.
 */
const SIZES = [64 * 1_024, 1_024 * 1_024 - 1_024, 4 * 1_024 * 1_024];
/** The least of so many times counts: what else the machine does only adds. */
const TIMES = 3;

/** An envelope of about so many bytes. */
type Shape = (bytes: number) => string;

const fill = (bytes: number, one: (place: number) => string, length: number): string =>
  Array.from({ length: Math.max(1, Math.floor(bytes / length)) }, (_, place) => one(place)).join(',');
const numbered = (place: number): string => String(place).padStart(8, '0');
const members: Shape = (bytes) => `{${fill(bytes, (place) => `"m${numbered(place)}":1`, 14)}}`;
const nested: Shape = (bytes) => `[${fill(bytes, () => '[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]', 49)}]`;
const text: Shape = (bytes) => `"${'x'.repeat(bytes)}"`;
const escapes: Shape = (bytes) => `"${'\\u00e9'.repeat(bytes / 6)}"`;
const wide: Shape = (bytes) => `"${'é'.repeat(bytes / 2)}"`;
const numbers: Shape = (bytes) => `[${fill(bytes, () => '1', 2)}]`;
const rows: Shape = (bytes) => `[${fill(bytes, (place) => `{"id":${place},"a":"x"}`, 20)}]`;
const emptyRows: Shape = (bytes) => `[${fill(bytes, () => '{}', 3)}]`;
const columns: Shape = (bytes) => `[${members(bytes / 2)},${members(bytes / 2)}]`;
const otherColumns: Shape = (bytes) => `[${fill(bytes, (place) => `{"m${numbered(place)}":1}`, 16)}]`;
const sameName: Shape = (bytes) => `{${fill(bytes, () => '"a":1', 6)}}`;
const spaces: Shape = (bytes) => `${' \n'.repeat(bytes / 2)}1`;

const SHAPES: Readonly<Record<string, Shape>> = {
  members,
  nested,
  text,
  escapes,
  wide,
  numbers,
  rows,
  emptyRows,
  columns,
  otherColumns,
  sameName,
  spaces,
};
/** Members of an envelope that a shape is put into; the last is none that there is. */
const PLACES = ['input', 'parameters', 'metadata', 'run_name', 'callback_events', 'batch', 'unknown'];

/** Shapes of the envelope as a whole. */
const WHOLE: Readonly<Record<string, Shape>> = {
  'members without a name of ours': members,
  'the same member again and again': (bytes) => `{${fill(bytes, () => '"input":1', 10)}}`,
  'names of one letter more': (bytes) => `{${fill(bytes, (place) => `"run_nam${numbered(place)}":1`, 21)}}`,
  'rows without an envelope': rows,
  'columns without an envelope': columns,
  'line ends before a mistake': (bytes) => `${'\n'.repeat(bytes)}x`,
  'a string that is not closed': (bytes) => `{"input":"${'x'.repeat(bytes)}`,
};

/** Runs the bench and prints its figures. */
export async function envelope({ short }: BenchOptions): Promise<void> {
  const sizes = short ? SIZES : [...SIZES, DEFAULT_LIMITS.envelopeBytes - 1_024];
  let worst = { name: '', bytes: 1, took: 0 };
  for (const [name, shape] of everyShape()) {
    const costs: string[] = [];
    for (const bytes of sizes) {
      const body = new TextEncoder().encode(shape(bytes));
      const took = await costOf(body);
      costs.push(`${((took * 1e6) / body.length).toFixed(1)} ns`);
      if (took / body.length > worst.took / worst.bytes) worst = { name, bytes: body.length, took };
    }
    print(`  ${name}: ${costs.join(', ')} a byte`);
  }
  print(
    `envelope: at most ${((worst.took * 1e3) / worst.bytes).toFixed(3)} µs a byte (${worst.name}, ${count(worst.bytes)} bytes, ${ms(worst.took)})`,
  );
}

function* everyShape(): Generator<[string, Shape]> {
  yield* Object.entries(WHOLE);
  for (const place of PLACES)
    for (const [name, shape] of Object.entries(SHAPES))
      yield [`${name} in ${place}`, (bytes) => `{"${place}":${shape(bytes)}${place === 'input' ? '' : ',"input":1'}}`];
}

const SPEC = resolveEndpoint(
  'jobs',
  { model: './support/echo-model.ts', features: ['a', 'b'] },
  import.meta.dirname,
).spec!;
const DEPLOYED: Deployed = {
  spec: { ...SPEC, batchSize: 100 },
  version: 1,
  takes: 'rows',
  inputSchema: null,
  outputSchema: null,
};

const longEnvelopes = new LongEnvelopes();
const arrow = new ArrowConverter();

/**
 * Milliseconds that the event loop is held by a body from its bytes to a plan or a refusal, both of
 * which are made whole; what a thread does meanwhile holds nobody up.
 */
async function costOf(body: Uint8Array): Promise<number> {
  let least = Infinity;
  for (let time = 0; time < TIMES; time += 1) {
    // So that the loop has begun a turn, and what is measured is of it alone.
    await setImmediate();
    const before = performance.eventLoopUtilization();
    await read(body).catch((error: unknown) => {
      if (!(error instanceof ServiceError)) throw error;
      JSON.stringify(problemBody(error, 'bench'));
    });
    least = Math.min(least, performance.eventLoopUtilization(before).active);
  }
  return least;
}

async function read(body: Uint8Array): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const places = isLongEnvelope('application/json', body) ? await longEnvelopes.placesOfMembers(body) : undefined;
  const { submission } = readSubmission({ principal: ANYBODY, headers, query: {}, body, places }, DEPLOYED);
  if ('bytes' in submission.input) await planHeld(submission, { arrow }, submission.input.bytes, 'json');
}
