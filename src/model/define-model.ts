// What a model author writes: `load` once per replica, then `predict` (rows in, rows out) or
// `invoke` (anything in, anything out). `init` and `cleanup` are for what a replica holds beside
// its model, and must release.

/**
 * One row of a table: column name → JSON value. Rows that came as CSV hold strings alone, exactly
 * as they stood in the file.
 */
export type Row = Record<string, unknown>;

/** Which run a call belongs to. */
export interface ModelRun {
  readonly id: string;
  /** 1 for the first try; counts up when the run is tried again. */
  readonly attempt: number;
  /** When the attempt is stopped from outside, or null where it has no limit. */
  readonly deadline: Date | null;
  /**
   * What the submitter has said about the run; `{}` where nothing was. A chunk of a batch
   * has none.
   */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** What a model is handed beside its input. */
export interface ModelContext<Loaded, State = undefined> {
  /** What `load` returned; undefined where the model has no `load`. */
  readonly model: Loaded;
  /**
   * Aborted when the run is cancelled, times out, or its caller is gone: stop working and return.
   */
  readonly signal: AbortSignal;
  readonly run: ModelRun;
  /**
   * What `init` returned; undefined where the model has no `init`. Shared by all invocations of the
   * replica, also those at the same time.
   */
  readonly state: State;
  /**
   * Says how far the run has come: it is the `progress` of the run. May be called as
   * often as is handy.
   *
   * @param done steps that are done, a whole number from 0
   * @param total steps there are; left out where that is not known
   * @param message what is going on now, 1,000 characters at the most
   */
  progress(done: number, total?: number | null, message?: string | null): void;
  /**
   * Writes a line to the logs of the run; `fields` are kept beside it as JSON. What is printed
   * while the run is worked on goes there too.
   */
  log(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/**
 * A schema of a library that follows https://standardschema.dev (zod, valibot, ArkType, …), as far
 * as it is used here.
 */
export interface StandardSchema {
  readonly '~standard': {
    /** Answers the value, which it may have changed, or what is wrong with it. */
    validate(value: unknown): StandardResult | Promise<StandardResult>;
    /** The schema as JSON Schema, where the library can say it so; it throws where it cannot. */
    readonly jsonSchema?:
      | {
          input(options: { readonly target: 'draft-2020-12' }): object;
          output(options: { readonly target: 'draft-2020-12' }): object;
        }
      | undefined;
  };
}

/** What a Standard Schema answers. */
type StandardResult =
  | { readonly value: unknown; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly message: string;
        readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
      }[];
    };

/**
 * A plain JSON Schema (draft 2020-12) or a Standard Schema: any object, since libraries have types
 * of their own for the first.
 */
export type Schema = StandardSchema | object;

/**
 * What inputs and outputs must look like: a row of the table for `predict`, the whole JSON value
 * for `invoke`. Bytes are not checked.
 */
export interface ModelSchemas {
  /**
   * An input that does not fit never reaches the model; what a Standard Schema makes of one that
   * fits is what the model is given.
   */
  readonly input?: Schema;
  /** An output that does not fit is `invalid-output`. */
  readonly output?: Schema;
}

/** What a replica does before its first invocation, and after its last. */
export interface ModelHooks<Loaded, State> {
  /** Runs once when a replica starts, before it takes work: this is the cold start. */
  load?(): Loaded | Promise<Loaded>;
  /**
   * Runs once, after `load`: makes what invocations share and `cleanup` releases, such as a
   * connection or a temporary folder.
   */
  init?(model: Loaded): State | Promise<State>;
  /**
   * Runs once when the replica is stopped; it has 5 s. Does not run where the process is killed or
   * crashes.
   */
  cleanup?(state: State): void | Promise<void>;
}

/**
 * A model that works on tables: one chunk of rows in, exactly as many rows out, in the same order.
 */
export interface RowModel<Loaded, State = undefined> extends ModelHooks<Loaded, State> {
  readonly schema?: ModelSchemas;
  predict(rows: Row[], context: ModelContext<Loaded, State>): Row[] | Promise<Row[]>;
}

/**
 * A model that takes any JSON value, or the raw bytes of any other content type, and returns a JSON
 * value or bytes.
 */
export interface InvokeModel<Loaded, State = undefined> extends ModelHooks<Loaded, State> {
  readonly schema?: ModelSchemas;
  invoke(input: unknown, context: ModelContext<Loaded, State>): unknown;
}

/** Either kind of model. */
export type Model<Loaded = unknown, State = unknown> = RowModel<Loaded, State> | InvokeModel<Loaded, State>;

/**
 * Declares a model; a model file exports the result under the name `model`.
 *
 * @example
 * export const model = defineModel({
 *   async load() { return await initialise(); },
 *   predict(rows, { model }) { return rows.map((row) => ({ ...row, score: model.score(row) })); },
 * });
 */
export function defineModel<Loaded = undefined, State = undefined>(
  model: RowModel<Loaded, State>,
): RowModel<Loaded, State>;
export function defineModel<Loaded = undefined, State = undefined>(
  model: InvokeModel<Loaded, State>,
): InvokeModel<Loaded, State>;
export function defineModel<Loaded, State>(model: Model<Loaded, State>): Model<Loaded, State> {
  return model;
}
