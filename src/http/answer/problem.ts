// Every error that leaves the server, as problem+json from the one table.

import type { FastifyReply } from 'fastify';
import { type FieldError, PROBLEMS, type ProblemSlug, type RunError, ServiceError } from '../../domain/errors.ts';
import { inSeconds, toRfc3339 } from '../../domain/time.ts';
import type { RunRecord } from '../../stores/ledger/ledger.ts';
import { PROBLEM_BASE, PROBLEM_TYPE, type ProblemBody } from '../../wire/problems.ts';
import { runPath } from '../paths.ts';

declare module 'fastify' {
  interface FastifyReply {
    /** The problem that it is; null for an answer that is none. */
    problem: ProblemSlug | null;
  }
}

/** The body of a problem. */
export function problemBody({ slug, message, extras }: ServiceError, requestId: string): ProblemBody {
  const { status, title, retryable } = PROBLEMS[slug];
  return {
    type: `${PROBLEM_BASE}${slug}`,
    title,
    status,
    detail: message,
    instance: `urn:request:${requestId}`,
    retryable,
    ...(extras.runId === undefined ? {} : { run_id: extras.runId }),
    ...(extras.errors === undefined ? {} : { errors: [...extras.errors] }),
    ...extras.members,
  };
}

/** Answers with a problem. */
export function sendProblem(reply: FastifyReply, problem: ServiceError): FastifyReply {
  reply.problem = problem.slug;
  return reply
    .code(PROBLEMS[problem.slug].status)
    .headers({ ...problem.extras.headers })
    .type(PROBLEM_TYPE)
    .send(JSON.stringify(problemBody(problem, reply.request.id)));
}

/** A run's error as it is shown with the run. */
export function failureBody({ type, detail }: RunError) {
  // One that is not in the table was damaged in the store.
  const { title, retryable } = PROBLEMS[type] ?? PROBLEMS.internal;
  return { type, title, detail, retryable };
}

/** The problem that stands for an output whose retention is over. */
export function outputExpired(
  { runId, finishedAt, retention }: RunRecord,
  what: 'output was' | 'logs were' | 'parts were' = 'output was',
): ServiceError {
  const ended = finishedAt === null ? '' : ` at ${toRfc3339(finishedAt)}`;
  return new ServiceError(
    'output-expired',
    `Run ${runId} ended${ended}; its ${what} kept for ${inSeconds(retention)} s after that, as its endpoint's retention says.`,
    { runId },
  );
}

/** The problem that stands for a run without an output. */
export function problemOfRun(run: RunRecord): ServiceError {
  const where = { runId: run.runId, headers: { location: runPath(run.runId) } };
  if (run.status === 'cancelled') return new ServiceError('run-cancelled', `Run ${run.runId} was cancelled.`, where);
  const { type, detail } = run.error ?? { type: 'internal' as const, detail: 'The run failed and did not say why.' };
  return new ServiceError(type in PROBLEMS ? (type satisfies ProblemSlug) : 'internal', detail, where);
}

/** Mistakes that are named: a request may have as many as it has bytes. */
const MISTAKES_MAX = 50;

/**
 * The problem that stands for mistakes of a request; `what` begins its sentence, and the first of
 * them are in it with their places.
 */
export function invalidRequest(what: string, errors: readonly FieldError[]): ServiceError {
  const named = errors.slice(0, MISTAKES_MAX);
  const sentences = named.map(({ pointer, detail }) => `${pointer === '' ? 'the body' : pointer} ${detail}`);
  if (errors.length > named.length) sentences.push(`and ${errors.length - named.length} more`);
  return new ServiceError('invalid-request', `${what}: ${sentences.join('; ')}.`, { errors: named });
}
