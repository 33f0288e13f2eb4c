// What an invocation reports to the server while it works: a JSON object a line on a descriptor
// that the server has opened for it. Each is written at once, so that it is there when the process
// ends in the next moment; and it says which attempt it is of, which is certain here and nowhere
// else. ReportWriter never fail an invocation.

import { writeSync } from 'node:fs';
import type { LogEntry, LogStream } from '../domain/log-line.ts';
import { REPORTS_VARIABLE } from './protocol.ts';
import { textOf } from './thrown.ts';

/**
 * Lines of a second that are sent: what comes faster is counted, and the server keeps no more of
 * one attempt.
 */
const LINES_PER_SECOND_MAX = 1_000;
/** Longest fields of a line, in characters. */
const FIELDS_MAX = 64 * 1_024;
/** Longest line, in characters. */
const LINE_MAX = 16_384;
/**
 * How often a line that has no end yet is shown as it stands: a progress bar, or a row of dots; and
 * how often progress is sent.
 */
const SECOND = 1_000;
const PROGRESS_EVERY = 100;

/** A progress as a model hands it in. */
export interface ReportedProgress {
  readonly done: number;
  readonly total: number | null;
  readonly message: string | null;
}

/** Where reports go: a descriptor, or null where nobody takes any. */
export type Channel = number | null;

/** The descriptor that the server has opened for the reports of this process. */
export function reportsChannel(environment: NodeJS.ProcessEnv): Channel {
  const descriptor = environment[REPORTS_VARIABLE];
  return descriptor === undefined ? null : Number(descriptor);
}

/** ReportWriter of one invocation. */
export class ReportWriter {
  #channel: Channel;
  readonly #of: string;
  readonly #open = { stdout: new OpenLine(), stderr: new OpenLine() };
  #windowEnd = 0;
  #inWindow = 0;
  #dropped = 0;
  #progress: ReportedProgress | null = null;
  #progressAt = 0;
  #timer: NodeJS.Timeout | null = null;

  /** @param of which attempt they are of */
  constructor(channel: Channel, of: string) {
    this.#channel = channel;
    this.#of = of;
  }

  /** Whether the invocation is over: what is printed now is no longer of it. */
  get isOver(): boolean {
    return this.#channel === null;
  }

  progress(progress: ReportedProgress): void {
    this.#progress = progress;
    const wait = this.#progressAt + PROGRESS_EVERY - performance.now();
    if (wait <= 0) this.#sendProgress();
    else this.#timer ??= setTimeout(() => this.#sendProgress(), wait);
  }

  line(stream: LogStream, message: string, fields: LogEntry['fields'] = null): void {
    if (this.#isTooFast()) {
      this.#dropped += 1;
      return;
    }
    // A model in JavaScript hands in what it likes.
    const told = textOf(message).slice(0, LINE_MAX);
    const kept = fields === null || isSendable(fields);
    this.#send({
      stream,
      message: kept ? told : `${told} (its fields are too long, or no JSON)`,
      fields: kept ? fields : null,
    });
  }

  /** Takes what was printed, in pieces as they come, and reports it by the line. */
  printed(stream: 'stdout' | 'stderr', text: string): void {
    for (const line of this.#open[stream].add(text)) this.line(stream, line);
  }

  /** Nothing that comes later is of this invocation. */
  end(): void {
    for (const stream of ['stdout', 'stderr'] as const)
      for (const line of this.#open[stream].end()) this.line(stream, line);
    this.#sendProgress();
    if (this.#dropped > 0) this.#send({ dropped: this.#dropped });
    this.#channel = null;
  }

  #isTooFast(): boolean {
    const now = performance.now();
    if (now >= this.#windowEnd) {
      this.#windowEnd = now + SECOND;
      this.#inWindow = 0;
    }
    this.#inWindow += 1;
    return this.#inWindow > LINES_PER_SECOND_MAX;
  }

  #sendProgress(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#progress === null) return;
    const progress = this.#progress;
    this.#progress = null;
    this.#progressAt = performance.now();
    if (isSendable(progress)) this.#send({ progress });
    else this.line('log', 'A report was refused: its progress is no JSON.');
  }

  #send(report: object): void {
    if (this.#channel === null) return;
    try {
      writeAll(this.#channel, Buffer.from(`${JSON.stringify({ of: this.#of, ...report })}\n`));
    } catch {
      // The server is gone, or the model has closed the descriptor: neither is a reason to fail.
    }
  }
}

/** What was printed since the last end of a line. */
class OpenLine {
  #text = '';
  #since: number | null = null;
  #isShown = false;

  /**
   * The lines that have come to their end; or, once a second, what there is of one that has not.
   */
  add(text: string): string[] {
    const lines = (this.#text + text).split('\n');
    const rest = lastState(lines.pop()!);
    this.#text = rest.slice(-LINE_MAX);
    const ended = lines.map(stateOf).filter((line, place) => line !== '' || place > 0 || !this.#isShown);
    if (lines.length > 0) this.#begin(false);
    if (this.#text === '') return ended;
    this.#since ??= performance.now();
    if (performance.now() - this.#since < SECOND) return ended;
    const shown = stateOf(this.#text);
    this.#begin(true);
    this.#text = '';
    return [...ended, shown];
  }

  /** What is left. */
  end(): string[] {
    return this.#text === '' ? [] : this.add('\n');
  }

  #begin(isShown: boolean): void {
    this.#since = null;
    this.#isShown = isShown;
  }
}

/**
 * A line as a terminal leaves it: what was written over, as a progress bar is with `\r`, is gone.
 */
function lastState(line: string): string {
  let end = line.length;
  while (end > 0 && line[end - 1] === '\r') end -= 1;
  return end === 0 ? line : line.slice(line.lastIndexOf('\r', end - 1) + 1);
}

const stateOf = (line: string): string => lastState(line).replace(/\r+$/, '');

function writeAll(descriptor: number, bytes: Buffer): void {
  for (let written = 0; written < bytes.length;) written += writeSync(descriptor, bytes, written);
}

/** Fields that are no JSON are left out and said so: a line is no reason to fail. */
function isSendable(fields: object): boolean {
  try {
    return JSON.stringify(fields).length <= FIELDS_MAX;
  } catch {
    // A value that contains itself, or a BigInt, or what throws when it is looked at.
    return false;
  }
}
