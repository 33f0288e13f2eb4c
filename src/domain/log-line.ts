// A line that a model wrote while it worked on a run.

/**
 * Where a line came from: `log` is `context.log` or a callback, `server` a note of the server about
 * the lines themselves.
 */
export type LogStream = 'log' | 'stdout' | 'stderr' | 'server';

/** What was written, before it is known when and in which attempt. */
export interface LogEntry {
  readonly stream: LogStream;
  readonly message: string;
  /** What was handed in beside the message, or null. */
  readonly fields: Readonly<Record<string, unknown>> | null;
}

/** A line as it is kept and travels: one JSON object. */
export interface LogLine extends LogEntry {
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly attempt: number;
}

/**
 * A line as text for people: when, the message, and its fields as JSON. What was printed, and a
 * note of the server, say so.
 */
export function logLineText({ at, stream, message, fields }: LogLine): string {
  const source = stream === 'log' ? '' : ` [${stream}]`;
  return `${at}${source} ${message}${fields === null ? '' : ` ${JSON.stringify(fields)}`}`;
}

/** How an attempt ended, as far as a reader of its lines is told. */
export interface AttemptEnd {
  readonly attempt: number;
  /** RFC 3339, UTC; null while the attempt goes on. */
  readonly at: string | null;
  /** `failed`, `lost`, …; null while the attempt goes on. */
  readonly outcome: string | null;
  readonly error: { readonly type: string; readonly detail: string } | null;
}

/**
 * The line that tells readers where an attempt ended and why; null for one that goes on, or
 * succeeded: its last line is the log's end.
 */
export function attemptEndText({ attempt, at, outcome, error }: AttemptEnd): string | null {
  if (at === null || outcome === null || outcome === 'succeeded') return null;
  return `${at} [server] attempt ${attempt} ${outcome}${error === null ? '' : `: ${error.type}: ${error.detail}`}`;
}

/**
 * The text of a run's lines, each attempt's followed by how it ended.
 *
 * @param after lines that the reader has already; ends that came before them are left out as well
 */
export function* logText(lines: readonly LogLine[], ends: readonly AttemptEnd[], after = 0): Generator<string, void> {
  let told = 0;
  for (const [place, line] of lines.entries()) {
    for (; told < ends.length && ends[told]!.attempt < line.attempt; told += 1) {
      const text = attemptEndText(ends[told]!);
      if (text !== null && place >= after) yield text;
    }
    if (place >= after) yield logLineText(line);
  }
  for (const end of ends.slice(told)) {
    const text = attemptEndText(end);
    if (text !== null) yield text;
  }
}

/** Keeps what one replica prints where its run is not certain, for who operates the server. */
export interface ReplicaLog {
  /** Where it is kept, as a place of the data folder. */
  readonly place: string;
  /** Takes a line; `during` are the runs that the replica was at work on. */
  add(stream: LogStream, message: string, during: readonly string[]): void;
}
