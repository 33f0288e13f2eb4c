// The output of a run that has ended.

import type { RunBody } from '../wire/runs.ts';
import { type Content, isJsonType, valueOf } from './content.ts';
import { errorOfRun } from './errors.ts';
import type { Transport } from './transport.ts';

/**
 * The bytes of the output, as the model returned them.
 *
 * @throws ClaimcheckError of the run's failure, RunCancelledError, OutputExpiredError
 */
export async function fetchOutput(transport: Transport, ended: RunBody, signal?: AbortSignal): Promise<Content> {
  if (ended.status !== 'succeeded') throw errorOfRun(ended);
  return fetchContent(transport, ended.run_id, signal);
}

/** The output of a run that is known to have succeeded, as bytes. */
export async function fetchContent(transport: Transport, runId: string, signal?: AbortSignal): Promise<Content> {
  const path = `/runs/${encodeURIComponent(runId)}/output`;
  const { bytes, contentType } = await transport.send({ method: 'GET', path, signal, isWait: true });
  return { bytes, contentType };
}

/** The output as a value: JSON parsed, a table as rows, anything else as bytes. Throws as `fetchOutput` does. */
export async function fetchResult(transport: Transport, ended: RunBody, signal?: AbortSignal): Promise<unknown> {
  // The server puts small JSON outputs into the run, which saves a request. null may also mean that it is elsewhere.
  const embedded = ended.outputs !== null && ended.output !== null && isJsonType(ended.output.content_type);
  return embedded ? ended.outputs : await valueOf(await fetchOutput(transport, ended, signal));
}
