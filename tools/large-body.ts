// A body of any size through a server and back, generated and checked while it flows; and what it
// cost the server's memory.

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const CHUNK = 1_024 * 1_024;

/** A megabyte of bytes at a time, no two alike, of which nothing is held. */
async function* generated(bytes: number): AsyncGenerator<Buffer, void> {
  for (let sent = 0; sent < bytes; sent += CHUNK) {
    const chunk = Buffer.alloc(Math.min(CHUNK, bytes - sent), createHash('sha512').update(String(sent)).digest());
    yield chunk;
  }
}

/** What a body of so many bytes has for a hash. */
async function digestOf(chunks: AsyncIterable<Uint8Array>): Promise<{ bytes: number; sha256: string }> {
  const digest = createHash('sha256');
  let bytes = 0;
  for await (const chunk of chunks) {
    digest.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: digest.digest('hex') };
}

/** What came back of a large body. */
export interface LargeBodyResult {
  readonly sent: { readonly bytes: number; readonly sha256: string };
  /** All of it at once. */
  readonly whole: { readonly bytes: number; readonly sha256: string };
  /** All of it in three ranges, one after the other. */
  readonly inRanges: { readonly bytes: number; readonly sha256: string };
  /** How much more memory the server's process had at its highest than before, in bytes. */
  readonly grownBytes: number;
}

/**
 * Sends a body to an endpoint that gives it back, waits for the run, and fetches its output, whole
 * and in ranges.
 */
export async function throughAndBack(
  url: string,
  pid: number,
  endpoint: string,
  bytes: number,
): Promise<LargeBodyResult> {
  const before = residentBytes(pid, 'VmRSS');
  // From here on the highest is that of this body.
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  const submitted = await send(
    url,
    'POST',
    `/endpoints/${endpoint}/invoke?async=true`,
    {
      'content-type': 'application/octet-stream',
      'content-length': String(bytes),
    },
    generated(bytes),
  );
  const { run_id: runId } = JSON.parse(await textOf(submitted)) as { run_id: string };
  let run = { done: false, status: '', error: null as unknown };
  while (!run.done) run = JSON.parse(await textOf(await send(url, 'GET', `/runs/${runId}?wait=60`))) as typeof run;
  if (run.status !== 'succeeded') throw new Error(`Run ${runId} has ${run.status}: ${JSON.stringify(run.error)}`);
  const path = `/runs/${runId}/output`;
  const whole = await digestOf(await send(url, 'GET', path));
  const third = Math.ceil(bytes / 3);
  async function* ranges(): AsyncGenerator<Uint8Array, void> {
    for (let from = 0; from < bytes; from += third)
      yield* (await send(url, 'GET', path, {
        range: `bytes=${from}-${from + third - 1}`,
      })) as AsyncIterable<Uint8Array>;
  }
  const inRanges = await digestOf(ranges());
  const grownBytes = residentBytes(pid, 'VmHWM') - before;
  return { sent: await digestOf(generated(bytes)), whole, inRanges, grownBytes };
}

async function send(
  url: string,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body: AsyncIterable<Buffer> | null = null,
): Promise<IncomingMessage> {
  const outgoing = httpRequest(`${url}${path}`, { method, headers, agent: false });
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
  if (body === null) outgoing.end();
  else await pipeline(Readable.from(body, { highWaterMark: 1 }), outgoing);
  const [incoming] = await answered;
  if (incoming.statusCode! < 300) return incoming;
  throw new Error(`${method} ${path} was answered with ${incoming.statusCode}: ${await textOf(incoming)}`);
}

const textOf = async (incoming: IncomingMessage): Promise<string> => Buffer.concat(await incoming.toArray()).toString();

/** Memory of a process, in bytes: what it has now, or the most that it ever had. */
function residentBytes(pid: number, what: 'VmRSS' | 'VmHWM'): number {
  const [, kib] = new RegExp(`^${what}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!;
  return Number(kib) * 1_024;
}
