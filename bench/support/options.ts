/** How a bench is run. */
export interface BenchOptions {
  /**
   * Smaller numbers and shorter rounds: it shows that the bench works, and a figure that is no more
   * than a hint.
   */
  readonly short: boolean;
}
