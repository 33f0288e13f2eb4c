// What is told of a run that is followed, as it travels.

import { type Static, Type } from 'typebox';
import type { LogLineBody } from './logs.ts';
import { type AttemptBody, type ProgressBody, RunFailureBody, type RunLine, RunStatus } from './runs.ts';

/** A status that the run has come to. */
export const StatusEventBody = Type.Object({
  run_id: Type.String(),
  status: RunStatus,
  done: Type.Boolean({ description: 'Whether the status is final.' }),
  at: Type.String({ description: 'RFC 3339, UTC.' }),
  error: Type.Union([RunFailureBody, Type.Null()]),
});
/** See the schema of the same name. */
export type StatusEventBody = Static<typeof StatusEventBody>;

/**
 * The data of each event, by its name. `attempt` comes when one begins and when it has ended, `end`
 * last of all.
 */
export interface RunEventData {
  readonly status: StatusEventBody;
  readonly attempt: AttemptBody;
  readonly progress: ProgressBody;
  readonly log: LogLineBody;
  readonly end: RunLine;
}
/** The name of an event. */
export type RunEventName = keyof RunEventData;

/** The query of `GET /runs/{id}/events`, once its texts have been read. */
export const EventsQuery = Type.Object(
  {
    last_event_id: Type.Optional(
      Type.String({
        maxLength: 100,
        description: 'As the header Last-Event-ID, which counts first, for clients that cannot send it.',
      }),
    ),
  },
  { additionalProperties: false },
);
