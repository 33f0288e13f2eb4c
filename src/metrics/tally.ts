// Numbers that are added to on the path of every run and read when somebody scrapes: a look-up by
// each label and an addition, and nothing for the collector once a combination of labels has been
// seen. prom-client's own counters make an object and a text with every increment.

/**
 * Something for every combination of up to three labels. The caller keeps the labels' values few:
 * none is ever forgotten.
 */
export class Family<Cell> {
  readonly #make: () => Cell;
  readonly #cells = new Map<string, Map<string, Map<string, Cell>>>();

  constructor(make: () => Cell) {
    this.#make = make;
  }

  /** The cell of a combination. */
  at(first: string, second = '', third = ''): Cell {
    let bySecond = this.#cells.get(first);
    if (bySecond === undefined) this.#cells.set(first, (bySecond = new Map()));
    let byThird = bySecond.get(second);
    if (byThird === undefined) bySecond.set(second, (byThird = new Map()));
    let cell = byThird.get(third);
    if (cell === undefined) byThird.set(third, (cell = this.#make()));
    return cell;
  }

  /** Every combination there was, with its cell. */
  *entries(): Generator<readonly [values: readonly [string, string, string], cell: Cell]> {
    for (const [first, bySecond] of this.#cells)
      for (const [second, byThird] of bySecond)
        for (const [third, cell] of byThird) yield [[first, second, third], cell];
  }
}

/** How often something has happened. */
export class Count {
  value = 0;
}

/** How large something was each time: how often it was at most each of some bounds, and the sum. */
export class Distribution {
  /** Upper bounds, rising; values above the last are counted as well. */
  readonly bounds: readonly number[];
  /**
   * How many fell between each bound and the one before it; the last are those above all of them.
   */
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(size: number): void {
    let place = 0;
    while (place < this.bounds.length && size > this.bounds[place]!) place += 1;
    this.#counts[place]! += 1;
    this.#sum += size;
  }

  get sum(): number {
    return this.#sum;
  }

  /** For each bound, and then for none, how many were at most that large. */
  cumulative(): number[] {
    let total = 0;
    return Array.from(this.#counts, (count) => (total += count));
  }
}
