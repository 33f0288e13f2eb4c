// How an endpoint with `face: 'zenml'` answers, so that clients of ZenML's pipeline deployments can
// call it unchanged: 200 with `{success, outputs, …}` also for a pipeline that failed, and mistakes
// of a request in FastAPI's list. What is not said here is as everywhere. Source: the models and
// texts of zenml-io/zenml, src/zenml/deployers/server (models.py, service.py, fastapi/adapters.py).

import type { FastifyReply, FastifyRequest } from 'fastify';
import { ANYBODY, type Viewer } from '../../domain/access.ts';
import { sha256 } from '../../domain/digest.ts';
import { type FieldError, ServiceError } from '../../domain/errors.ts';
import { isJson } from '../../domain/payload.ts';
import { between, inSeconds, toRfc3339 } from '../../domain/time.ts';
import type { Deployed } from '../../engine/deployment.ts';
import type { Engine } from '../../engine/engine.ts';
import type { RunView } from '../../engine/views.ts';
import type { RunRecord } from '../../stores/ledger/ledger.ts';
import { type ZenmlInfoBody, type ZenmlMistakesBody, ZenmlRefusalBody } from '../../wire/zenml.ts';
import { outputPath } from '../paths.ts';
import { problemOfRun } from '../answer/problem.ts';

/**
 * What a request without a key, or with one that is not valid, is told by a deployment of ZenML's:
 * `detail` of a 401 with `WWW-Authenticate: Bearer`.
 */
const ZENML_UNAUTHORIZED = {
  missing: 'Authorization header required',
  invalid: 'Invalid authentication token',
} as const;

/** How the document describes that answer. */
export const ZENML_REFUSAL = {
  description: "Of an endpoint with `face: 'zenml'`: there is no valid key.",
  content: { 'application/json': ZenmlRefusalBody },
} as const;

/** Whether an endpoint answers in this form. */
export const hasZenmlFace = ({ spec }: Deployed): boolean => spec.face === 'zenml';

/**
 * A deployment is an endpoint, a snapshot one of its versions. Their ids are made of these names
 * alone, so every server and every start has the same: the first 122 bits of a SHA-256 in the form
 * that RFC 9562 has for such (version 8).
 */
export const deploymentId = (endpoint: string): string => uuidOf(`claimcheck/deployment/${endpoint}`);
/** See `deploymentId`. */
export const snapshotId = (endpoint: string, version: number): string =>
  uuidOf(`claimcheck/snapshot/${endpoint}/${version}`);

