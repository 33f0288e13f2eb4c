// What a model author writes: `load` once per replica, then `predict` (rows in, rows out) or `invoke` (anything in, anything out).

/** One row of a table: column name → JSON value. Rows that came as CSV hold strings alone, exactly as they stood in the file. */
export type Row = Record<string, unknown>;

/** Which run a call belongs to. */
export interface ModelRun {
  readonly id: string;
  /** 1 for the first try; counts up when the run is tried again. */
  readonly attempt: number;
  /** When the attempt is stopped from outside, or null where it has no limit. */
  readonly deadline: Date | null;
}

/** What a model is handed beside its input. */
export interface ModelContext<Loaded> {
  /** What `load` returned; undefined where the model has no `load`. */
  readonly model: Loaded;
  /** Aborted when the run is cancelled, times out, or its caller is gone: stop working and return. */
  readonly signal: AbortSignal;
  readonly run: ModelRun;
}

/** A model that works on tables: one chunk of rows in, exactly as many rows out, in the same order. */
export interface RowModel<Loaded> {
  /** Runs once when a replica starts, before it takes work: this is the cold start. */
  load?(): Loaded | Promise<Loaded>;
  predict(rows: Row[], context: ModelContext<Loaded>): Row[] | Promise<Row[]>;
}

/** A model that takes any JSON value, or the raw bytes of any other content type, and returns a JSON value or bytes. */
export interface InvokeModel<Loaded> {
  /** Runs once when a replica starts, before it takes work: this is the cold start. */
  load?(): Loaded | Promise<Loaded>;
  invoke(input: unknown, context: ModelContext<Loaded>): unknown;
}

/** Either kind of model. */
export type Model<Loaded = unknown> = RowModel<Loaded> | InvokeModel<Loaded>;

/**
 * Declares a model; a model file exports the result under the name `model`.
 *
 * @example
 * export const model = defineModel({
 *   async load() { return await initialise(); },
 *   predict(rows, { model }) { return rows.map((row) => ({ ...row, score: model.score(row) })); },
 * });
 */
export function defineModel<Loaded = undefined>(model: RowModel<Loaded>): RowModel<Loaded>;
export function defineModel<Loaded = undefined>(model: InvokeModel<Loaded>): InvokeModel<Loaded>;
export function defineModel<Loaded>(model: Model<Loaded>): Model<Loaded> {
  return model;
}
