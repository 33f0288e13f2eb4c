// What is told of a batch that is followed part by part, as it travels.

import { type Static, Type } from 'typebox';
import { RunFailureBody, type RunLine } from './runs.ts';

/** Some rows of a batch whose fate is settled. */
export const PartBody = Type.Object({
  run_id: Type.String({ description: 'The chunk that has these rows; its output is at `/runs/{run_id}/output`.' }),
  rows: Type.Object(
    { from: Type.Integer(), to: Type.Integer() },
    { description: 'Counted from 0; `to` is the first row that is not among them.' },
  ),
  status: Type.Enum(['succeeded', 'failed', 'cancelled']),
  error: Type.Union([RunFailureBody, Type.Null()]),
});
/** See the schema of the same name. */
export type PartBody = Static<typeof PartBody>;

/** The data of each event, by its name; `end` comes last of all. */
export interface PartEventData {
  readonly part: PartBody;
  readonly end: RunLine;
}
/** The name of an event. */
export type PartEventName = keyof PartEventData;
