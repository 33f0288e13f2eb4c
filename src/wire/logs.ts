// The lines that a model wrote, as they travel.

import { type Static, Type } from 'typebox';

/** A line of a run's logs. */
export const LogLineBody = Type.Object({
  at: Type.String({ description: 'RFC 3339, UTC.' }),
  attempt: Type.Integer(),
  stream: Type.Enum(['log', 'stdout', 'stderr', 'server'], {
    description:
      '`log` is what the model handed to `context.log` or to its callback, `server` a note of the server about lines that it did not keep.',
  }),
  message: Type.String(),
  fields: Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()]),
});
/** See the schema of the same name. */
export type LogLineBody = Static<typeof LogLineBody>;

/** The query of `GET /runs/{id}/logs`, once its texts have been read. */
export const LogsQuery = Type.Object(
  {
    after: Type.Optional(Type.Integer({ minimum: 0, description: 'Lines that the client has already.' })),
    follow: Type.Optional(
      Type.Boolean({ description: 'Goes on with further lines as they come, until the run has ended.' }),
    ),
  },
  { additionalProperties: false },
);
