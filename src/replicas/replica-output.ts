// What the process of a replica writes, and whose it is.
//
// A line is of a run where our runner says so, on a descriptor of its own, or where a program's
// author has said that it writes every line out before it answers. Any other line may be of a run
// before: what a program buffers comes late, and so does what code in C, another process or a
// thread writes. Such a line is kept with the replica, which those who submit runs cannot read, and
// is quoted to one of them only as long as the replica has worked for nobody else.

import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { type Clock } from '../system/clock.ts';
import { ServiceError } from '../domain/errors.ts';
import type { LogEntry, LogStream, ReplicaLog } from '../domain/log-line.ts';
import { ATTEMPT_HEADER, REPORTS_DESCRIPTOR, RUN_ID_HEADER } from '../model/protocol.ts';
import type { Invocation } from './contract.ts';
import { LineSplitter } from './line-splitter.ts';
import { OutputTail } from './output-tail.ts';
import { readReport, type Reporter } from './reports.ts';

/** Longest report of our runner, in characters. */
const REPORT_MAX = 256 * 1_024;

/** An invocation that is being worked on. */
interface Hearing {
  readonly runId: string;
  /** Absent where nobody hears it. */
  readonly reporter: Reporter | undefined;
  readonly ownsOutput: boolean;
  /** The last lines that are certain to be of it. */
  readonly tail: OutputTail;
  /** Whether lines came meanwhile that may be of it. */
  sawOthers: boolean;
}

/** Ends the hearing of an invocation, and tells of it. */
export interface Ear {
  /**
   * Whether there are lines that are certain to be of it: then they have come before the answer, or
   * in the same turn of the event loop.
   */
  readonly isCertain: boolean;
  /** The last lines that its caller may see, as the end of a sentence. */
  quote(): string;
  stop(): void;
}

/** Listens to a process from its start to its end. */
export class ReplicaOutput {
  readonly #log: ReplicaLog | null;
  readonly #saysWhose: boolean;
  /** All that was written, in the order in which it came. */
  readonly #tail = new OutputTail();
  readonly #splitters: readonly LineSplitter[];
  readonly #hearings = new Map<string, Hearing>();
  readonly #tenants = new Set<string | undefined>();

  constructor(
    process: ChildProcess,
    { log = null, reports = false }: Pick<ListensTo, 'log' | 'reports'>,
    clock: Clock,
  ) {
    this.#log = log;
    this.#saysWhose = reports;
    this.#splitters = (['stdout', 'stderr'] as const).map((stream) => {
      const splitter = new LineSplitter((line) => this.#printed(stream, line), clock);
      process[stream]!.on('data', (bytes: Buffer) => {
        this.#tail.add(bytes);
        splitter.add(bytes);
      }).on('close', () => splitter.end());
      return splitter;
    });
    if (reports) onLines(process.stdio[REPORTS_DESCRIPTOR] as Readable, (line) => this.#reported(line));
  }

  /** From now on an invocation is worked on. */
  hear({ headers, reporter, ownsOutput = false, tenant }: Invocation): Ear {
    const runId = headers[RUN_ID_HEADER] ?? '';
    const attempt = `${runId}.${headers[ATTEMPT_HEADER] ?? '1'}`;
    const hearing: Hearing = { runId, reporter, ownsOutput, tail: new OutputTail(), sawOthers: false };
    // What was printed before, and has no end yet, is not of it.
    if (ownsOutput) this.#endLines();
    this.#tenants.add(tenant);
    this.#hearings.set(attempt, hearing);
    return {
      isCertain: this.#saysWhose || ownsOutput,
      quote: () => (this.#tenants.size === 1 ? this.#tail.quote() : `${this.#elsewhere()}${hearing.tail.quote()}`),
      stop: () => {
        if (ownsOutput) this.#endLines();
        this.#hearings.delete(attempt);
        this.#noteOthers(hearing);
      },
    };
  }

  /**
   * The last lines for readers of the endpoint, as the end of a sentence: none once it has worked
   * for somebody.
   */
  quote(): string {
    return this.#tenants.size === 0 ? this.#tail.quote() : this.#elsewhere();
  }

  /** Keeps for who operates the server how the process has ended. */
  ended(how: string): void {
    this.#keep('server', how);
  }

  #printed(stream: 'stdout' | 'stderr', message: string): void {
    const owner = [...this.#hearings.values()].find(({ ownsOutput }) => ownsOutput);
    if (owner !== undefined) return hand(owner, { stream, message, fields: null });
    for (const hearing of this.#hearings.values()) hearing.sawOthers = true;
    this.#keep(stream, message);
  }

  #reported(line: string): void {
    try {
      const { of, deliver } = readReport(line);
      const hearing = this.#hearings.get(of);
      // Of a run that has ended.
      if (hearing === undefined) return this.#keep('log', line);
      const log = (entries: readonly LogEntry[]): void => entries.forEach((entry) => this.#lineOf(hearing, entry));
      deliver({ ...(hearing.reporter ?? DEAF), log });
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      this.#keep('log', line);
    }
  }

  /**
   * A line that was not printed on the process's own output has its place among the last ones all
   * the same.
   */
  #lineOf(hearing: Hearing, entry: LogEntry): void {
    this.#tail.add(Buffer.from(`${entry.message}\n`));
    hand(hearing, entry);
  }

  #keep(stream: LogStream, message: string): void {
    this.#log?.add(
      stream,
      message,
      [...this.#hearings.values()].map(({ runId }) => runId),
    );
  }

  #endLines(): void {
    this.#splitters.forEach((splitter) => splitter.end());
  }

  #elsewhere(): string {
    return this.#log === null ? '' : ` All that its process printed is kept in ${this.#log.place} of the data folder.`;
  }

  /** Readers of the lines of a program's run are told where to look for what it printed. */
  #noteOthers({ reporter, sawOthers }: Hearing): void {
    if (this.#saysWhose || !sawOthers || reporter === undefined || this.#log === null) return;
    const message =
      `… what the program printed meanwhile may be of another run, and is kept in ${this.#log.place} of the data folder; ` +
      'replicas.flushes: true says that it is of this one.';
    reporter.log([{ stream: 'server', message, fields: null }]);
  }
}

/** Where nobody hears what is reported. */
const DEAF: Omit<Reporter, 'log'> = { progress: () => {}, dropped: () => {} };

/** What of a launch matters here. */
interface ListensTo {
  readonly log?: ReplicaLog | null;
  readonly reports?: boolean;
}

function hand({ tail, reporter }: Hearing, entry: LogEntry): void {
  tail.add(Buffer.from(`${entry.message}\n`));
  reporter?.log([entry]);
}

/** The lines of our own runner, which ends each, and writes none that is too long. */
function onLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!.slice(0, REPORT_MAX);
    lines.forEach(onLine);
  });
  // A process that closes it reports nothing more.
  stream.on('error', () => {});
}
