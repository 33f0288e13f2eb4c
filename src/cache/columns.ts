// What is kept of a row, and whose a column is that came back as it went in: the caller's, or the
// model's, which happened to say what was there already. No single row tells; the other answers of
// the version do.

/** Texts of values by their columns. */
type Texts = Readonly<Record<string, string>>;

/** The answer to a key, as it is kept. */
export interface Answer {
  /**
   * Whether every column that was sent came back (true), or which did. Those that are named nowhere
   * else are the caller's.
   */
  readonly handedOn: true | readonly string[];
  /** What the model made or changed, in its order. */
  readonly made: Texts;
  /** What came back as it went in, and is the model's or the caller's. */
  readonly alike: Texts;
  /**
   * Which of `made` were not sent and came back as null: the model may say so, or have filled up a
   * column that other rows had.
   */
  readonly filled: readonly string[];
}

/** Whom a column belongs to, as far as it is known. */
export type Owner = 'model' | 'caller' | 'unclear';

/** What the answers of one version have shown of its columns. */
export class Columns {
  #answers = 0;
  readonly #made = new Set<string>();
  /** How many answers have a column at all. */
  readonly #present = new Map<string, number>();

  learn({ made, alike, filled }: Answer): void {
    this.#answers += 1;
    for (const column of Object.keys(alike)) this.#see(column);
    for (const column of Object.keys(made)) {
      if (filled.includes(column)) continue;
      this.#made.add(column);
      this.#see(column);
    }
  }

  #see(column: string): void {
    this.#present.set(column, (this.#present.get(column) ?? 0) + 1);
  }

  /**
   * The model's where it was ever made or changed; the caller's where some answer is without it,
   * since a model writes its columns in every row.
   */
  ownerOf(column: string): Owner {
    if (this.#made.has(column)) return 'model';
    return (this.#present.get(column) ?? this.#answers) < this.#answers ? 'caller' : 'unclear';
  }
}
