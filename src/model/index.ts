// The entry point `claimcheck/model`: what a model file imports.
export { defineModel } from './define-model.ts';
export type { InvokeModel, Model, ModelContext, ModelHooks, ModelRun, Row, RowModel } from './define-model.ts';
