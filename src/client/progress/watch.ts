// What is shown of a run while it is waited for: its progress, the replicas of its endpoint, and
// the chunks that keep a batch from its end.

import type { EndpointBody } from '../../wire/endpoints.ts';
import type { RunBody, RunPage } from '../../wire/runs.ts';
import { monotonicNow, wallClockNow } from '../environment.ts';
import { ConnectionError } from '../errors.ts';
import { jsonOf, type Query, type Transport } from '../transport.ts';
import { type ProgressBar, type ProgressOptions, type ProgressUpdate, showProgress } from './bars.ts';
import type { InFlight } from './line.ts';
import { plainLine } from './terminal.ts';

/**
 * How often the server is asked for what is shown beside the run, at the most: with every look at
 * the run, which is one a second.
 */
const ASK_EVERY_MS = 900;
/** Seconds after which such a question is given up. */
const ANSWER_SECONDS = 30;
/** What is over sooner needs no bar, where nobody has asked for one. */
const SILENT_MS = 500;
/** Seconds after which a chunk is worth a word: what is done sooner needs nobody's eye. */
const STRAGGLES_FROM = 5;
/** As many chunks before its end, a batch shows those that are left. */
const CHUNKS_LEFT = 8;

/** When a watch shows its run: `always`, or on a terminal alone and once it takes a while. */
export type Shown = 'always' | 'where-it-helps';

/**
 * A progress line on standard error for one run.
 *
 * @example
 * const watch = new Watch(transport, 'always');
 * const ended = await run.wait({ onProgress: (body) => watch.show(body) });
 * watch.end('summary');
 */
export class Watch {
  readonly #transport: Transport;
  readonly #options: ProgressOptions;
  readonly #showsFrom: number;
  #bar: ProgressBar | null = null;
  #run: RunBody | null = null;
  #endpoint: EndpointBody | null = null;
  #inFlight: InFlight | null = null;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(transport: Transport, shown: Shown, options: ProgressOptions = {}) {
    this.#transport = transport;
    this.#options = options;
    this.#showsFrom = shown === 'always' ? 0 : monotonicNow() + SILENT_MS;
  }

  /** Shows the run as it now stands. */
  show(run: RunBody): void {
    this.#run = run;
    // A run that has ended when it is first looked at has no progress to show, but how it went.
    if (run.done && this.#bar === null) return;
    this.#draw();
    if (!run.done) this.#ask(run);
  }

  /** Shows that nobody knows how the run stands. */
  unanswered(): void {
    this.#endpoint = null;
    this.#inFlight = null;
    this.#draw('no answer from the server, trying again');
  }

  /** Removes the line, or leaves a last one that says how it went. */
  end(last: 'summary' | 'nothing'): void {
    const run = this.#run;
    this.#run = null;
    if (this.#bar !== null || run === null || last === 'nothing') this.#bar?.end(last);
    else if (this.#isTime) this.#newBar(run).end(last, { ...updateOf(run, null), tookSeconds: secondsTaken(run) });
  }

  get #isTime(): boolean {
    return monotonicNow() >= this.#showsFrom;
  }

  /** @param waiting why nothing moves, where the run does not say it itself */
  #draw(waiting?: string): void {
    if (this.#run === null || (this.#bar === null && !this.#isTime)) return;
    this.#bar ??= this.#newBar(this.#run);
    const update = updateOf(this.#run, this.#endpoint, this.#inFlight);
    this.#bar.update(waiting === undefined ? update : { ...update, waiting });
  }

  #newBar({ endpoint, run_name: name }: RunBody): ProgressBar {
    return showProgress(name === null ? endpoint : `${endpoint} ${name}`, this.#options);
  }

  /**
   * What is answered is decoration: a run of an endpoint that is no longer deployed can still be
   * waited for, and is not asked about again.
   */
  #ask(run: RunBody): void {
    const now = monotonicNow();
    if (now - this.#askedAt < ASK_EVERY_MS) return;
    this.#askedAt = now;
    Promise.all([this.#describe(run.endpoint), isNearItsEnd(run) ? this.#running(run.run_id) : null]).then(
      ([endpoint, inFlight]) => {
        this.#endpoint = endpoint;
        this.#inFlight = inFlight;
        this.#draw();
      },
      (error: unknown) => {
        if (!(error instanceof ConnectionError)) this.#askedAt = Number.POSITIVE_INFINITY;
      },
    );
  }

  #describe(endpoint: string): Promise<EndpointBody> {
    return this.#get<EndpointBody>(`/endpoints/${encodeURIComponent(endpoint)}`, {});
  }

  async #running(batchId: string): Promise<InFlight | null> {
    const { runs } = await this.#get<RunPage>('/runs', { parent_id: batchId, status: 'running', limit: 500 });
    const ages = runs.map(({ started_at: at }) => (at === null ? 0 : (wallClockNow() - Date.parse(at)) / 1_000));
    const oldestSeconds = Math.max(0, ...ages);
    return oldestSeconds < STRAGGLES_FROM ? null : { chunks: runs.length, oldestSeconds };
  }

  async #get<Body>(path: string, query: Query): Promise<Body> {
    return jsonOf<Body>(await this.#transport.send({ method: 'GET', path, query, limitSeconds: ANSWER_SECONDS }), path);
  }
}

/** Whether few chunks are left of a batch, so that each of them counts. */
function isNearItsEnd({ progress, batch }: RunBody): boolean {
  if (progress === null || progress.total === null || batch === null) return false;
  return progress.done > 0 && progress.total - progress.done <= CHUNKS_LEFT * batch.size;
}

/** Both times are the server's. */
const secondsTaken = ({ created_at: from, finished_at: to }: RunBody): number =>
  to === null ? 0 : (Date.parse(to) - Date.parse(from)) / 1_000;

/** What a run, and its endpoint where it is known, mean for the progress line. */
function updateOf(run: RunBody, endpoint: EndpointBody | null, inFlight: InFlight | null = null): ProgressUpdate {
  const { progress } = run;
  const replicas =
    endpoint === null
      ? null
      : { current: endpoint.replicas.current, desired: Math.max(endpoint.replicas.current, endpoint.replicas.desired) };
  return {
    ...(progress === null
      ? {}
      : {
          done: progress.done,
          total: progress.total,
          failed: progress.failed,
          unit: progress.unit,
          message: progress.message === null ? null : plainLine(progress.message),
        }),
    replicas,
    inFlight: run.done ? null : inFlight,
    waiting: waitingText(run, endpoint),
  };
}

function waitingText(run: RunBody, endpoint: EndpointBody | null): string | null {
  if (run.done) return null;
  const trouble = endpoint?.trouble ?? null;
  if (trouble !== null) return `no replica becomes ready: ${plainLine(trouble)}`;
  switch (run.waiting_on) {
    case 'cold_start':
      return 'starting a replica';
    case 'capacity':
      return run.queue === null || run.queue.ahead === 0
        ? 'waiting in the queue'
        : `waiting in the queue, ${run.queue.ahead} ahead`;
    case 'retry_delay':
      return 'waiting to try again';
    case 'draining':
      return 'the server is stopping';
    case 'children':
      return endpoint?.replicas.current === 0 ? 'starting a replica' : null;
    case null:
      return null;
  }
}
