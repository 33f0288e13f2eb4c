// Work that must not overlap: piece by piece, in the order in which it was asked for.

/** See the head of this file. */
export class Sequence {
  #last: Promise<unknown> = Promise.resolve();

  /** Does it once everything that was asked for before is over, with any outcome. */
  run<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    // Who asked hears of a failure; those behind only wait for its end.
    this.#last = result.catch(() => {});
    return result;
  }

  /** Resolves when everything that was asked for until now is over. */
  async over(): Promise<void> {
    await this.#last;
  }
}
