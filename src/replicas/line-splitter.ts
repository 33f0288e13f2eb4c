// From the bytes of a stream to its lines, as a terminal would leave them.

import { StringDecoder } from 'node:string_decoder';
import { type Clock } from '../system/clock.ts';
import { elapsed, type Moment, seconds } from '../domain/time.ts';

/**
 * Longest line, in characters: what is longer comes in pieces, so that a program that never ends
 * its line fills no memory.
 */
const LINE_MAX = 16_384;
/** How often a line that has no end yet is shown as it stands: a progress bar, or a row of dots. */
const STATE_EVERY = seconds(1);

/**
 * Cuts a stream into lines, without their ends. Of what was written over, as a progress bar is with
 * `\r`, the last state is the line.
 */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #clock: Clock;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';
  #openSince: Moment | null = null;
  /** Whether a part of the line has been shown. */
  #isShown = false;

  constructor(onLine: (line: string) => void, clock: Clock) {
    this.#onLine = onLine;
    this.#clock = clock;
  }

  add(bytes: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(bytes)).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) this.#end(line);
    this.#rest = this.#rest.slice(stateStart(this.#rest));
    while (this.#rest.length > LINE_MAX) {
      const end = isHighSurrogate(this.#rest, LINE_MAX - 1) ? LINE_MAX - 1 : LINE_MAX;
      this.#onLine(this.#rest.slice(0, end));
      this.#rest = this.#rest.slice(end);
    }
    if (this.#rest !== '') this.#showState();
  }

  /** The stream is over, or what follows belongs to somebody else: what is left is a line. */
  end(): void {
    const rest = this.#rest + this.#decoder.end();
    this.#rest = '';
    if (rest !== '') this.#end(rest);
    this.#isShown = false;
  }

  #end(line: string): void {
    const state = stateOf(line);
    if (state !== '' || !this.#isShown) this.#onLine(state);
    this.#isShown = false;
    this.#openSince = null;
  }

  #showState(): void {
    const now = this.#clock.steady();
    this.#openSince ??= now;
    if (elapsed(this.#openSince, now) < STATE_EVERY) return;
    this.#onLine(stateOf(this.#rest));
    this.#rest = '';
    this.#openSince = null;
    this.#isShown = true;
  }
}

/**
 * Whether a character begins there that takes two units of a text: cut between them, neither half
 * is one.
 */
const isHighSurrogate = (text: string, at: number): boolean => (text.charCodeAt(at) & 0xfc00) === 0xd800;

/** Where the last state of a line begins; carriage returns at its end write over nothing yet. */
function stateStart(line: string): number {
  let end = line.length;
  while (end > 0 && line[end - 1] === '\r') end -= 1;
  return end === 0 ? 0 : line.lastIndexOf('\r', end - 1) + 1;
}

const stateOf = (line: string): string => line.slice(stateStart(line)).replace(/\r+$/, '');
