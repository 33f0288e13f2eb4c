// What models write while they work on runs: a file of JSON lines for every attempt that wrote any,
// in the data folder. Nothing is promised of these lines but that they are there once the run has
// ended: they are not synced to the disk, and where it has no room for them they are dropped. A
// power cut may take the last ones.

import { appendFile, type FileHandle, mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../system/clock.ts';
import { parseRunId, type RunId } from '../../domain/ids.ts';
import type { LogEntry, LogLine } from '../../domain/log-line.ts';
import { type Instant, instant, toRfc3339 } from '../../domain/time.ts';
import type { Log } from '../../system/log.ts';
import { LogBudget } from './log-budget.ts';

/** Longest message that is kept whole, in characters. */
export const MESSAGE_MAX = 16_384;
/** Files are spread over 256 folders by the last two digits of the run id, which are random. */
const shardOf = (runId: RunId): string => runId.slice(34, 36);

/** How much of a file is read at a time, in bytes. */
const PIECE_BYTES = 64 * 1_024;
const NEWLINE = 0x0a;

/**
 * A line, as the JSON text of a `LogLine`, and the byte of its file with which the next one begins.
 */
export interface PlacedLine {
  readonly line: string;
  readonly end: number;
}

/** Takes the lines of one attempt. */
export interface LogWriter {
  add(entry: LogEntry): void;
  /** So many lines were left out before they came here. */
  drop(lines: number): void;
  /** Resolves when everything that was added can be read. */
  close(): Promise<void>;
}

/** A file of lines. */
export interface LogFile {
  readonly file: string;
  readonly runId: RunId;
  readonly writtenAt: Instant;
}

/** The lines of all runs, in a folder that is made when the first of them comes. */
export class RunLogs {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(folder: string, clock: Clock, log: Log) {
    this.#folder = folder;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Begins the lines of an attempt; nothing is written before the first. `onWritten` is called when
   * more of them can be read.
   */
  writer(runId: RunId, attempt: number, onWritten: () => void = () => {}): LogWriter {
    return new AttemptLog(this.#fileOf(runId, attempt), attempt, this.#clock, this.#log, onWritten);
  }

  /**
   * The lines of a run's attempts, each as the JSON text of a `LogLine`, in the order in which they
   * were written.
   */
  async read(runId: RunId, attempts: number): Promise<string[]> {
    const lines: string[] = [];
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      const text = await readFile(this.#fileOf(runId, attempt), 'utf8').catch(emptyWhereMissing);
      // The last line may be on its way, or cut short by a power cut.
      lines.push(...text.split('\n').slice(0, -1));
    }
    return lines;
  }

  /**
   * The next lines of an attempt after so many bytes of its file, each with where it ends there;
   * none where there are none yet. At most `PIECE_BYTES` are read, or as many as the first line
   * has. Where no line begins at `offset`, which nobody was told then, all lines are new.
   */
  async readOn(runId: RunId, attempt: number, offset: number): Promise<PlacedLine[]> {
    const file = await open(this.#fileOf(runId, attempt)).catch(nullWhereMissing);
    if (file === null) return [];
    try {
      const isLineEnd = offset === 0 || (await bytesOf(file, offset - 1, 1))[0] === NEWLINE;
      if (!isLineEnd && offset <= (await file.stat()).size) return await linesFrom(file, 0);
      return isLineEnd ? await linesFrom(file, offset) : [];
    } finally {
      await file.close();
    }
  }

  /** Every file there is, in no order. */
  async *list(): AsyncIterable<LogFile> {
    for (const shard of await namesIn(this.#folder)) {
      for (const name of await namesIn(join(this.#folder, shard))) {
        const runId = parseRunId(name.split('.')[0]!);
        const file = join(this.#folder, shard, name);
        const found = runId === null ? null : await stat(file).catch(nullWhereMissing);
        if (runId !== null && found !== null) yield { file, runId, writtenAt: instant(found.mtimeMs) };
      }
    }
  }

  /** Deletes a file of lines; one that is gone already is fine. */
  async delete({ file }: LogFile): Promise<void> {
    await rm(file, { force: true });
  }

  /** Deletes the lines of a run's attempts; it is fine where there are none. */
  async deleteOf(runId: RunId, attempts: number): Promise<void> {
    for (let attempt = 1; attempt <= attempts; attempt += 1) await rm(this.#fileOf(runId, attempt), { force: true });
  }

  #fileOf(runId: RunId, attempt: number): string {
    return join(this.#folder, shardOf(runId), `${runId}.${attempt}.jsonl`);
  }
}

class AttemptLog implements LogWriter {
  readonly #file: string;
  readonly #attempt: number;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #budget: LogBudget;
  readonly #onWritten: () => void;
  #pending = '';
  #writing: Promise<void> | null = null;
  #hasFailed = false;

  constructor(file: string, attempt: number, clock: Clock, log: Log, onWritten: () => void) {
    this.#onWritten = onWritten;
    this.#file = file;
    this.#attempt = attempt;
    this.#clock = clock;
    this.#log = log;
    this.#budget = new LogBudget(clock);
  }

  add(entry: LogEntry): void {
    const line = this.#lineOf(entry);
    for (const kept of this.#budget.admit(entry, Buffer.byteLength(line)))
      this.#pending += kept === entry ? line : this.#lineOf(kept);
    this.#write();
  }

  drop(lines: number): void {
    this.#budget.drop(lines);
  }

  async close(): Promise<void> {
    for (const note of this.#budget.end()) this.#pending += this.#lineOf(note);
    this.#write();
    await this.#writing;
  }

  #lineOf({ stream, message, fields }: LogEntry): string {
    const kept = message.length <= MESSAGE_MAX ? message : `${message.slice(0, MESSAGE_MAX)}…`;
    const line: LogLine = { at: toRfc3339(this.#clock.now()), attempt: this.#attempt, stream, message: kept, fields };
    return `${JSON.stringify(line)}\n`;
  }

  /**
   * One write at a time, of everything that has come since the last: the budget bounds how much
   * that is.
   */
  #write(): void {
    if (this.#pending === '' || this.#hasFailed) return;
    this.#writing ??= this.#append();
  }

  async #append(): Promise<void> {
    try {
      await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 });
      while (this.#pending !== '') {
        const text = this.#pending;
        this.#pending = '';
        await appendFile(this.#file, text, { mode: 0o600 });
        this.#onWritten();
      }
    } catch (error) {
      this.#hasFailed = true;
      this.#log.warn({ err: error, file: this.#file }, 'the lines of a run could not be written, and are dropped');
    } finally {
      this.#writing = null;
    }
  }
}

/** The whole lines from a byte on. */
async function linesFrom(file: FileHandle, start: number): Promise<PlacedLine[]> {
  for (let length = PIECE_BYTES; ; length *= 2) {
    const bytes = await bytesOf(file, start, length);
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    // The last line may be on its way; or it is longer than what was read.
    if (end === 0 && bytes.length === length) continue;
    const lines: PlacedLine[] = [];
    for (let from = 0; from < end;) {
      const to = bytes.indexOf(NEWLINE, from);
      lines.push({ line: bytes.toString('utf8', from, to), end: start + to + 1 });
      from = to + 1;
    }
    return lines;
  }
}

/** So many bytes from a place on, or as many as there are. */
async function bytesOf(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

function emptyWhereMissing(error: unknown): string {
  if (isMissing(error)) return '';
  throw error;
}

function nullWhereMissing(error: unknown): null {
  if (isMissing(error)) return null;
  throw error;
}
