import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ModelContext, Row, RowModel } from 'claimcheck/model';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../src/index.ts';
import { decodeRows } from '../../src/table/rows.ts';
import { serviceForTest } from '../../test/support/service.ts';
import { AtomicMasses } from './models/molecule-3d.ts';
import { model as model2d } from './models/smiles-to-2d.ts';
import { LIMITS, model as model3d, type ShapeColumns, shapeColumns } from './models/smiles-to-3d.ts';

const run = { id: 'run_test', attempt: 1, deadline: null, metadata: {} };

/** Loads a model once, and answers what predicts with it. */
async function loaded<Loaded>(model: RowModel<Loaded>): Promise<(rows: Row[], signal?: AbortSignal) => Promise<Row[]>> {
  const context = { model: (await model.load?.()) as Loaded, state: undefined, run, progress: () => {}, log: () => {} };
  return async (rows, signal = new AbortController().signal) =>
    model.predict(rows, { ...context, signal } satisfies ModelContext<Loaded>);
}

function esol(): Row[] {
  return decodeRows(readFileSync(new URL('data/esol-delaney.csv', import.meta.url)), 'csv');
}

function reference<Compound>(file: string): Compound[] {
  const text = readFileSync(new URL(`data/${file}`, import.meta.url), 'utf8');
  return (JSON.parse(text) as { compounds: Compound[] }).compounds;
}

/** Everything in a table that is a number but not a finite one. */
function notFinite(rows: readonly Row[]): unknown[] {
  return rows
    .flatMap((row) => Object.values(row))
    .filter((value) => typeof value === 'number' && !Number.isFinite(value));
}

describe('smiles-to-2d', () => {
  let predict: Awaited<ReturnType<typeof loaded>>;
  let table: Row[];
  beforeAll(async () => {
    predict = await loaded(model2d);
    table = await predict(esol());
  });

  test('describes every molecule of ESOL, in its order and with its own columns first', () => {
    const input = esol();
    expect(input).toHaveLength(1_128);
    expect(table).toHaveLength(1_128);
    expect(table.map((row) => row['status'])).toEqual(input.map(() => 'ok'));
    expect(table.map((row) => row['smiles'])).toEqual(input.map((row) => row['smiles']));
    expect(Object.keys(table[0] ?? {}).slice(0, 11)).toEqual([...Object.keys(input[0] ?? {}), 'status']);
  });

  test.each([
    ['Molecular Weight', 'amw'],
    ['Polar Surface Area', 'tpsa'],
    ['Number of H-Bond Donors', 'NumHBD'],
    ['Number of Rings', 'NumRings'],
    ['Number of Rotatable Bonds', 'NumRotatableBonds'],
  ])('agrees with the column %s of ESOL on every molecule', (column, descriptor) => {
    const different = table
      .map((row) => ({ smiles: row['smiles'], theirs: Number(row[column]), ours: row[descriptor] as number }))
      .filter(({ theirs, ours }) => !(Math.abs(theirs - ours) <= 1e-9));
    expect(different).toEqual([]);
  });

  test('finds the column in upper or lower case, and does not mind blanks around the SMILES', async () => {
    const [row] = await predict([{ id: '007', SMILES: ' CCO ' }]);
    expect(row).toMatchObject({ id: '007', SMILES: ' CCO ', status: 'ok', amw: 46.069 });
  });

  test('a molecule that cannot be read costs its own row only', async () => {
    const rows = await predict([
      { smiles: 'CCO' },
      { smiles: 'THIS_IS_NOT_VALID_SMILES' },
      { smiles: '' },
      { smiles: null },
      { smiles: 'c1cccc1' },
      { smiles: 12 },
      { molecule: 'CCO' },
      { smiles: 'C'.repeat(1_001) },
      { smiles: 'C'.repeat(401) },
      { smiles: 'OCC' },
    ]);
    expect(rows.map((row) => row['status'])).toEqual([
      'ok',
      'error:unparsable',
      'skip:empty',
      'skip:empty',
      'error:unparsable',
      'skip:not-text',
      'skip:no-smiles-column',
      'skip:too-long',
      'skip:too-many-atoms',
      'ok',
    ]);
  });

  test('a molecule that crashes the WebAssembly instance does not spoil the rows after it', async () => {
    // A chain of a thousand carbons overflows RDKit's stack while it parses (rdkit/rdkit#9115), and
    // leaves the instance unusable.
    const [before, crash, after] = await predict([{ smiles: 'CCO' }, { smiles: 'C'.repeat(1_000) }, { smiles: 'CCO' }]);
    expect(crash?.['status']).toBe('error:rdkit-crashed');
    expect(after).toEqual(before);
  });

  test('every row has the same 43 descriptors in the same order, null where there is no molecule, never NaN', async () => {
    const odd = ['', 'x', '[H][H]', '[H+]', '*', '[He]', '[2H]', '[999C]', '[Na+].[Cl-]', 'CCO a name'];
    const rows = await predict(odd.map((smiles) => ({ smiles })));
    const columns = Object.keys(rows[0] ?? {});
    expect(columns).toHaveLength(2 + 43);
    for (const row of rows) expect(Object.keys(row)).toEqual(columns);
    expect(Object.values(rows[1] ?? {}).slice(2)).toEqual(Array.from({ length: 43 }, () => null));
    expect(notFinite([...rows, ...table])).toEqual([]);
  });

  test('a cancelled run stops between rows with the reason it was given', async () => {
    const controller = new AbortController();
    const answer = predict(esol(), controller.signal);
    controller.abort(new Error('cancelled by its owner'));
    await expect(answer).rejects.toThrow('cancelled by its owner');
  });
});

