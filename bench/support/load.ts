// Load in a closed loop: every connection sends its next request when the last one is answered.

import autocannon from 'autocannon';
import type { Pool } from 'undici';

/** A small input, as every bench sends it. */
export const BODY = JSON.stringify({ input: { smiles: 'CC(C)=CCCC(C)=CC(=O)', id: 42 } });

/** Where a server takes runs, and where it shows them. */
export interface Target {
  readonly url: string;
  /** Path that runs are posted to; each is then found under `/runs/{id}`. */
  readonly submitPath: string;
}

/** claimcheck, as `support/claimcheck-server.ts` starts it. */
export const claimcheckAt = (url: string): Target => ({ url, submitPath: '/endpoints/noop/invoke' });

const submitRequest = (path: string) =>
  ({
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json' },
    body: BODY,
  }) as const;

/** Submits one run to claimcheck; answers its id. */
export async function submit(connections: Pool): Promise<string> {
  const { path, method, headers, body } = submitRequest(claimcheckAt('').submitPath);
  const answer = await connections.request({ path, method, headers, body });
  if (answer.statusCode !== 202)
    throw new Error(`A submit was answered with ${answer.statusCode}: ${await answer.body.text()}`);
  return ((await answer.body.json()) as { run_id: string }).run_id;
}

/** Submits per second that were answered with 202; anything else is an error. */
export async function submitRate(target: Target, connections: number, seconds: number): Promise<number> {
  const result = await autocannon({
    url: target.url,
    connections,
    duration: seconds,
    requests: [submitRequest(target.submitPath)],
  });
  assertAllWell(target, result);
  return result['2xx'] / result.duration;
}

/**
 * Runs per second that were submitted and then waited for until they had succeeded, two requests
 * each.
 */
export async function runRate(target: Target, connections: number, seconds: number): Promise<number> {
  let succeeded = 0;
  const wait: autocannon.Request = {
    setupRequest: (request, context) => ({
      ...request,
      method: 'GET',
      path: `/runs/${(context as Context).runId}?wait=60`,
    }),
    onResponse(_status, body) {
      if (!body.includes('"status":"succeeded"')) throw new Error(`${target.url}: a run did not succeed: ${body}`);
      succeeded += 1;
    },
  };
  const submit: autocannon.Request = {
    ...submitRequest(target.submitPath),
    onResponse(_status, body, context) {
      (context as Context).runId = (JSON.parse(body) as { run_id: string }).run_id;
    },
  };
  const result = await autocannon({ url: target.url, connections, duration: seconds, requests: [submit, wait] });
  assertAllWell(target, result);
  return succeeded / result.duration;
}

interface Context {
  runId: string;
}

function assertAllWell(target: Target, { non2xx, errors }: autocannon.Result): void {
  if (non2xx + errors > 0)
    throw new Error(`${target.url}: ${non2xx} answers were not as they should be, ${errors} connections broke.`);
}
