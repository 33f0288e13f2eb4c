// Captures as their users see them: predictions that the server keeps under a name, version by
// version, with their metrics.

import { CONTENT_TYPES } from '../table/format.ts';
import { type Row } from '../table/rows.ts';
import type {
  CaptureBody,
  CaptureLine,
  CapturePage,
  CaptureRequest,
  CapturesDeleted,
  MetricsBody,
} from '../wire/captures.ts';
import { type Content, valueOf, withoutUtf8 } from './content.ts';
import { jsonOf, type Transport } from './transport.ts';

/**
 * What is captured: a name, or a name with what the endpoint's configuration does not say, or says
 * otherwise.
 */
export type CaptureChoice =
  | string
  | {
      /** Letters, digits, dots, hyphens and underscores, 64 at most. */
      readonly name: string;
      /** The column of the input that predictions are compared with. */
      readonly target?: string | undefined;
      /** The column of the output that has the prediction. */
      readonly prediction?: string | undefined;
      /** What is scored, where the values do not tell: 0 and 1 are numbers, and may be classes. */
      readonly task?: 'regression' | 'classification' | undefined;
    };

/** Which captures to list; without any of it all, newest first. */
export interface CapturesFilter {
  readonly name?: string | undefined;
  /** At most so many in all; unset, every one there is. */
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What trying an endpoint on rows of its evaluation data has come to. */
export interface TestInference {
  /** The rows with the predictions. */
  readonly rows: readonly Row[];
  readonly capture: Capture;
}

type Stopping = { readonly signal?: AbortSignal | undefined };

/** What a capture of evaluation data is called. */
export const AUTO_INFERENCE = 'auto_inference';
const PAGE_MAX = 100;
const ANSWER_SECONDS = 30;
/** A large table is scored before the answer, one after another. */
const CAPTURE_SECONDS = 600;

/** One version of a capture. Nothing of it ever changes. */
export class Capture {
  /** All that is known of it. */
  readonly body: CaptureBody;
  readonly #transport: Transport;

  constructor(transport: Transport, body: CaptureBody) {
    this.#transport = transport;
    this.body = body;
  }

  get name(): string {
    return this.body.name;
  }

  /** 1 for the first of its name. */
  get version(): number {
    return this.body.version;
  }

  /** Null where no target was there to compare with; `body.metrics_missing` says why. */
  get metrics(): MetricsBody | null {
    return this.body.metrics;
  }

  /** The predictions as rows: what the run answered, in the order of its input. */
  async predictions(options: Stopping = {}): Promise<Row[]> {
    return (await valueOf(await this.output(options))) as Row[];
  }

  /** The predictions byte for byte. */
  async output({ signal }: Stopping = {}): Promise<Content> {
    const { bytes, contentType } = await this.#transport.send(requestOf(this.body.predictions.href, signal));
    return { bytes, contentType: withoutUtf8(contentType) };
  }

  /**
   * The values of the endpoint's `idColumn`, one for each prediction; null where the input had
   * none.
   */
  async ids({ signal }: Stopping = {}): Promise<unknown[] | null> {
    if (this.body.ids === null) return null;
    const request = requestOf(this.body.ids.href, signal);
    return jsonOf<unknown[]>(await this.#transport.send(request), request.path);
  }
}

/**
 * A link of the server as a request; without what a proxy has before the server's own paths, which
 * is in the URL of the server already.
 */
function requestOf(href: string, signal: AbortSignal | undefined) {
  const own = /\/endpoints\/[^/]+\/captures\/.*$/s.exec(href)?.[0] ?? href;
  const [path = '', search = ''] = own.split('?', 2);
  return { method: 'GET', path, query: Object.fromEntries(new URLSearchParams(search)), signal } as const;
}

/**
 * Captures a run that has succeeded. However often the request has to be sent, it is one version.
 */
export async function captureRun(
  transport: Transport,
  endpointPath: string,
  runId: string,
  choice: CaptureChoice,
  signal: AbortSignal | undefined,
): Promise<Capture> {
  const path = `${endpointPath}/captures`;
  const asked = typeof choice === 'string' ? { name: choice } : choice;
  const request = { ...asked, run_id: runId } as CaptureRequest;
  const body = new TextEncoder().encode(JSON.stringify(request));
  const headers = { 'content-type': CONTENT_TYPES.json };
  const answer = await transport.send({
    method: 'POST',
    path,
    headers,
    body,
    signal,
    limitSeconds: CAPTURE_SECONDS,
  });
  return new Capture(transport, jsonOf<CaptureBody>(answer, path));
}

/** A version of a capture; the newest where none is named. */
export async function fetchCapture(
  transport: Transport,
  endpointPath: string,
  name: string,
  version: number | undefined,
  signal: AbortSignal | undefined,
): Promise<Capture> {
  const request = requestFor('GET', endpointPath, name, version, signal);
  return new Capture(transport, jsonOf<CaptureBody>(await transport.send(request), request.path));
}

/** Deletes a version of a capture, all of them where none is named, and answers how many. */
export async function deleteCapture(
  transport: Transport,
  endpointPath: string,
  name: string,
  version: number | undefined,
  signal: AbortSignal | undefined,
): Promise<number> {
  const request = requestFor('DELETE', endpointPath, name, version, signal);
  return jsonOf<CapturesDeleted>(await transport.send(request), request.path).deleted;
}

function requestFor(
  method: 'GET' | 'DELETE',
  endpointPath: string,
  name: string,
  version: number | undefined,
  signal: AbortSignal | undefined,
) {
  const path = `${endpointPath}/captures/${encodeURIComponent(name)}`;
  return { method, path, query: { version }, signal, limitSeconds: ANSWER_SECONDS };
}

/** The captures of an endpoint, newest first. */
export async function listCaptures(
  transport: Transport,
  endpointPath: string,
  { name, limit = Number.POSITIVE_INFINITY, signal }: CapturesFilter,
): Promise<CaptureLine[]> {
  const path = `${endpointPath}/captures`;
  const found: CaptureLine[] = [];
  let cursor: string | undefined;
  while (found.length < limit) {
    const query = { name, limit: Math.min(limit - found.length, PAGE_MAX), cursor };
    const request = { method: 'GET', path, query, signal, limitSeconds: ANSWER_SECONDS } as const;
    const page = jsonOf<CapturePage>(await transport.send(request), path);
    found.push(...page.captures);
    if (page.next_cursor === null) break;
    cursor = page.next_cursor;
  }
  return found;
}

/** So many rows of the endpoint's evaluation data that the model was not trained on. */
export async function fetchEvaluation(
  transport: Transport,
  endpointPath: string,
  rows: number,
  signal: AbortSignal | undefined,
): Promise<Content> {
  const path = `${endpointPath}/evaluation`;
  const request = { method: 'GET', path, query: { rows }, signal, limitSeconds: ANSWER_SECONDS } as const;
  const { bytes, contentType } = await transport.send(request);
  return { bytes, contentType: withoutUtf8(contentType) };
}
