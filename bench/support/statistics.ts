// The few statistics that the benches print.

/** The middle of an odd number of values; the upper of the two middles of an even number. */
export const median = (values: readonly number[]): number => percentile(values, 0.5);

/** The value that a share of all values lies below: 0.99 for p99. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}
