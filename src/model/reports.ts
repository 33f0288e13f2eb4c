// What an invocation reports to the server while it works. Reports leave in order, one request at a time; what comes meanwhile goes with the next.
// They never fail an invocation: what the server did not take stands among the lines of the run, or, where it cannot be reached, on standard error.

import type { LogEntry, LogStream } from '../domain/log-line.ts';

/** Lines that may wait for their request, in characters: beyond that a model writes faster than anybody reads, and lines are dropped. */
const WAITING_MAX = 1_024 * 1_024;
/** Lines of one request, in characters; the server takes 256 KiB. */
const REQUEST_MAX = 64 * 1_024;
/** Longest line, in characters. */
const LINE_MAX = 16_384;

/** Longest wait for the server to take a report. */
const REPORT_MILLISECONDS_MAX = 5_000;

/** A progress as a model hands it in. */
export interface ReportedProgress {
  readonly done: number;
  readonly total: number | null;
  readonly message: string | null;
}

/** Reports of one invocation. */
export class Reports {
  #url: string | null;
  readonly #partial = { stdout: '', stderr: '' };
  #progress: ReportedProgress | null = null;
  #lines: string[] = [];
  #waiting = 0;
  #dropped = 0;
  #sending: Promise<void> | null = null;

  /** @param url where the server takes reports of this attempt; null where nobody does, and every report is dropped */
  constructor(url: string | null) {
    this.#url = url;
  }

  progress(progress: ReportedProgress): void {
    this.#progress = progress;
    this.#send();
  }

  line(stream: LogStream, message: string, fields: LogEntry['fields'] = null): void {
    const line = lineOf({ stream, message: message.slice(0, LINE_MAX), fields });
    if (this.#waiting + line.length > WAITING_MAX) {
      this.#dropped += 1;
      return;
    }
    this.#waiting += line.length;
    this.#lines.push(line);
    this.#send();
  }

  /** Takes what was printed, in pieces as they come, and reports it by the line. */
  printed(stream: 'stdout' | 'stderr', text: string): void {
    const lines = (this.#partial[stream] + text).split(/\r?\n/);
    this.#partial[stream] = lines.pop()!.slice(-LINE_MAX);
    for (const line of lines) this.line(stream, line);
  }

  /** Resolves when everything has been sent, or could not be. */
  async end(): Promise<void> {
    for (const stream of ['stdout', 'stderr'] as const) if (this.#partial[stream] !== '') this.printed(stream, '\n');
    if (this.#dropped > 0) {
      const message = `… ${this.#dropped} lines dropped: they came faster than they could be sent.`;
      this.#lines.push(lineOf({ stream: 'log', message, fields: null }));
    }
    this.#send();
    await this.#sending;
  }

  #send(): void {
    if (this.#url === null || (this.#progress === null && this.#lines.length === 0)) return;
    this.#sending ??= this.#sendAll(this.#url);
  }

  async #sendAll(url: string): Promise<void> {
    // What is reported in the same breath goes together.
    await Promise.resolve();
    try {
      while (this.#progress !== null || this.#lines.length > 0) {
        const progress = this.#progress;
        this.#progress = null;
        const refused =
          progress === null ? null : await post(`${url}/progress`, 'application/json', JSON.stringify(progress));
        if (refused !== null) this.#lines.push(lineOf({ stream: 'log', message: refused, fields: null }));
        const lines = this.#takeLines();
        if (lines !== '') await post(`${url}/logs`, 'application/jsonlines', lines);
      }
    } catch (error) {
      // Once and for all: this very sentence would be reported too.
      this.#url = null;
      process.stderr.write(`A report could not be sent: ${error instanceof Error ? error.message : String(error)}\n`);
    } finally {
      this.#sending = null;
    }
  }

  #takeLines(): string {
    let length = 0;
    const end = this.#lines.findIndex((line) => (length += line.length) > REQUEST_MAX);
    const lines = this.#lines.splice(0, end === -1 ? this.#lines.length : Math.max(1, end));
    this.#waiting -= lines.reduce((sum, line) => sum + line.length, 0);
    return lines.join('\n');
  }
}

/** Fields that are no JSON are left out and said so: a line is no reason to fail. */
function lineOf({ stream, message, fields }: LogEntry): string {
  try {
    const text = JSON.stringify({ stream, message, fields });
    if (text.length <= REQUEST_MAX) return text;
  } catch {
    // A value that contains itself, or a BigInt: the note below says that they are missing.
  }
  return JSON.stringify({ stream, message: `${message} (its fields are too long, or no JSON)` });
}

/** What the server said against a report, or null. An attempt that is over takes none, and that is nobody's mistake. */
async function post(url: string, contentType: string, body: string): Promise<string | null> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': contentType },
    body,
    signal: AbortSignal.timeout(REPORT_MILLISECONDS_MAX),
  });
  const text = await response.text();
  if (response.ok || response.status === 404) return null;
  const { detail = text } = JSON.parse(text) as { detail?: string };
  return `A report was refused: ${detail}`;
}
