// The server that the suites go through: a real one in a process of its own, with models that hand
// on what they are given.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { serve, serveCommand } from '../serve.ts';

/** Runtimes that a model is written for. */
export const RUNTIMES = ['ts', 'py'] as const;

/** A runtime, by the ending of its files. */
export type Runtime = (typeof RUNTIMES)[number];

/** The outcome of an input: bytes, a refusal in words, or what no server may do. */
export type Outcome =
  | { readonly kind: 'answer'; readonly bytes: Uint8Array }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'wrong'; readonly why: string };

/**
 * A table, or a value, on its way to an endpoint: `rows`, `any` or `named` (which requires the
 * columns foo, bar and baz).
 */
export interface Question {
  readonly endpoint: 'rows' | 'any' | 'named';
  readonly contentType: string;
  readonly body: Uint8Array | string;
  /** Content type of the answer; that of the input unless told. */
  readonly accept?: string;
}

/** Asks the model of a runtime. */
export type Ask = (runtime: Runtime, question: Question) => Promise<Outcome>;

/** Runs some work with a server, and ends it. */
export async function withServer(work: (ask: Ask) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'claimcheck-suites-'));
  const models = fileURLToPath(new URL('./models/', import.meta.url));
  const endpoints = RUNTIMES.flatMap((runtime) => {
    const endpoint = (file: string) => ({ model: join(models, `${file}.${runtime}`), replicas: { min: 1, max: 1 } });
    return [
      [`rows-${runtime}`, endpoint('rows')],
      [`any-${runtime}`, endpoint('any')],
      [`named-${runtime}`, { ...endpoint('rows'), features: ['foo', 'bar', 'baz'] }],
    ] as const;
  });
  const config = join(folder, 'claimcheck.config.json');
  await writeFile(config, JSON.stringify({ endpoints: Object.fromEntries(endpoints) }));
  const served = await serve(serveCommand(config, join(folder, 'data')));
  try {
    await work((runtime, question) => ask(served.url, runtime, question));
  } finally {
    await served.end('SIGTERM');
    await rm(folder, { recursive: true });
  }
}

async function ask(url: string, runtime: Runtime, question: Question): Promise<Outcome> {
  const { endpoint, contentType, body, accept } = question;
  const headers = { 'content-type': contentType, ...(accept !== undefined && { accept }) };
  const asked = await request(`${url}/endpoints/${endpoint}-${runtime}/invoke`, {
    method: 'POST',
    headers,
    body: typeof body === 'string' ? body : Buffer.from(body),
  });
  const text = await asked.body.text();
  if (asked.statusCode >= 500) return { kind: 'wrong', why: `${asked.statusCode}: ${text.slice(0, 300)}` };
  if (asked.statusCode !== 200) return refusal(detailOf(text));
  const output = await request(`${url}/runs/${String(asked.headers['run-id'])}/output`);
  const bytes = new Uint8Array(await output.body.arrayBuffer());
  if (output.statusCode !== 200) return { kind: 'wrong', why: `the output is ${output.statusCode}` };
  return { kind: 'answer', bytes };
}

function detailOf(text: string): string {
  const { detail, errors, error } = JSON.parse(text) as {
    readonly detail?: string;
    readonly errors?: readonly { readonly detail: string }[];
    readonly error?: { readonly detail?: string };
  };
  return [detail, error?.detail, ...(errors ?? []).map((one) => one.detail)].filter(Boolean).join(' ');
}

/** What V8 says of a bug, and of JSON: nobody who sent a file understands it. */
const OF_THE_ENGINE =
  /undefined|\[object |is not (?:a function|iterable|defined|an object)|Cannot (?:read|destructure|convert|mix)|(?:Type|Range|Syntax|Reference)Error|Unexpected (?:token|end|non-whitespace)|out(?:side)? (?:of )?(?:the )?bounds|Invalid (?:array|typed)|please report/i;

/** A refusal, if it says something that its reader can do something with. */
export function refusal(why: string): Outcome {
  return why.trim() === '' || OF_THE_ENGINE.test(why)
    ? { kind: 'wrong', why: `says: ${why}` }
    : { kind: 'refused', why };
}
