// The versions of an endpoint as they travel.

import { type Static, Type } from 'typebox';

/** One version: `active` takes new runs, `superseded` once did, `failed` never became ready. */
export const VersionBody = Type.Object({
  version: Type.Integer(),
  state: Type.Enum(['starting', 'active', 'superseded', 'failed']),
  reason: Type.Union([Type.String({ description: 'Why it never became ready.' }), Type.Null()]),
  source: Type.Enum(['config', 'api']),
  deployed_at: Type.String(),
});
/** See the schema of the same name. */
export type VersionBody = Static<typeof VersionBody>;

/** Every version of an endpoint, oldest first. */
export const VersionList = Type.Object({ versions: Type.Array(VersionBody) });
/** See the schema of the same name. */
export type VersionList = Static<typeof VersionList>;

/** What may be said with a rollback; without a version, the one that was active last. */
export const RollbackRequest = Type.Object(
  { version: Type.Optional(Type.Integer({ minimum: 1 })) },
  { additionalProperties: false },
);
/** See the schema of the same name. */
export type RollbackRequest = Static<typeof RollbackRequest>;

/**
 * The body of `PUT /endpoints/{endpoint}`: the server holds it against the configuration's own
 * schema.
 */
export const DeployRequest = Type.Record(Type.String(), Type.Unknown(), {
  description: 'An endpoint as a configuration file has it, with absolute paths.',
});

/** The query of `DELETE /endpoints/{endpoint}`, once its texts have been read. */
export const RemoveQuery = Type.Object(
  { force: Type.Optional(Type.Boolean({ description: 'Cancels every run of it that has not ended.' })) },
  { additionalProperties: false },
);