function uuidOf(name: string): string {
  const hex = sha256(name);
  const variant = ((Number.parseInt(hex[16]!, 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/**
 * Answers with a run that has ended, however it has.
 *
 * @param parameters the exact text of the parameters that it was called with; null where they are
 *   not known, since the run is an earlier request's
 */
export async function sendZenmlRun(
  engine: Engine,
  reply: FastifyReply,
  view: RunView,
  parameters: string | null,
): Promise<FastifyReply> {
  const { run } = view;
  const hasSucceeded = run.status === 'succeeded';
  const outputs = hasSucceeded ? await outputsText(engine, view, reply.request.base) : 'null';
  const head = JSON.stringify({
    success: hasSucceeded,
    execution_time: run.startedAt === null ? 0 : inSeconds(between(run.startedAt, run.finishedAt!)),
    error: hasSucceeded ? null : problemOfRun(run).message,
  });
  const metadata = JSON.stringify({
    deployment_id: deploymentId(run.endpoint),
    deployment_name: run.endpoint,
    snapshot_id: snapshotId(run.endpoint, run.version),
    snapshot_name: String(run.version),
    pipeline_name: run.endpoint,
    run_id: run.runId,
    // Counts every run of the ledger in their order, not those of the endpoint alone: it rises, and
    // no run has another's.
    run_index: run.sequence,
    run_name: run.runName,
  });
  // An input that is no object, as a raw body may be, has no parameters by their names.
  const named = parameters !== null && /^\s*\{/.test(parameters) ? parameters : '{}';
  const used = `${metadata.slice(0, -1)},"parameters_used":${named}}`;
  return reply.type('application/json').send(`${head.slice(0, -1)},"outputs":${outputs},"metadata":${used}}`);
}

/**
 * The outputs by their names, as the model wrote them. One that has no name is called `output`; one
 * that is no JSON is said where it is.
 */
async function outputsText(engine: Engine, { run, output }: RunView, base: string): Promise<string> {
  const facts = run.output!;
  if (!isJson(facts.contentType)) {
    const { contentType, bytes } = facts;
    return JSON.stringify({ output: { href: `${base}${outputPath(run.runId)}`, content_type: contentType, bytes } });
  }
  const content = output ?? (await engine.runs.output(run))?.content;
  if (content === undefined) return 'null';
  const text = new TextDecoder().decode(content);
  return text.trimStart().startsWith('{') ? text : `{"output":${text}}`;
}

/**
 * Answers a caller without a valid key in ZenML's words, where it asks an endpoint that answers in
 * this form; null for anything else.
 */
export function sendZenmlUnauthorized(
  engine: Engine,
  { params, url, headers }: FastifyRequest,
  reply: FastifyReply,
  error: unknown,
): FastifyReply | null {
  if (!(error instanceof ServiceError) || error.slug !== 'unauthorized') return null;
  const { endpoint } = params as { readonly endpoint?: string };
  const name = endpoint ?? (url.split('?')[0] === '/invoke' ? engine.endpoints.default() : null);
  const deployed = engine.endpoints.visibleTo(ANYBODY).find(({ spec }) => spec.name === name);
  if (deployed === undefined || !hasZenmlFace(deployed)) return null;
  reply.problem = error.slug;
  const detail = ZENML_UNAUTHORIZED[headers.authorization === undefined ? 'missing' : 'invalid'];
  return reply
    .code(401)
    .header('www-authenticate', 'Bearer')
    .type('application/json')
    .send(JSON.stringify({ detail } satisfies ZenmlRefusalBody));
}

/** Answers a mistake of a request in FastAPI's form; throws any other error on. */
export function sendZenmlMistakes(reply: FastifyReply, error: unknown): FastifyReply {
  if (!(error instanceof ServiceError) || !['invalid-request', 'malformed-body'].includes(error.slug)) throw error;
  reply.problem = error.slug;
  const detail =
    error.slug === 'malformed-body'
      ? [{ type: 'json_invalid', loc: ['body'], msg: `JSON decode error: ${error.message}` }]
      : (error.extras.errors ?? []).map(mistakeOf);
  return reply
    .code(422)
    .type('application/json')
    .send(JSON.stringify({ detail } satisfies ZenmlMistakesBody));
}

/**
 * What a replica says of an input that its model's schema refuses; what the server can judge by
 * itself it has refused before.
 */
const MISFIT = /^The input does not fit the model's schema: (.+)\.$/s;

/**
 * The mistake of a request that only the replica has found, as an error of that request; null for a
 * run that ended otherwise.
 */
export function misfitOf({ error }: RunRecord): ServiceError | null {
  const [, misfits] = (error?.type === 'model-error' && MISFIT.exec(error.detail)) || [];
  if (misfits === undefined) return null;
  const errors = misfits.split('; ').map((misfit) => {
    const [, pointer = '', detail = misfit] = /^(\/\S*?):? (.+)$/s.exec(misfit) ?? [];
    return { pointer: `/input${pointer}`, detail };
  });
  return new ServiceError('invalid-request', error!.detail, { errors });
}

function mistakeOf({ pointer, detail }: FieldError): ZenmlMistakesBody['detail'][number] {
  const [where, name] = pointer.split(':', 2);
  // Beside the body there are the query and the headers, which are named as they are there.
  const loc =
    name === undefined ? ['body', ...stepsOf(pointer.replace(/^\/input(?=\/|$)/, '/parameters'))] : [where!, name];
  if (detail.startsWith('is required')) return { type: 'missing', loc, msg: 'Field required' };
  if (detail.startsWith('is not known here'))
    return { type: 'extra_forbidden', loc, msg: 'Extra inputs are not permitted' };
  return { type: 'value_error', loc, msg: `Value error, ${detail}` };
}

const stepsOf = (pointer: string): (string | number)[] =>
  pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step));

/** What `GET …/info` answers: the endpoint as a deployment. */
export async function zenmlInfo(
  engine: Engine,
  viewer: Viewer,
  { spec, version, inputSchema, outputSchema }: Deployed,
  server: {
    readonly executions: number;
    readonly uptimeSeconds: number;
    readonly asksForKeys: boolean;
    /** What stands before the server's own paths. */
    readonly base: string;
  },
): Promise<ZenmlInfoBody> {
  const { name } = spec;
  const own = `${server.base}/endpoints/${name}`;
  const [last] = await engine.runs.list({ endpoint: name, status: 'succeeded', viewer, limit: 1 });
  return {
    deployment: { id: deploymentId(name), name, auth_enabled: server.asksForKeys },
    snapshot: { id: snapshotId(name, version), name: String(version) },
    pipeline: { name, parameters: null, input_schema: inputSchema, output_schema: outputSchema },
    app: {
      app_runner_flavor: 'claimcheck',
      docs_url_path: `${server.base}/docs`,
      redoc_url_path: `${server.base}/docs`,
      invoke_url_path: `${own}/invoke`,
      health_url_path: `${own}/health`,
      info_url_path: `${own}/info`,
      metrics_url_path: `${server.base}/metrics`,
    },
    total_executions: server.executions,
    last_execution_time: last?.finishedAt == null ? null : toRfc3339(last.finishedAt),
    status: 'healthy',
    uptime: server.uptimeSeconds,
  };
}
