// From the bytes of a stream to its lines.

import { StringDecoder } from 'node:string_decoder';

/** Longest line, in characters: what is longer comes in pieces, so that a program that never ends its line fills no memory. */
const LINE_MAX = 16_384;

/** Cuts a stream into lines, without their ends. */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  add(bytes: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(bytes)).split(/\r?\n/);
    this.#rest = lines.pop()!;
    for (const line of lines) this.#onLine(line);
    while (this.#rest.length > LINE_MAX) {
      const end = isHighSurrogate(this.#rest, LINE_MAX - 1) ? LINE_MAX - 1 : LINE_MAX;
      this.#onLine(this.#rest.slice(0, end));
      this.#rest = this.#rest.slice(end);
    }
  }

  /** The stream is over, or what follows belongs to somebody else: what is left is a line. */
  end(): void {
    const rest = this.#rest + this.#decoder.end();
    this.#rest = '';
    if (rest !== '') this.#onLine(rest);
  }
}

/** Whether a character begins there that takes two units of a text: cut between them, neither half is one. */
const isHighSurrogate = (text: string, at: number): boolean => (text.charCodeAt(at) & 0xfc00) === 0xd800;
