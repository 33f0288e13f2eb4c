// What replicas print where its run is not certain: a file of JSON lines for every endpoint, in the
// data folder, for who operates the server. No route leads there, since lines of several tenants
// stand in it side by side. Like the lines of runs they are not synced to the disk.

import { appendFile, mkdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../system/clock.ts';
import type { LogEntry, ReplicaLog } from '../../domain/log-line.ts';
import { toRfc3339 } from '../../domain/time.ts';
import type { Log } from '../../system/log.ts';
import { LogBudget } from './log-budget.ts';
import { MESSAGE_MAX } from './run-logs.ts';

/**
 * How long a file becomes before it is set aside as `<name>.1`, in the place of the one before, in
 * bytes.
 */
export const REPLICA_LOG_BYTES = 4 * 1_024 * 1_024;
/**
 * Lines that may wait to be written, in characters: beyond that a model prints faster than the disk
 * takes it, and lines are dropped.
 */
const PENDING_MAX = 1_024 * 1_024;

/** The files of all endpoints, in a folder that is made when the first line comes. */
export class ReplicaLogs {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #files = new Map<string, EndpointLog>();

  /** @param folder where the lines of runs are, too */
  constructor(folder: string, clock: Clock, log: Log) {
    this.#folder = join(folder, 'replicas');
    this.#clock = clock;
    this.#log = log;
  }

  /** Takes what one replica prints. */
  of(endpoint: string, replica: string): ReplicaLog {
    const name = `${endpoint}.jsonl`;
    const file = this.#files.get(name) ?? new EndpointLog(join(this.#folder, name), this.#log);
    this.#files.set(name, file);
    const budget = new LogBudget(this.#clock, Infinity);
    const write = ({ stream, message }: LogEntry, during: readonly string[]): void => {
      const at = toRfc3339(this.#clock.now());
      file.add(`${JSON.stringify({ at, replica, stream, message: message.slice(0, MESSAGE_MAX), during })}\n`);
    };
    return {
      place: `logs/replicas/${name}`,
      add(stream, message, during) {
        for (const entry of budget.admit({ stream, message, fields: null }, 0)) write(entry, during);
      },
    };
  }

  /** Resolves when everything that was added can be read. */
  async close(): Promise<void> {
    await Promise.all([...this.#files.values()].map((file) => file.written()));
  }
}

class EndpointLog {
  readonly #file: string;
  readonly #log: Log;
  #pending = '';
  #writing: Promise<void> | null = null;

  constructor(file: string, log: Log) {
    this.#file = file;
    this.#log = log;
  }

  add(line: string): void {
    if (this.#pending.length + line.length > PENDING_MAX) return;
    this.#pending += line;
    this.#writing ??= this.#write();
  }

  async written(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    try {
      await mkdir(join(this.#file, '..'), { recursive: true, mode: 0o700 });
      while (this.#pending !== '') {
        const text = this.#pending;
        this.#pending = '';
        const { size } = await stat(this.#file).catch(() => ({ size: 0 }));
        if (size > REPLICA_LOG_BYTES) await rename(this.#file, `${this.#file}.1`);
        await appendFile(this.#file, text, { mode: 0o600 });
      }
    } catch (error) {
      this.#pending = '';
      this.#log.warn({ err: error, file: this.#file }, 'the lines of replicas could not be written, and are dropped');
    } finally {
      this.#writing = null;
    }
  }
}
