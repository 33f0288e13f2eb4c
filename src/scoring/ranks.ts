// Ranks of numbers, on which a rank correlation and the area under a ROC curve rest.

/**
 * The rank of each value, 1 for the smallest; values that are equal share the mean of their ranks.
 */
export function averageRanks(values: readonly number[]): Float64Array {
  const order = Uint32Array.from(values.keys()).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Float64Array(values.length);
  for (let start = 0; start < order.length;) {
    let end = start + 1;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end += 1;
    // Ranks start + 1 to end, whose mean this is.
    for (let at = start; at < end; at += 1) ranks[order[at]!] = (start + 1 + end) / 2;
    start = end;
  }
  return ranks;
}
