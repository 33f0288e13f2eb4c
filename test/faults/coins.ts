// Chance that can be had again: the same seed throws the same.

import { createHash } from 'node:crypto';

/** Throws of one seed. */
export interface Coins {
  readonly coin: () => boolean;
  /** A whole number from 0 up to, but not including, `below`. */
  readonly number: (below: number) => number;
}

/** Chance by a seed: one digest after the other, each of the one before. */
export function coins(seed: number): Coins {
  let state = createHash('sha256').update(String(seed)).digest();
  let place = 0;
  const byte = (): number => {
    if (place === state.length) {
      state = createHash('sha256').update(state).digest();
      place = 0;
    }
    return state[place++]!;
  };
  const number = (below: number): number => ((byte() << 16) | (byte() << 8) | byte()) % below;
  return { coin: () => (byte() & 1) === 1, number };
}
