// From several conformers to one set of numbers: which of them are really different, how much each
// weighs, and their mean.
import { SHAPE_NAMES, type Shape } from './shape.ts';

/** One geometry of a molecule. */
export interface Conformer {
  /** Force-field energy in kcal/mol; null where the force field does not cover the molecule. */
  readonly energy: number | null;
  readonly shape: Shape;
}

/** The gas constant in kcal/(mol·K): 8.314462618 J/(mol·K), CODATA 2018, by 4184 J/kcal. */
const GAS_CONSTANT = 8.314462618 / 4184;

/** Temperature of the average, in kelvin: 25 °C. */
const TEMPERATURE = 298.15;

/**
 * Energies closer than this (kcal/mol) can be one minimum. Source: openchemlib's minimiser finds
 * decane's minima again within 0.0001.
 */
const SAME_ENERGY = 0.001;

/** Moments of inertia closer than this part of themselves can be one geometry. */
const SAME_MOMENT = 0.005;

/**
 * Leaves one of each group of conformers that have the same energy and the same moments.
 *
 * Different starting torsions often end in one minimum; counted twice, it would weigh twice. Mirror
 * images fall together too: they have the same shape, and whether the sampler met one or both is
 * chance.
 */
export function distinct(conformers: readonly Conformer[]): Conformer[] {
  const kept: Conformer[] = [];
  for (const conformer of conformers) {
    if (!kept.some((other) => sameGeometry(other, conformer))) kept.push(conformer);
  }
  return kept;
}

function sameGeometry(a: Conformer, b: Conformer): boolean {
  const apart = Math.abs((a.energy ?? 0) - (b.energy ?? 0));
  return (
    apart < SAME_ENERGY && (['pmi1', 'pmi2', 'pmi3'] as const).every((name) => close(a.shape[name], b.shape[name]))
  );
}

function close(a: number, b: number): boolean {
  return Math.abs(a - b) <= SAME_MOMENT * Math.max(Math.abs(a), Math.abs(b));
}

/**
 * Boltzmann weights at 298.15 K of energies in kcal/mol; they add up to 1.
 *
 * Where any energy is unknown all weigh the same.
 */
export function boltzmannWeights(energies: readonly (number | null)[]): number[] {
  const known = energies.filter((energy) => energy !== null);
  if (known.length < energies.length) return energies.map(() => 1 / energies.length);
  // Measured from the lowest, so that the largest factor is 1 and nothing overflows.
  const lowest = Math.min(...known);
  const factors = known.map((energy) => Math.exp((lowest - energy) / (GAS_CONSTANT * TEMPERATURE)));
  const total = factors.reduce((left, right) => left + right, 0);
  return factors.map((factor) => factor / total);
}

/**
 * The weighted mean of every descriptor: ⟨npr1⟩ is the mean of the ratio, not the ratio of the
 * means. At least one conformer.
 */
export function averageShape(conformers: readonly Conformer[]): Shape {
  const weights = boltzmannWeights(conformers.map((conformer) => conformer.energy));
  const mean = (name: keyof Shape): number =>
    conformers.reduce((total, conformer, index) => total + (weights[index] ?? 0) * conformer.shape[name], 0);
  return Object.fromEntries(SHAPE_NAMES.map((name) => [name, mean(name)])) as Record<keyof Shape, number>;
}

/** Highest less lowest energy, kcal/mol; null where any is unknown. */
export function energyRange(conformers: readonly Conformer[]): number | null {
  const energies = conformers.map((conformer) => conformer.energy).filter((energy) => energy !== null);
  if (energies.length === 0 || energies.length < conformers.length) return null;
  return Math.max(...energies) - Math.min(...energies);
}
