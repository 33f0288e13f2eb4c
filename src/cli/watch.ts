// What is shown of a run while it is waited for: its progress, and the replicas of its endpoint.

import type { Claimcheck } from '../client/connect.ts';
import { systemClock } from '../clock.ts';
import type { EndpointBody } from '../wire/endpoints.ts';
import type { RunBody } from '../wire/runs.ts';
import { type ProgressBar, type ProgressUpdate, showProgress } from './progress.ts';
import { plainLine } from './text.ts';

/** How often the endpoint is asked for its replicas, at the most: with every look at the run, which is one a second. */
const DESCRIBE_EVERY_MS = 900;

/**
 * A progress line on standard error for one run.
 *
 * @example
 * const watch = new Watch(client);
 * const rows = await endpoint.inference(table, { onProgress: (run) => watch.show(run) });
 * watch.end('summary');
 */
export class Watch {
  readonly #client: Claimcheck;
  #bar: ProgressBar | null = null;
  #run: RunBody | null = null;
  #endpoint: EndpointBody | null = null;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(client: Claimcheck) {
    this.#client = client;
  }

  /** Shows the run as it now stands. */
  show(run: RunBody): void {
    this.#run = run;
    this.#draw();
    if (!run.done) this.#askForReplicas(run.endpoint);
  }

  /** Removes the line, or leaves a last one that says how it went. */
  end(last: 'summary' | 'nothing'): void {
    this.#bar?.end(last);
    this.#run = null;
  }

  #draw(): void {
    if (this.#run === null) return;
    this.#bar ??= showProgress(this.#run.endpoint);
    this.#bar.update(updateOf(this.#run, this.#endpoint));
  }

  #askForReplicas(endpoint: string): void {
    const now = systemClock.now();
    if (now - this.#askedAt < DESCRIBE_EVERY_MS) return;
    this.#askedAt = now;
    this.#client
      .endpoint(endpoint)
      .describe()
      .then(
        (body) => {
          this.#endpoint = body;
          this.#draw();
        },
        // Replicas are decoration: a run of an endpoint that is no longer deployed can still be waited for.
        () => (this.#askedAt = Number.POSITIVE_INFINITY),
      );
  }
}

/** What a run, and its endpoint where it is known, mean for the progress line. */
export function updateOf(run: RunBody, endpoint: EndpointBody | null): ProgressUpdate {
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
