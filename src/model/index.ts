// The entry point `claimcheck/model`: what a model file imports.
export { defineModel } from './define-model.ts';
export type {
  InvokeModel,
  Model,
  ModelContext,
  ModelHooks,
  ModelRun,
  ModelSchemas,
  Row,
  RowModel,
  Schema,
  StandardSchema,
} from './define-model.ts';
