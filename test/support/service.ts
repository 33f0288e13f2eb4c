// A whole server for a test: real ledger, real replicas, real sockets, in a folder of its own.

import { chmodSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import type { Clock } from '../../src/system/clock.ts';
import type { Config } from '../../src/config/config.ts';
import type { DeployFile, EndpointFile } from '../../src/config/config-file.ts';
import { readDeploySettings } from '../../src/config/deploy-rules.ts';
import { resolveEndpoint } from '../../src/config/endpoint.ts';
import type { EndpointSpec } from '../../src/domain/endpoint.ts';
import { days, type Duration, milliseconds } from '../../src/domain/time.ts';
import type { ServerLimits } from '../../src/http/limits.ts';
import { ROUTES } from '../../src/http/routes.ts';
import { examine } from '../../src/deploy/examination.ts';
import { Inspections } from '../../src/replicas/runtimes/inspections.ts';
import { type Service, startService } from '../../src/service.ts';
import { databaseOf, dropDatabase } from './database.ts';
import { newFolder, removeFolder, type WhenDone } from './folder.ts';
import { send, type TestAnswer, type TestRequest } from './http.ts';
import { until } from './until.ts';

/** Where the models of the tests lie; a path in an endpoint is relative to it. */
export const FIXTURES = fileURLToPath(new URL('../fixtures/', import.meta.url));

/** What a test may choose. */
export interface TestServiceOptions {
  readonly endpoints: Readonly<Record<string, EndpointFile>>;
  /** Data folder of an earlier server, to go on with; the test removes it. */
  readonly data?: string;
  /**
   * Postgres database, in place of the one of the other tests; null for SQLite. Its maker drops it.
   */
  readonly database?: string | null;
  /** 127.0.0.1 unless told. */
  readonly host?: string;
  readonly insecure?: boolean;
  readonly corsOrigins?: readonly string[];
  readonly limits?: Partial<ServerLimits>;
  /**
   * What callbacks and inputs by reference may lead to though it is not public; unset, this
   * machine, where the tests' receivers are.
   */
  readonly egressAllow?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
  /** The machine's clock; the real one unless told. */
  readonly clock?: Clock;
  readonly hosts?: readonly string[];
  readonly publicUrl?: string;
  readonly trustProxy?: boolean | readonly string[];
  /** What keys may deploy. */
  readonly deploy?: DeployFile;
}

// oxlint-disable-next-line typescript/no-explicit-any -- a run as it came, for a test to look at
type AnyRun = any;

/** A server, and how a test talks to it. */
export interface TestService {
  readonly url: string;
  readonly data: string;
  readonly service: Service;
  get(path: string, headers?: Record<string, string>): Promise<TestAnswer>;
  send(method: string, path: string, request?: TestRequest): Promise<TestAnswer>;
  /** Sends an envelope. */
  post(path: string, envelope: unknown, headers?: Record<string, string>): Promise<TestAnswer>;
  /** Sends a raw body. */
  postRaw(
    path: string,
    contentType: string,
    body: string | Uint8Array,
    headers?: Record<string, string>,
  ): Promise<TestAnswer>;
  /** Submits an input asynchronously and answers the run's id. */
  submit(endpoint: string, input: unknown, options?: object): Promise<string>;
  run(runId: string): Promise<AnyRun>;
  /** The run once it has ended. */
  ended(runId: string): Promise<AnyRun>;
  /** The run once it is in a status. */
  inStatus(runId: string, status: string): Promise<AnyRun>;
  /** Chunks of a batch, in the order of their rows. */
  chunks(runId: string): Promise<AnyRun[]>;
  endpoint(name: string): Promise<AnyRun>;
  /** Stops the server; its data folder is removed, unless the test brought it along. */
  stop(grace?: Duration): Promise<void>;
}

/**
 * Where Node keeps what it has compiled for the models of all tests, under any user (each has a
 * folder of its own in it): a replica that finds it there takes half as long to start.
 */
const COMPILED = join(tmpdir(), 'claimcheck-tests-compiled');
if (mkdirSync(COMPILED, { recursive: true }) !== undefined) chmodSync(COMPILED, 0o1777);

/**
 * What a test gives a model that it deploys itself, so that it is the same endpoint as one that its
 * server was started with.
 */
export const KEPT_COMPILED = { NODE_COMPILE_CACHE: COMPILED } as const;

const forNode = ({ model }: EndpointFile): boolean => typeof model === 'string' && /\.[jt]s$/.test(model);

/** Specifications from endpoints as people write them, with every default. */
export function specsOf(endpoints: TestServiceOptions['endpoints']): EndpointSpec[] {
  return Object.entries(endpoints).map(([name, written]) => {
    const env = forNode(written) ? { env: { ...KEPT_COMPILED, ...written.env } } : {};
    const { spec, mistakes } = resolveEndpoint(name, { ...written, ...env }, FIXTURES);
    if (spec === null) throw new Error(`The test's endpoint has mistakes: ${JSON.stringify(mistakes)}`);
    return spec;
  });
}

/** A configuration for tests. */
export function testConfig(options: TestServiceOptions & { readonly data: string }): Config {
  return {
    file: join(FIXTURES, 'claimcheck.config.ts'),
    host: options.host ?? '127.0.0.1',
    port: 0,
    hosts: options.hosts ?? [],
    publicUrl: options.publicUrl === undefined ? null : new URL(options.publicUrl),
    trustProxy: options.trustProxy ?? false,
    data: options.data,
    database: options.database ?? null,
    insecure: options.insecure ?? false,
    logLevel: 'silent',
    egress: { httpsOnly: false, allow: options.egressAllow ?? ['127.0.0.1'] },
    corsOrigins: options.corsOrigins ?? [],
    limits: { bodyBytes: 16 * 1_024 * 1_024 },
    deploy: readDeploySettings(options.deploy, FIXTURES),
    cacheUnusedFor: days(30),
    firstUid: null,
    endpoints: specsOf(options.endpoints),
    environment: options.environment ?? process.env,
  };
}

const CHANGES = ROUTES.filter(({ scope }) => scope === 'manage').map(({ method, path }) => ({
  method,
  path: new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}$`),
}));

/** Whether a request asks for more than anybody may do on a server without keys. */
const isChange = (method: string, path: string): boolean =>
  CHANGES.some((change) => change.method === method && change.path.test(path.split('?')[0]!));

/** The headers of a request that says nothing of whom it is made for, with the operator's token. */
function asOperator(
  data: string,
  headers: NonNullable<TestRequest['headers']> = {},
): NonNullable<TestRequest['headers']> {
  return 'authorization' in headers ? headers : { ...headers, ...operatorHeaders(data) };
}

/**
 * How a request presents the operator's token of the server on a data folder; nothing where there
 * is none.
 */
export function operatorHeaders(data: string): { readonly authorization?: string } {
  const file = readdirSync(data).find((name) => /^operator-token(?:-\d+)?$/.test(name));
  if (file === undefined) return {};
  return { authorization: `Bearer ${readFileSync(join(data, file), 'utf8').split('\n')[0]!}` };
}

/** What the models of the fixtures take: no test changes those, so that one look serves all. */
const inspectedFixtures = new Inspections(process.env);

const areFixtures = ({ endpoints, environment }: TestServiceOptions): boolean =>
  environment === undefined &&
  Object.values(endpoints).every(
    ({ model, cwd }) => cwd === undefined && (typeof model !== 'string' || model.startsWith('./')),
  );

/** Starts a server on a port of its own; the test that starts it stops it. */
export async function startTestService(options: TestServiceOptions): Promise<TestService> {
  const data = options.data ?? (await newFolder());
  const database = options.database === undefined ? await databaseOf(data) : options.database;
  const config = testConfig({ ...options, data, database });
  const examination = examine(config, areFixtures(options) ? inspectedFixtures : undefined);
  const service = await startService(config, options.limits, options.clock, examination);
  const { url } = service;
  let stopped: Promise<void> | null = null;
  const call = (method: string, path: string, request: TestRequest = {}) =>
    send(
      url,
      method,
      path,
      service.usableKeys === null && isChange(method, path)
        ? { ...request, headers: asOperator(data, request.headers) }
        : request,
    );
  const run = async (runId: string): Promise<AnyRun> => (await call('GET', `/runs/${runId}`)).json;
  const post: TestService['post'] = (path, envelope, headers = {}) =>
    call('POST', path, {
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof envelope === 'string' ? envelope : JSON.stringify(envelope),
    });
  return {
    url,
    data,
    service,
    get: (path, headers = {}) => call('GET', path, { headers }),
    send: call,
    post,
    postRaw: (path, contentType, body, headers = {}) =>
      call('POST', path, { headers: { 'content-type': contentType, ...headers }, body }),
    async submit(endpoint, input, envelope = {}) {
      const answer = await post(`/endpoints/${endpoint}/invoke`, { input, async: true, ...envelope });
      if (answer.status !== 202) throw new Error(`The submission was answered with ${answer.status}: ${answer.text}`);
      return answer.json.run_id as string;
    },
    run,
    ended: (runId) =>
      until(`run ${runId} has ended`, async () => {
        const { json } = await call('GET', `/runs/${runId}?wait=10`);
        return json.done === true ? json : null;
      }),
    inStatus: (runId, status) =>
      until(`run ${runId} is ${status}`, async () => {
        const seen = await run(runId);
        return seen.status === status ? seen : null;
      }),
    async chunks(runId) {
      const { json } = await call('GET', `/runs?parent_id=${runId}&limit=500`);
      return (json.runs as AnyRun[]).toSorted((a, b) => a.rows.from - b.rows.from || a.rows.to - b.rows.to);
    },
    endpoint: async (name) => (await call('GET', `/endpoints/${name}`)).json,
    async stop(grace = milliseconds(0)) {
      stopped ??= service.stop(AbortSignal.timeout(grace));
      await stopped;
      if (options.data !== undefined) return;
      await dropDatabase(data);
      await removeFolder(data);
    },
  };
}

/**
 * A server for all tests of a file or a block, which keep out of each other's way by names; called
 * where those are declared.
 */
export function sharedService(options: TestServiceOptions): () => TestService {
  let started: TestService | null = null;
  beforeAll(async () => {
    started = await startTestService(options);
  });
  afterAll(() => started?.stop());
  return () => {
    if (started === null) throw new Error('The server of the tests is not there before they run.');
    return started;
  };
}

/** Starts a server for the test that is running. */
export async function serviceForTest(
  options: TestServiceOptions,
  whenDone: WhenDone = onTestFinished,
): Promise<TestService> {
  const started = await startTestService(options);
  whenDone(() => started.stop());
  return started;
}