test('the 2D model as a program gives the same bytes as the model file, for every 20th molecule of ESOL and for what is none', async () => {
  const inHere = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  const { post } = await serviceForTest({
    endpoints: {
      file: { model: inHere('models/smiles-to-2d.ts'), batchSize: 25 },
      program: { model: [process.execPath, inHere('serve.ts')], batchSize: 25 },
    },
  });
  const odd = ['', 'THIS_IS_NOT_VALID_SMILES', '[Na+].[Cl-]', '[2H]', 'C'.repeat(401)].map((smiles) => ({ smiles }));
  const asked = [...esol().filter((_, position) => position % 20 === 0), ...odd];
  expect(asked).toHaveLength(57 + 5);
  const answers = await Promise.all(
    ['file', 'program'].map((endpoint) =>
      post(`/endpoints/${endpoint}/invoke`, { input: asked, batch: true }, { accept: 'application/json' }),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  const [file, program] = answers;
  expect((file!.json.outputs as Row[]).filter((row) => row['status'] === 'ok')).toHaveLength(57 + 2);
  const table = (text: string): string => text.slice(text.indexOf('"outputs":'));
  expect(table(program!.text)).toBe(table(file!.text));
});

/**
 * Where the file of corner cases expects another pipeline's quirk we say what is so: that pipeline
 * blanks everything that its first step rejects, so that an unreadable and an overlong SMILES both
 * arrive as empty ones.
 */
const OURS: Readonly<Record<string, string>> = { invalid_parse: 'error:unparsable', too_long: 'skip:too-long' };

/** A compound of any of the reference files, as far as our guards have a say in its outcome. */
interface ReferenceCompound {
  readonly name: string;
  readonly smiles?: string;
  readonly input_smiles?: string;
  readonly expected_status?: string;
  readonly expected_salt?: string | null;
  readonly expected_undefined_chiral_centers?: number;
}

/**
 * What 3D makes of it: no salt is stripped here, so one is skipped; a centre that nobody wrote down
 * is chosen.
 */
function outcomeExpected({ name, ...compound }: ReferenceCompound): { status: string; stereo?: unknown } {
  if (compound.expected_status !== undefined) return { status: OURS[name] ?? compound.expected_status };
  if (typeof compound.expected_salt === 'string') return { status: 'skip:disconnected' };
  const centres = compound.expected_undefined_chiral_centers;
  return centres === undefined ? { status: 'ok' } : { status: 'ok', stereo: centres > 0 ? 'chosen' : 'as-written' };
}

interface ReferenceShape {
  name: string;
  smiles: string;
  shape_class: 'rod' | 'disc' | 'sphere' | '';
  npr1_min?: number;
  npr1_max?: number;
  npr2_min?: number;
  npr2_max?: number;
}

describe('smiles-to-3d', () => {
  const signal = new AbortController().signal;
  const compounds = reference<ReferenceShape>('reference-3d.json');
  const files = ['reference-3d.json', 'reference-corner_cases.json', 'reference-standardization.json'];
  const everyCompound = files.flatMap((file) => reference<ReferenceCompound>(file));
  const asked = everyCompound.map(({ name, smiles, input_smiles }) => ({ name, smiles: smiles ?? input_smiles! }));
  let predict: Awaited<ReturnType<typeof loaded>>;
  /** What a server answers for all of them as one batch. */
  let answered: Row[];
  let table: Map<string, Row>;

  beforeAll(async () => {
    predict = await loaded(model3d);
    const path = fileURLToPath(new URL('models/smiles-to-3d.ts', import.meta.url));
    const { url } = await serviceForTest(
      {
        endpoints: {
          'smiles-to-3d': { model: path, mode: 'async', batchSize: 1, features: ['smiles'], replicas: { max: 2 } },
        },
      },
      afterAll,
    );
    answered = await connect({ url }).endpoint('smiles-to-3d').inference(asked);
    table = new Map(answered.slice(0, compounds.length).map((row) => [String(row['name']), row]));
  });

  test('answers all reference compounds as one batch, each with its expected outcome at its place', () => {
    expect(everyCompound).toHaveLength(22 + 6 + 14);
    expect(answered.map((row) => row['name'])).toEqual(asked.map(({ name }) => name));
    for (const [k, row] of answered.entries()) expect(row).toMatchObject(outcomeExpected(everyCompound[k]!));
    expect(notFinite(answered)).toEqual([]);
  });

  const value = (name: string, column: keyof ShapeColumns): number => {
    const cell = table.get(name)?.[column];
    if (typeof cell !== 'number') throw new Error(`No ${column} for ${name}.`);
    return cell;
  };

  test('builds all reference compounds, with MMFF94', () => {
    expect([...table.values()].map((row) => [row['name'], row['status'], row['force_field']])).toEqual(
      compounds.map(({ name }) => [name, 'ok', 'MMFF94']),
    );
  });

  test.each(compounds.filter((compound) => compound.npr1_min !== undefined))(
    '$name falls in its range of npr1 and npr2',
    (compound) => {
      const [npr1, npr2] = [value(compound.name, 'npr1'), value(compound.name, 'npr2')];
      expect(npr1).toBeGreaterThanOrEqual(compound.npr1_min ?? 0);
      expect(npr1).toBeLessThanOrEqual(compound.npr1_max ?? 1);
      expect(npr2).toBeGreaterThanOrEqual(compound.npr2_min ?? 0);
      expect(npr2).toBeLessThanOrEqual(compound.npr2_max ?? 1);
    },
  );

  // The file calls every flat molecule a disc, naphthalene and anthracene too, which in the
  // triangle of npr1 and npr2 lie on the edge from disc to rod. So a disc here is what is flat:
  // npr1 + npr2 = 1 holds for planar bodies alone.
  test.each(compounds.filter((compound) => compound.shape_class === 'disc'))('$name is flat', ({ name }) => {
    expect(value(name, 'npr1') + value(name, 'npr2')).toBeCloseTo(1, 3);
    expect(value(name, 'pbf')).toBeLessThan(0.01);
    expect(value(name, 'spherocity')).toBeLessThan(0.001);
  });

  test('decane is a rod and adamantane a sphere', () => {
    expect(value('decane', 'asphericity')).toBeGreaterThan(0.7);
    expect(value('decane', 'conformer_count')).toBeGreaterThan(1);
    expect(value('adamantane', 'asphericity')).toBeLessThan(0.001);
    expect(value('adamantane', 'spherocity')).toBeGreaterThan(0.99);
    expect(value('adamantane', 'conformer_count')).toBe(1);
  });

  test('says whether the stereoisomer was written or had to be chosen', () => {
    expect(table.get('l_alanine')?.['stereo']).toBe('as-written');
    expect(table.get('s_ibuprofen')?.['stereo']).toBe('as-written');
    expect(table.get('cis_stilbene')?.['stereo']).toBe('as-written');
    expect(table.get('testosterone')?.['stereo']).toBe('chosen');
  });

  test('corner cases get the status that tells what happened to them', async () => {
    const cases = reference<{ name: string; smiles: string; expected_status: string }>('reference-corner_cases.json');
    const rows = await predict(cases.map(({ name, smiles }) => ({ name, smiles })));
    expect(rows.map((row) => [row['name'], row['status']])).toEqual(
      cases.map(({ name, expected_status }) => [name, OURS[name] ?? expected_status]),
    );
    // MMFF94 has no type for boron: the geometry is the generator's own, and the column says so.
    expect(rows.map((row) => row['force_field'])).toEqual([null, null, null, 'MMFF94', 'none', 'MMFF94']);
    expect(notFinite(rows)).toEqual([]);
  });

  test.each([
    ['*CC', 'skip:wildcard-atom'],
    ['[Na+].[Cl-]', 'skip:disconnected'],
    ['CC(C)(C)(C)C', 'error:valence'],
    ['[CH3]', 'skip:radical-or-not-kekulizable'],
    ['c1cccc1', 'skip:radical-or-not-kekulizable'],
    ['[He]', 'skip:single-atom'],
    ['[Cl-]', 'skip:single-atom'],
    ['[999CH4]', 'skip:unknown-isotope'],
    ['C'.repeat(61), 'skip:too-many-atoms'],
    ['C'.repeat(29), 'skip:too-many-rotatable-bonds'],
    ['CC>>CC', 'error:unparsable'],
  ])('does not build %s: %s', async (smiles, status) => {
    const [row] = await predict([{ smiles }]);
    expect(row?.['status']).toBe(status);
    expect(row?.['npr1']).toBeNull();
  });

  test('straight molecules are minimised too, although their gradient is undefined where they start', async () => {
    const rows = await predict([{ smiles: 'CC#N' }, { smiles: 'O=C=O' }, { smiles: 'C#C' }]);
    expect(rows.map((row) => row['status'])).toEqual(['ok', 'ok', 'ok']);
    expect(rows[1]?.['npr1']).toBeCloseTo(0, 4);
    expect(rows[1]?.['npr2']).toBeCloseTo(1, 4);
  });

  test('an isotope counts with its own mass', async () => {
    const [light, heavy] = await predict([{ smiles: 'CO' }, { smiles: '[2H]C([2H])([2H])O' }]);
    expect(heavy?.['pmi1'] as number).toBeGreaterThan(1.3 * (light?.['pmi1'] as number));
  });

  test('a molecule gets the same numbers alone as in company, however slow the machine', async () => {
    const limits = { ...LIMITS, budgetMs: Number.POSITIVE_INFINITY };
    const masses = new AtomicMasses();
    const columnsOf = (smiles: string, known: AtomicMasses): Promise<ShapeColumns> =>
      shapeColumns({ smiles }, known, { signal, limits });
    const aspirin = 'CC(=O)Oc1ccccc1C(=O)O';
    await columnsOf('[2H]C([2H])([2H])O', masses);
    expect(await columnsOf(aspirin, masses)).toEqual(await columnsOf(aspirin, new AtomicMasses()));
  });

  test('every row has the same columns in the same order, and never NaN', async () => {
    const columns = Object.keys(table.get('benzene') ?? {});
    expect(columns).toHaveLength(2 + 6 + 11);
    const rows = [
      ...table.values(),
      ...(await predict([
        { name: 'nothing', smiles: '' },
        { name: 'junk', smiles: 'x' },
      ])),
    ];
    for (const row of rows) expect(Object.keys(row)).toEqual(columns);
    expect(notFinite(rows)).toEqual([]);
  });

  test('a molecule whose time is up keeps the conformers it has, and says that time stopped it', async () => {
    let clock = 0;
    const now = (): number => (clock += 1_000);
    const columns = await shapeColumns({ smiles: 'CCCCCC' }, new AtomicMasses(), {
      signal,
      limits: { ...LIMITS, budgetMs: 1_000, now },
    });
    expect(columns).toMatchObject({ status: 'ok', conformer_stop: 'time', conformer_count: 1 });
  });

  test('the event loop turns between the conformers of one molecule', async () => {
    let turns = 0;
    let working = true;
    const count = (): void => {
      turns += 1;
      if (working) setImmediate(count);
    };
    setImmediate(count);
    const [row] = await predict([{ smiles: 'CCCCCC' }]);
    working = false;
    expect(turns).toBeGreaterThanOrEqual(row?.['conformer_count'] as number);
  });

  test('a cancelled run stops inside a molecule with the reason it was given', async () => {
    const controller = new AbortController();
    const answer = predict([{ smiles: 'CCCCCCCCCC' }], controller.signal);
    controller.abort(new Error('cancelled by its owner'));
    await expect(answer).rejects.toThrow('cancelled by its owner');
  });
});
