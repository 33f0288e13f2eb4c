// Handing a submission to the engine, within the trace of its request.

import type { FastifyRequest } from 'fastify';
import { ServiceError } from '../../domain/errors.ts';
import type { Accepted } from '../../engine/intake.ts';
import type { TraceText } from '../../system/trace-context.ts';
import type { RouteContext } from '../context.ts';

/** Calls `submit` with the trace that its run is to belong to. */
export async function submitTraced(
  { tracing }: RouteContext,
  { headers, method, routeOptions }: FastifyRequest,
  submit: (trace: TraceText | null) => Promise<Accepted>,
): Promise<Accepted> {
  const traced = tracing.submitting(headers, () => ({
    'http.request.method': method,
    'http.route': routeOptions.url ?? '',
  }));
  try {
    const accepted = await submit(traced.text);
    const { runId } = accepted.kind === 'new' ? accepted.run : accepted;
    traced.end({ attributes: { 'claimcheck.run_id': runId, 'claimcheck.accepted': accepted.kind } });
    return accepted;
  } catch (error) {
    traced.end({ error: spanError(error) });
    throw error;
  }
}

function spanError(error: unknown): { readonly type: string; readonly detail: string } {
  const { name, message } = error as Error;
  return { type: error instanceof ServiceError ? error.slug : name, detail: message };
}
