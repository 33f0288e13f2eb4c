// RDKit's WebAssembly build, narrowed to the one question that the 2D model asks, and able to
// survive its crashes.
import initRDKit, { type MainModule } from '@rdkit/rdkit';

/**
 * RDKit's answer about one molecule: its descriptors by name, or why there are none, as a `status`.
 */
export type Description = { readonly descriptors: Readonly<Record<string, unknown>> } | { readonly status: string };

/**
 * Most heavy atoms that are described.
 * Source: measured on a chain of carbons, the worst case found: 800 pass, 840 overflow the build's
 * stack (rdkit/rdkit#9115); half of that.
 */
export const HEAVY_ATOMS_MAX_2D = 400;

/**
 * RDKit, loaded once per replica.
 *
 * A molecule that overflows the stack leaves the WebAssembly instance broken: every later call
 * fails, for good molecules too. So after anything that it throws, this takes a fresh instance
 * (measured: 50 ms) before the next molecule.
 */
export class RDKit {
  #module: MainModule;
  /** The names that `get_descriptors` gives, in its order. */
  readonly names: readonly string[];

  private constructor(module: MainModule, names: readonly string[]) {
    this.#module = module;
    this.names = names;
  }

  /** Loads the library and learns its descriptors' names from methane. */
  static async load(): Promise<RDKit> {
    const module = await instantiate();
    using methane = module.get_mol('C');
    if (methane === null) throw new Error('RDKit does not read methane.');
    return new RDKit(module, Object.keys(parseDescriptors(methane.get_descriptors())));
  }

  /** Describes one SMILES; never rejects because of the molecule. */
  async describe(smiles: string): Promise<Description> {
    try {
      return describeWith(this.#module, smiles);
    } catch {
      // Not an error that carries a reason: a WebAssembly trap, or a C++ exception that has no
      // message on this side.
      this.#module = await instantiate();
      return { status: 'error:rdkit-crashed' };
    }
  }
}

function describeWith(module: MainModule, smiles: string): Description {
  // `using` calls the handle's delete(): the garbage collector does not see memory inside
  // WebAssembly.
  using molecule = module.get_mol(smiles);
  if (molecule === null) return { status: 'error:unparsable' };
  if (molecule.get_num_atoms() === 0) return { status: 'skip:empty' };
  if (molecule.get_num_atoms(true) > HEAVY_ATOMS_MAX_2D) return { status: 'skip:too-many-atoms' };
  return { descriptors: parseDescriptors(molecule.get_descriptors()) };
}

async function instantiate(): Promise<MainModule> {
  // The package is CommonJS: its default export reaches an ES module as a property of the function
  // itself.
  const module = await initRDKit.default();
  module.disable_logging(); // It would write each unparsable SMILES to the replica's stderr; the row's status says it already.
  return module;
}

/**
 * RDKit writes C++ doubles, and so may write `nan` or `inf`, which is not JSON: null here, and the
 * caller says so in the status.
 */
function parseDescriptors(text: string): Record<string, unknown> {
  return JSON.parse(text.replace(/:\s*-?(?:nan|inf|infinity)\b/gi, ': null')) as Record<string, unknown>;
}
