// The id of a run in a path.

import { parseRunId, type RunId } from '../../domain/ids.ts';
import { runNotFound } from '../../engine/runs.ts';

/**
 * The id that a text is.
 *
 * @throws ServiceError `run-not-found` for a text that is none, as for an id that names no run
 */
export function idOf(text: string): RunId {
  const runId = parseRunId(text);
  if (runId === null) throw runNotFound(text.slice(0, 64));
  return runId;
}
