// A line that a model wrote while it worked on a run.

/** Where a line came from: `log` is `context.log` or a callback, `server` a note of the server about the lines themselves. */
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

/** A line as text for people: when, the message, and its fields as JSON. What was printed, and a note of the server, say so. */
export function logLineText({ at, stream, message, fields }: LogLine): string {
  const source = stream === 'log' ? '' : ` [${stream}]`;
  return `${at}${source} ${message}${fields === null ? '' : ` ${JSON.stringify(fields)}`}`;
}
