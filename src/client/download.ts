// The output of a run as a stream, that goes on where a connection breaks.

import type { RunBody } from '../wire/runs.ts';
import { sleep } from './environment.ts';
import { ConnectionError, errorOfRun } from './errors.ts';
import type { Transport } from './transport.ts';

/**
 * Seconds that the server has to begin its answer. A damaged output is found by reading it before
 * its first range is sent.
 */
const ANSWER_SECONDS = 120;
/**
 * How often in a row a connection may break without having brought anything, before it is given up.
 */
const BREAKS_MAX = 10;
const FIRST_PAUSE_MS = 200;
const PAUSE_MAX_MS = 10_000;

/** An output that flows. */
export interface OutputStream {
  /** Cancelling it closes the connection. */
  readonly stream: ReadableStream<Uint8Array>;
  readonly contentType: string;
  /** How many bytes there are in all. */
  readonly bytes: number;
  /** The sha-256 of all of them, in hexadecimal digits. */
  readonly sha256: string;
}

/**
 * Opens the output of a run that has ended. Where a connection breaks, the rest is asked for; the
 * bytes are the same whenever they are asked for.
 *
 * @throws ClaimcheckError of the run's failure. The stream fails with OutputExpiredError,
 *   ConnectionError, and the signal's reason
 */
export function openOutput(transport: Transport, ended: RunBody, signal?: AbortSignal): OutputStream {
  const { output } = ended;
  if (ended.status !== 'succeeded' || output === null) throw errorOfRun(ended);
  const left = new AbortController();
  const until = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
  const path = `/runs/${encodeURIComponent(ended.run_id)}/output`;
  const bytes = bytesOf(transport, path, output, until);
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await bytes.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    cancel(reason) {
      left.abort(reason);
    },
  });
  return { stream, contentType: output.content_type, bytes: output.bytes, sha256: output.sha256 };
}

async function* bytesOf(
  transport: Transport,
  path: string,
  { bytes: total, sha256 }: NonNullable<RunBody['output']>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  let got = 0;
  let breaks = 0;
  do {
    const headers: Record<string, string> = got === 0 ? {} : { range: `bytes=${got}-`, 'if-range': `"${sha256}"` };
    const request = { method: 'GET', path, headers, signal, limitSeconds: ANSWER_SECONDS, isWait: true } as const;
    const { status, body } = await transport.open(request);
    // What stands between here and the server may know no ranges; then the beginning comes once
    // more.
    let known = status === 206 ? 0 : got;
    for await (const part of untilItBreaks(body, signal)) {
      const news = part.subarray(Math.min(known, part.length));
      known -= part.length - news.length;
      got += news.length;
      if (news.length === 0) continue;
      breaks = 0;
      yield news;
    }
    if (got >= total) return;
    breaks += 1;
    if (breaks > BREAKS_MAX)
      throw new ConnectionError(
        `The connection broke ${breaks} times after ${got} of ${total} bytes of ${path}.`,
        path,
      );
    await sleep(Math.min(PAUSE_MAX_MS, FIRST_PAUSE_MS * 2 ** (breaks - 1)), signal);
  } while (got < total);
}

/** The part of a body that comes before it ends or breaks off. */
async function* untilItBreaks(
  body: ReadableStream<Uint8Array> | null,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const reader = body?.getReader();
  for (;;) {
    if (reader === undefined) return;
    const next = await reader.read().catch(() => null);
    signal.throwIfAborted();
    if (next === null || next.done) return;
    yield next.value;
  }
}
