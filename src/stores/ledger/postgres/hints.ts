// What servers tell each other, so that they need not ask all the time: a run was queued, a run has
// ended. Hints are gathered and sent after the commit, on a connection that does nothing else: a
// NOTIFY within a transaction makes every commit of the database wait for the one before it. They
// may come late or never, and nothing that goes wrong here is anybody's error.

import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { RunId } from '../../../domain/ids.ts';
import { type Backoff, pauseOf } from '../../../domain/backoff.ts';
import { milliseconds, seconds } from '../../../domain/time.ts';
import type { Hint } from '../ledger.ts';
import { placeOf } from '../../postgres/errors.ts';
import { folderName } from './identity.ts';

/** How the hints' connection is made and watched. */
export interface HintOptions {
  /** Told once, in a sentence, where what servers tell each other does not get through. */
  readonly onCaution: (caution: string) => void;
  /**
   * What tells the data folder of this server from any other, as hexadecimal digits; null where it
   * has none.
   */
  readonly folder: string | null;
}

/** What travels: whose hints they are, since Postgres tells them to their sender as well. */
interface Message {
  readonly from: string;
  readonly hints: readonly Hint[];
}

const CHANNEL = 'claimcheck_hints';
// Whether a hint outlives a power cut is all the same, so sending one waits for no disk.
const LISTEN = `SET synchronous_commit = off; LISTEN ${CHANNEL}`;
const SEND = `SELECT pg_notify('${CHANNEL}', message) FROM unnest($1::text[]) message`;

/** Pause between two messages. */
const PAUSE = milliseconds(20);
const RECONNECTS: Backoff = { first: milliseconds(100), max: seconds(10) };
/** How long the first message of all, to itself, may take. */
const SELF_TEST = seconds(5);
/** How long to wait for Postgres in anything that is done here. */
const TIMEOUT = seconds(5);
/** Postgres takes less than 8,000 bytes in a message. */
const MESSAGE_BYTES_MAX = 7_900;

/** Sends and hears hints. */
export class Hints {
  readonly #driver: typeof pg;
  readonly #url: string;
  readonly #onCaution: (caution: string) => void;
  readonly #folder: string | null;
  readonly #origin = randomUUID();
  readonly #listeners: ((hint: Hint) => void)[] = [];
  /** What is to be sent, without what would say the same twice. */
  readonly #gathered = new Map<string, Hint>();
  #client: pg.Client | null = null;
  #timer: NodeJS.Timeout | null = null;
  #selfTest: NodeJS.Timeout | null = null;
  #sending: Promise<void> | null = null;
  #closed = false;

  constructor(driver: typeof pg, url: string, { onCaution, folder }: HintOptions) {
    this.#driver = driver;
    this.#url = url;
    this.#onCaution = onCaution;
    this.#folder = folder;
  }

  /** Runs of this endpoint can be claimed. */
  queued(endpoint: string): void {
    this.#gather(endpoint, { kind: 'queued', endpoint });
  }

  /** A run has ended. */
  ended(runId: RunId, parentId: RunId | null): void {
    this.#gather(runId, { kind: 'ended', runId, parentId });
  }

  /** Calls `listener` with the hints of other servers. */
  listen(listener: (hint: Hint) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Connects, or goes on trying without the caller.
   *
   * @param send runs a statement on another connection: what a pooler does not pass on would still
   *   reach the one it was sent on
   */
  async open(send: (text: string, values: readonly unknown[]) => Promise<unknown>): Promise<void> {
    this.#selfTest = setTimeout(() => this.#warn(), SELF_TEST);
    this.#selfTest.unref();
    await this.#connect(0);
    if (this.#client !== null) await send(SEND, [[this.#textOf([])]]).catch(() => {});
  }

  /** Sends what is gathered, then disconnects. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of [this.#timer, this.#selfTest]) if (timer !== null) clearTimeout(timer);
    await this.#sending;
    await this.#send();
    const client = this.#client;
    this.#client = null;
    await client?.end().catch(() => {});
  }

  /** @param failures connections in a row that could not be made before this one */
  async #connect(failures: number): Promise<void> {
    if (this.#closed) return;
    const client = new this.#driver.Client({
      connectionString: this.#url,
      fallback_application_name: 'claimcheck',
      keepAlive: true,
      connectionTimeoutMillis: TIMEOUT,
      query_timeout: TIMEOUT,
    });
    // After an error comes the end; an 'error' event that nobody hears would end the process.
    client.on('error', () => {});
    client.on('notification', ({ payload }) => this.#hear(payload ?? ''));
    try {
      await client.connect();
      await client.query(LISTEN);
      // Seen in pg_stat_activity for as long as this server lives, and no longer.
      if (this.#folder !== null)
        await client.query(`SET application_name = ${client.escapeLiteral(folderName(this.#folder))}`);
    } catch {
      await client.end().catch(() => {});
      return this.#connectLater(failures);
    }
    if (this.#closed) return client.end();
    this.#client = client;
    client.on('end', () => {
      if (this.#client !== client) return;
      this.#client = null;
      this.#connectLater(0);
    });
  }

  #connectLater(failures: number): void {
    setTimeout(() => void this.#connect(failures + 1), pauseOf(RECONNECTS, failures)).unref();
  }

  #gather(key: string, hint: Hint): void {
    if (this.#client === null) return;
    this.#gathered.set(key, hint);
    this.#timer ??= setTimeout(() => {
      this.#sending = this.#send().then(() => {
        this.#sending = null;
        this.#timer = null;
        const [first] = this.#gathered;
        if (first !== undefined && !this.#closed) this.#gather(...first);
      });
    }, PAUSE).unref();
  }

  async #send(): Promise<void> {
    const hints = [...this.#gathered.values()];
    this.#gathered.clear();
    if (hints.length > 0) await this.#client?.query(SEND, [this.#messages(hints)]).catch(() => {});
  }

  /** As few messages as the hints fit into. */
  #messages(hints: readonly Hint[]): string[] {
    const messages: Hint[][] = [];
    let bytes = MESSAGE_BYTES_MAX;
    for (const hint of hints) {
      const more = Buffer.byteLength(JSON.stringify(hint)) + 1;
      if (bytes + more > MESSAGE_BYTES_MAX) {
        messages.push([]);
        bytes = Buffer.byteLength(this.#textOf([]));
      }
      messages.at(-1)!.push(hint);
      bytes += more;
    }
    return messages.map((part) => this.#textOf(part));
  }

  #textOf(hints: readonly Hint[]): string {
    return JSON.stringify({ from: this.#origin, hints } satisfies Message);
  }

  #hear(payload: string): void {
    const message = messageIn(payload);
    if (message === null) return;
    if (this.#selfTest !== null) clearTimeout(this.#selfTest);
    if (message.from === this.#origin) return;
    for (const hint of message.hints) for (const listener of this.#listeners) listener(hint);
  }

  #warn(): void {
    this.#onCaution(
      `What servers tell each other does not get through Postgres at ${placeOf(this.#url)} (a pooler in transaction mode keeps it, for one). ` +
        'Runs wait until a server asks for them: name the database itself in the URL, not its pooler.',
    );
  }
}

/** Reads a message; null for what somebody else has sent, since anybody may use the channel. */
function messageIn(payload: string): Message | null {
  try {
    const { from, hints } = JSON.parse(payload) as Partial<Message>;
    return from === undefined || !Array.isArray(hints) ? null : { from, hints: hints as readonly Hint[] };
  } catch {
    return null;
  }
}
