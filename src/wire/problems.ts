// An error as it travels: RFC 9457 problem details.

import { type Static, Type } from 'typebox';

/** Content type of every error. */
export const PROBLEM_TYPE = 'application/problem+json';
/** What a problem's `type` starts with; its slug follows. */
export const PROBLEM_BASE = 'https://claimcheck.dev/problems/';

/** An error. */
export const ProblemBody = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  instance: Type.Optional(Type.String({ description: 'The id of the request, as the server log has it.' })),
  retryable: Type.Boolean(),
  run_id: Type.Optional(Type.String()),
  errors: Type.Optional(Type.Array(Type.Object({ pointer: Type.String(), detail: Type.String() }))),
  token_file: Type.Optional(
    Type.String({ description: "Where the operator's token lies on this machine, which the request asks for." }),
  ),
});
/** See the schema of the same name. */
export type ProblemBody = Static<typeof ProblemBody>;
