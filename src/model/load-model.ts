// From a model file to a model, or to a sentence that says what is wrong with the file.

import { pathToFileURL } from 'node:url';
import { importFailure } from '../domain/import-failure.ts';
import type { InvokeModel, Model, RowModel } from './define-model.ts';

/** What a model takes: tables by the row, or anything as it comes. */
export type ModelKind = 'rows' | 'any';

/** Whether a model takes rows. */
export function takesRows<Loaded, State>(model: Model<Loaded, State>): model is RowModel<Loaded, State> {
  return typeof (model as Partial<RowModel<Loaded, State>>).predict === 'function';
}

/** What a model takes, by the function that it defines. */
export const kindOf = (model: Model): ModelKind => (takesRows(model) ? 'rows' : 'any');

/**
 * Imports a model file and takes its export `model`.
 *
 * @throws Error when the file cannot be imported, or exports no model
 */
export async function loadModel(file: string): Promise<Model> {
  const { model } = await importModel(file);
  if (typeof model !== 'object' || model === null) {
    throw new Error(
      `${file} has no export named "model". Write: export const model = defineModel({ predict(rows) { … } });`,
    );
  }
  const { predict, invoke } = model as Partial<RowModel<unknown, unknown> & InvokeModel<unknown, unknown>>;
  if ((typeof predict === 'function') === (typeof invoke === 'function')) {
    throw new Error(
      `The model of ${file} must define either predict(rows, context) or invoke(input, context), and not both.`,
    );
  }
  return model as Model;
}

async function importModel(file: string): Promise<{ model?: unknown }> {
  try {
    return (await import(pathToFileURL(file).href)) as { model?: unknown };
  } catch (cause) {
    throw new Error(`${file} cannot be imported: ${importFailure(file, cause)}`, { cause });
  }
}
