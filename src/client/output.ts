// The output of a run that has ended.

import type { RunBody } from '../wire/runs.ts';
import { type Content, isJsonType, valueOf, withoutUtf8 } from './content.ts';
import { errorOfRun } from './errors.ts';
import type { Transport } from './transport.ts';

/**
 * The bytes of the output, as the model returned them.
 *
 * @throws ClaimcheckError of the run's failure, RunCancelledError, OutputExpiredError
 */
export async function fetchOutput(transport: Transport, ended: RunBody, signal?: AbortSignal): Promise<Content> {
  if (ended.status !== 'succeeded') throw errorOfRun(ended);
  const { bytes, contentType } = await fetchContent(transport, ended.run_id, signal);
  // As the model named it, as a stream of it does; the answer names the encoding of texts as well.
  return { bytes, contentType: ended.output?.content_type ?? contentType };
}

/**
 * The output of a run that is known to have succeeded, as bytes; with `partial`, also what a batch
 * without an output has done by now.
 */
export async function fetchContent(
  transport: Transport,
  runId: string,
  signal?: AbortSignal,
  query: { readonly partial?: true } = {},
): Promise<Content> {
  const path = `/runs/${encodeURIComponent(runId)}/output`;
  const { bytes, contentType } = await transport.send({ method: 'GET', path, query, signal, isWait: true });
  return { bytes, contentType: withoutUtf8(contentType) };
}

/**
 * The output as a value: JSON parsed, a table as rows, anything else as bytes. Throws as
 * `fetchOutput` does.
 */
export async function fetchResult(transport: Transport, ended: RunBody, signal?: AbortSignal): Promise<unknown> {
  // The server puts small JSON outputs into the run, which saves a request. null may also mean that
  // it is elsewhere.
  const embedded = ended.outputs !== null && ended.output !== null && isJsonType(ended.output.content_type);
  return embedded ? ended.outputs : await valueOf(await fetchOutput(transport, ended, signal));
}
