// What openchemlib makes of a SMILES, and which molecules are worth (and safe) to build in three
// dimensions.
import { Molecule } from 'openchemlib';
import type { Body, Vector3 } from './shape.ts';

/**
 * Most heavy atoms that are built.
 * Source: measured — at 51 (erythromycin) openchemlib already holds the thread for 7 s before the
 * first conformer, and no call into it can be stopped. The largest of ESOL's 1,128 molecules has
 * 55.
 */
export const HEAVY_ATOMS_MAX_3D = 60;

/**
 * Most rotatable bonds that are built, as openchemlib counts them.
 * Source: ten conformers say little about a longer chain, and the most flexible of ESOL's has 23.
 */
export const ROTATABLE_BONDS_MAX = 25;

/** A molecule to build, or why it is not built, as a `status`. */
export type Reading = { readonly molecule: Molecule } | { readonly status: string };

/** Parses a SMILES and applies every guard that can be decided before any geometry exists. */
export function readMolecule(smiles: string, masses: AtomicMasses): Reading {
  const molecule = parse(smiles);
  if (molecule === null) return { status: 'error:unparsable' };
  // openchemlib reads `*` and SMARTS as a carbon in a query; such a molecule has no one shape.
  if (molecule.isFragment()) return { status: 'skip:wildcard-atom' };
  molecule.ensureHelperArrays(Molecule.cHelperRings);
  const flaw = atomFlaw(molecule, masses);
  if (flaw !== null) return { status: flaw };
  if (atomsWithHydrogens(molecule) < 2) return { status: 'skip:single-atom' };
  if (molecule.getFragments().length > 1) return { status: 'skip:disconnected' };
  if (molecule.getAtoms() > HEAVY_ATOMS_MAX_3D) return { status: 'skip:too-many-atoms' };
  if (molecule.getRotatableBondCount() > ROTATABLE_BONDS_MAX) return { status: 'skip:too-many-rotatable-bonds' };
  return { molecule };
}

function parse(smiles: string): Molecule | null {
  try {
    // Coordinates for a drawing are invented by default; the conformer generator has no use for
    // them.
    const molecule = Molecule.fromSmiles(smiles, { noCoordinates: true });
    return molecule.getAllAtoms() === 0 ? null : molecule;
  } catch {
    // The parser's message names a position in the text and is the same answer for the caller: this
    // is not a SMILES.
    return null;
  }
}

/**
 * The parser is lenient: five-bonded carbons pass, and an aromatic ring that has no Kekulé form
 * comes out as a radical.
 */
function atomFlaw(molecule: Molecule, masses: AtomicMasses): string | null {
  for (let atom = 0; atom < molecule.getAllAtoms(); atom += 1) {
    if (molecule.getOccupiedValence(atom) > molecule.getMaxValence(atom)) return 'error:valence';
    if (molecule.getAtomRadical(atom) !== 0) return 'skip:radical-or-not-kekulizable';
    if (Number.isNaN(masses.of(molecule, atom))) return 'skip:unknown-isotope';
  }
  return null;
}

function atomsWithHydrogens(molecule: Molecule): number {
  let count = molecule.getAllAtoms();
  for (let atom = 0; atom < molecule.getAllAtoms(); atom += 1) count += molecule.getImplicitHydrogens(atom);
  return count;
}

/**
 * Moves every atom by up to 0.001 Å along each axis, by the same pseudo-random numbers each time.
 *
 * openchemlib builds nitriles, alkynes and CO₂ exactly straight, where its MMFF94 gradient divides
 * by zero: acetonitrile's energy is NaN and carbon dioxide is left 70 kcal/mol above its minimum. A
 * bend too small to see puts both right.
 */
export function nudge(molecule: Molecule): void {
  // Park and Miller's generator, Comm. ACM 31 (1988) 1192: exact in doubles, and good enough to
  // break a symmetry.
  let state = 1;
  const shift = (): number => {
    state = (state * 48_271) % 2_147_483_647;
    return 0.001 * ((2 * state) / 2_147_483_647 - 1);
  };
  for (let atom = 0; atom < molecule.getAllAtoms(); atom += 1) {
    molecule.setAtomX(atom, molecule.getAtomX(atom) + shift());
    molecule.setAtomY(atom, molecule.getAtomY(atom) + shift());
    molecule.setAtomZ(atom, molecule.getAtomZ(atom) + shift());
  }
}

/**
 * Atomic masses in dalton: the standard weight of an element, or the mass of the isotope that the
 * SMILES names.
 *
 * Source: openchemlib's own tables, asked through the formula of a lone atom; its public
 * `cRoundedMass` holds whole numbers only.
 */
export class AtomicMasses {
  readonly #known = new Map<string, number>();

  /** Mass of one atom; NaN where no such isotope is tabulated. */
  of(molecule: Molecule, atom: number): number {
    const label = Molecule.cAtomLabel[molecule.getAtomicNo(atom)] ?? '';
    // 0 stands for the natural mixture; in brackets an atom carries no implicit hydrogens.
    const isotope = molecule.getAtomMass(atom);
    const key = `[${isotope === 0 ? '' : isotope}${label}]`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const mass = Molecule.fromSmiles(key, { noCoordinates: true }).getMolecularFormula().relativeWeight;
    this.#known.set(key, mass);
    return mass;
  }
}

/**
 * The atoms of a built molecule, hydrogens included, as points and masses; null where a coordinate
 * is not a number.
 */
export function bodyOf(molecule: Molecule, masses: AtomicMasses): Body | null {
  const points: Vector3[] = [];
  const weights: number[] = [];
  for (let atom = 0; atom < molecule.getAllAtoms(); atom += 1) {
    points.push([molecule.getAtomX(atom), molecule.getAtomY(atom), molecule.getAtomZ(atom)]);
    weights.push(masses.of(molecule, atom));
  }
  return [...points.flat(), ...weights].every(Number.isFinite) ? { points, masses: weights } : null;
}
