// One molecule's conformers, one at a time: generate, check that it is the same stereoisomer,
// minimise, measure.
import { ConformerGenerator, ForceFieldMMFF94, type Molecule } from 'openchemlib';
import type { Conformer } from './ensemble.ts';
import { type AtomicMasses, bodyOf, nudge } from './molecule-3d.ts';
import { shapeOf } from './shape.ts';

/** When to stop sampling one molecule. */
export interface SamplingLimits {
  /** Conformers kept before distinct ones are counted. */
  readonly conformers: number;
  /**
   * Geometries asked of the generator, kept or not: wrong stereoisomers are cheap, but there may be
   * many.
   */
  readonly attempts: number;
  /**
   * Time for one molecule, in milliseconds; looked at between conformers, so the last one may
   * overrun it.
   */
  readonly budgetMs: number;
  /** A steady clock in milliseconds, such as `performance.now`. */
  readonly now: () => number;
}

/**
 * Why sampling stopped: nothing left to generate, enough conformers, too many attempts, or no time
 * left.
 */
export type Stop = 'exhausted' | 'count' | 'attempts' | 'time';

/**
 * How the energies came about; `none` where MMFF94 has no type for some atom (boron, most metals)
 * and geometries are as generated.
 */
export type ForceField = 'MMFF94' | 'none';

/**
 * The generator's seed: with it fixed, a molecule gets the same conformers in every process and in
 * any company.
 */
const SEED = 42;

/**
 * Torsion combinations that the generator may try in all; its default of 100,000 can take minutes
 * on a crowded molecule.
 */
const TORSION_SETS_MAX = 1_000;

/**
 * Minimiser steps for one conformer. Source: openchemlib's default; on ESOL nearly all converge
 * within it.
 */
const MINIMISER_STEPS_MAX = 4_000;

/**
 * Samples the conformers of one molecule. Call `step` until it says `done`; each call computes for
 * as long as one conformer takes.
 */
export class ConformerSampler {
  readonly #molecule: Molecule;
  readonly #masses: AtomicMasses;
  readonly #limits: SamplingLimits;
  readonly #started: number;
  readonly #conformers: Conformer[] = [];
  #generator: ConformerGenerator | null = null;
  #isomer: string | null = null;
  #attempts = 0;
  #notMinimised = 0;
  #forceField: ForceField = 'MMFF94';
  #stop: Stop | null = null;

  constructor(molecule: Molecule, masses: AtomicMasses, limits: SamplingLimits) {
    this.#molecule = molecule;
    this.#masses = masses;
    this.#limits = limits;
    this.#started = limits.now();
  }

  get conformers(): readonly Conformer[] {
    return this.#conformers;
  }

  get forceField(): ForceField {
    return this.#forceField;
  }

  /** Null while `step` has more to do. */
  get stop(): Stop | null {
    return this.#stop;
  }

  /** Geometries left out because the minimiser did not reach a minimum from them. */
  get notMinimised(): number {
    return this.#notMinimised;
  }

  /**
   * The isomeric SMILES of the one stereoisomer that was sampled; null before the first geometry.
   */
  get isomer(): string | null {
    return this.#isomer;
  }

  /** Adds at most one conformer. */
  step(): 'more' | 'done' {
    this.#stop = this.#limitReached();
    if (this.#stop !== null) return 'done';
    const geometry = this.#next();
    if (geometry === null) {
      this.#stop = 'exhausted';
      return 'done';
    }
    if (this.#sameIsomer(geometry)) this.#keep(geometry);
    return 'more';
  }

  #limitReached(): Stop | null {
    if (this.#conformers.length >= this.#limits.conformers) return 'count';
    if (this.#attempts >= this.#limits.attempts) return 'attempts';
    // At least one conformer is tried however little time there is, so that a row's status never
    // depends on the clock alone.
    if (this.#attempts > 0 && this.#limits.now() - this.#started >= this.#limits.budgetMs) return 'time';
    return null;
  }

  #next(): Molecule | null {
    this.#attempts += 1;
    this.#generator ??= this.#initialise();
    return this.#generator.getNextConformerAsMolecule();
  }

  #initialise(): ConformerGenerator {
    const generator = new ConformerGenerator(SEED);
    const strategy = ConformerGenerator.STRATEGY_ADAPTIVE_RANDOM;
    if (!generator.initializeConformers(this.#molecule, { strategy, maxTorsionSets: TORSION_SETS_MAX })) {
      throw new Error('The conformer generator refused the structure.');
    }
    return generator;
  }

  /**
   * Where a SMILES leaves stereocentres open, ring systems come out in several configurations.
   * Those are other molecules, not other conformers: the first one met is sampled and the rest left
   * out.
   */
  #sameIsomer(geometry: Molecule): boolean {
    // On a copy, because writing a SMILES rearranges the hydrogens of the molecule that it is asked
    // of.
    const isomer = geometry.getCompactCopy().toIsomericSmiles();
    this.#isomer ??= isomer;
    return this.#isomer === isomer;
  }

  #keep(geometry: Molecule): void {
    const energy = this.#minimise(geometry);
    const body = bodyOf(geometry, this.#masses);
    const shape = body === null ? null : shapeOf(body);
    if (shape === null || Number.isNaN(energy)) this.#notMinimised += 1;
    else this.#conformers.push({ energy, shape });
  }

  /**
   * Minimises in place and answers the energy in kcal/mol, NaN where the minimiser lost its way,
   * null where there is no force field.
   */
  #minimise(geometry: Molecule): number | null {
    nudge(geometry);
    const field = this.#forceField === 'MMFF94' ? forceFieldOf(geometry) : null;
    if (field === null) {
      this.#forceField = 'none';
      return null;
    }
    // 0 is success; 1 means out of steps, and 2 a gradient that leads nowhere, which can leave a
    // finite but meaningless energy.
    return field.minimise({ maxIts: MINIMISER_STEPS_MAX }) === 0 ? field.getTotalEnergy() : Number.NaN;
  }
}

/** Null where MMFF94 has no type for an atom; any other failure is thrown on. */
function forceFieldOf(geometry: Molecule): ForceFieldMMFF94 | null {
  try {
    return new ForceFieldMMFF94(geometry, ForceFieldMMFF94.MMFF94);
  } catch (error) {
    if (error instanceof Error && error.message.includes("Couldn't assign an atom type")) return null;
    throw error;
  }
}
