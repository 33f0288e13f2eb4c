// The last lines that a replica printed, for the message when it does not start or crashes.

const BYTES_MAX = 4_096;
const LINES_MAX = 8;

/** Keeps the end of what a process prints, and nothing more, however much it prints. */
export class OutputTail {
  #tail = Buffer.alloc(0);

  add(bytes: Buffer): void {
    this.#tail = Buffer.concat([this.#tail, bytes]).subarray(-BYTES_MAX);
  }

  /** The last lines as the end of a sentence; empty when nothing was printed. */
  quote(): string {
    const lines = this.#lines(LINES_MAX);
    return lines[0] === '' ? '' : ` Its last lines:\n${lines.join('\n')}`;
  }

  /** The last lines as one; empty when nothing was printed. */
  last(count: number): string {
    return this.#lines(count).join(' ');
  }

  #lines(count: number): string[] {
    return this.#tail.toString('utf8').trim().split('\n').slice(-count);
  }
}
