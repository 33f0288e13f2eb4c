// A model of the three-dimensional kind: conformers by openchemlib, minimised with MMFF94, and the
// Boltzmann average of their shapes.
import { defineModel, type Row } from 'claimcheck/model';
import { Resources } from 'openchemlib';
import { ConformerSampler, type ForceField, type SamplingLimits, type Stop } from './conformer-sampler.ts';
import { averageShape, distinct, energyRange } from './ensemble.ts';
import { letOthersRun } from './let-others-run.ts';
import { AtomicMasses, readMolecule } from './molecule-3d.ts';
import { SHAPE_NAMES, type Shape } from './shape.ts';
import { smilesOf } from './smiles-column.ts';

/** Limits of one molecule in a served model; its `now` is the process's steady clock. */
export const LIMITS: SamplingLimits = { conformers: 10, attempts: 100, budgetMs: 20_000, now: () => performance.now() };

/** What the model adds to a row; all but `status` are null where the status is not `ok`. */
export type ShapeColumns = {
  readonly status: string;
  readonly force_field: ForceField | null;
  /**
   * Whether the stereoisomer is the one written, or one that was chosen because the SMILES leaves
   * it open.
   */
  readonly stereo: 'as-written' | 'chosen' | null;
  /** Different conformers that were averaged. */
  readonly conformer_count: number | null;
  /** Why sampling stopped; only `time` makes a row depend on the machine's speed. */
  readonly conformer_stop: Stop | null;
  /**
   * Highest less lowest energy of the averaged conformers, kcal/mol; null without a force field.
   */
  readonly energy_range: number | null;
} & { readonly [Name in keyof Shape]: number | null };

/** SMILES in the column `smiles`; out come the columns of `ShapeColumns`. */
export const model = defineModel({
  load() {
    Resources.registerFromNodejs(); // Torsion statistics and force-field tables, read from the package's own folder.
    return new AtomicMasses();
  },
  async predict(rows, { model: masses, signal }) {
    const answers: Row[] = [];
    for (const row of rows) answers.push({ ...row, ...(await shapeColumns(row, masses, { signal, limits: LIMITS })) });
    return answers;
  },
});

/** What bounds the work on one row. */
export interface RowBounds {
  readonly signal: AbortSignal;
  readonly limits: SamplingLimits;
}

/**
 * The columns for one row. Rejects only when the signal is aborted: what is wrong with a
 * molecule becomes its status.
 */
export async function shapeColumns(
  row: Row,
  masses: AtomicMasses,
  { signal, limits }: RowBounds,
): Promise<ShapeColumns> {
  await letOthersRun(signal);
  const cell = smilesOf(row);
  if ('status' in cell) return withoutShape(cell.status);
  const start = attempt(() => readMolecule(cell.smiles, masses));
  if ('status' in start) return withoutShape(start.status);
  const written = start.molecule.toIsomericSmiles();

  const sampler = new ConformerSampler(start.molecule, masses, limits);
  for (;;) {
    const step = attempt(() => ({ progress: sampler.step() }));
    if ('status' in step) return withoutShape(step.status);
    if (step.progress === 'done') return summary(sampler, written);
    await letOthersRun(signal);
  }
}

/**
 * Runs a call into openchemlib, whose compiled Java throws Errors of any kind on odd molecules;
 * they become a status, never the batch's end.
 */
function attempt<Answer>(call: () => Answer): Answer | { readonly status: string } {
  try {
    return call();
  } catch (error) {
    // `Class$S19: message`: the class is an artefact of compilation.
    const message = error instanceof Error ? error.message.replace(/^Class\$\w+:\s*/, '') : String(error);
    return { status: `error:openchemlib:${message.slice(0, 100)}` };
  }
}

function summary(sampler: ConformerSampler, written: string): ShapeColumns {
  const conformers = distinct(sampler.conformers);
  if (conformers.length === 0) {
    return withoutShape(sampler.notMinimised > 0 ? 'error:not-minimised' : 'error:no-conformer');
  }
  return {
    status: 'ok',
    force_field: sampler.forceField,
    stereo: sampler.isomer === written ? 'as-written' : 'chosen',
    conformer_count: conformers.length,
    conformer_stop: sampler.stop,
    energy_range: energyRange(conformers),
    ...averageShape(conformers),
  };
}

function withoutShape(status: string): ShapeColumns {
  const none = Object.fromEntries(SHAPE_NAMES.map((name) => [name, null])) as Record<keyof Shape, null>;
  return {
    status,
    force_field: null,
    stereo: null,
    conformer_count: null,
    conformer_stop: null,
    energy_range: null,
    ...none,
  };
}
