// Scores runs without keeping anybody waiting: small tables here, large ones in a thread of their
// own, one at a time.

import { ServiceError } from '../../domain/errors.ts';
import type { RunId } from '../../domain/ids.ts';
import type { ScoredTable } from '../../scoring/score.ts';
import { ThreadQueue } from '../../system/thread-queue.ts';
import { type Answered, answer, type StoredRequest } from './score-answer.ts';

/**
 * Bytes of both tables up to which they are scored at once: a thread takes longer to start than
 * they take.
 */
const AT_ONCE_BYTES_MAX = 128 * 1_024;
const THREAD = new URL(import.meta.url.endsWith('.ts') ? './score-worker.ts' : './score-worker.js', import.meta.url);

/** See the head of this file. */
export class Scorer {
  readonly #atOnceBytesMax: number;
  readonly #threads = new ThreadQueue();

  constructor(atOnceBytesMax = AT_ONCE_BYTES_MAX) {
    this.#atOnceBytesMax = atOnceBytesMax;
  }

  /**
   * Scores a run.
   *
   * @param runId for messages
   * @throws ServiceError `invalid-request` for what cannot be scored: the message says why and what
   *   to do
   */
  async score(request: StoredRequest, runId: RunId): Promise<ScoredTable> {
    const isSmall = request.input.bytes.length + request.output.bytes.length <= this.#atOnceBytesMax;
    const answered = isSmall ? answer(request) : await this.#threads.run<Answered>({ module: THREAD, request });
    if ('scored' in answered) return answered.scored;
    throw new ServiceError('invalid-request', answered.refusal, { errors: answered.errors, runId });
  }
}
