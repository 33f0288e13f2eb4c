// Captures as they travel: predictions that are kept under a name, and the metrics where the
// targets are known.

import { type Static, Type } from 'typebox';

const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);

const Task = Type.Enum(['regression', 'classification']);
const Notes = Type.Array(Type.String(), {
  description: 'A sentence for every number that is null, or stands in for one that is not defined.',
});
const ScoreNumber = (description: string) => Nullable(Type.Number({ description }));

/** How far numbers are off. */
export const RegressionBody = Type.Object({
  task: Type.Literal('regression'),
  support: Type.Integer({ description: 'Rows that were scored.' }),
  rmse: ScoreNumber('Root of the mean squared error.'),
  mae: ScoreNumber('Mean absolute error.'),
  medae: ScoreNumber('Median absolute error.'),
  r2: ScoreNumber('Share of the variance that is explained.'),
  spearmanr: ScoreNumber("Spearman's rank correlation."),
  notes: Notes,
});
/** See the schema of the same name. */
export type RegressionBody = Static<typeof RegressionBody>;

const CLASS_SCORES = {
  precision: Type.Number(),
  recall: Type.Number(),
  f1: Type.Number(),
  roc_auc: ScoreNumber('Area under the ROC curve, one class against the others.'),
};

/** How often classes are right. */
export const ClassificationBody = Type.Object({
  task: Type.Literal('classification'),
  support: Type.Integer({ description: 'Rows that were scored.' }),
  accuracy: Type.Number({ description: 'Share of the rows whose class is right.' }),
  weighted: Type.Object(CLASS_SCORES, { description: 'Means of the classes, weighted by their support.' }),
  notes: Notes,
  classes: Type.Array(Type.Object({ label: Type.String(), support: Type.Integer(), ...CLASS_SCORES })),
  confusion_matrix: Type.Object({
    labels: Type.Array(Type.String()),
    counts: Type.Array(Type.Array(Type.Integer()), {
      description: 'A row for each class as it is, with a column for each class that it was taken for.',
    }),
  }),
});
/** See the schema of the same name. */
export type ClassificationBody = Static<typeof ClassificationBody>;

/** The numbers of a capture. */
export type MetricsBody = RegressionBody | ClassificationBody;

const CAPTURE = {
  name: Type.String(),
  version: Type.Integer({ description: '1 for the first of its name.' }),
  endpoint: Type.String(),
  endpoint_version: Type.Integer({ description: 'The version of the endpoint that the run was submitted to.' }),
  run_id: Type.String(),
  captured_at: Type.String(),
  captured_by: Nullable(
    Type.String({ description: 'The public half of the key that asked for it; null where the server asks for none.' }),
  ),
  input: Type.Object({ content_type: Type.String(), bytes: Type.Integer(), sha256: Type.String() }),
  predictions: Type.Object({
    href: Type.String(),
    content_type: Type.String(),
    bytes: Type.Integer(),
    sha256: Type.String(),
  }),
  ids: Nullable(
    Type.Object({
      column: Type.String({ description: 'The column of the input that tells rows apart.' }),
      href: Type.String({ description: 'Its values, one for each prediction, as a JSON list.' }),
    }),
  ),
  rows: Type.Object(
    {
      total: Type.Integer({ description: 'Rows of the input.' }),
      failed: Type.Integer({ description: 'Rows that have no answer; never scored.' }),
      without_target: Type.Integer({ description: 'Rows with an answer whose target is empty.' }),
      without_prediction: Type.Integer({ description: 'Rows with a target whose prediction is empty.' }),
      comparable: Type.Integer({ description: 'Rows with both: those, and no others, are scored.' }),
    },
    { description: 'The last four are all of the first.' },
  ),
  target: Nullable(Type.String({ description: 'The column of the input that predictions are compared with.' })),
  prediction: Nullable(Type.String({ description: 'The column of the output that has the prediction.' })),
  metrics_missing: Nullable(Type.String({ description: 'Why there are no metrics; null where there are.' })),
};

/** A capture. */
export const CaptureBody = Type.Object({
  ...CAPTURE,
  metrics: Type.Union([RegressionBody, ClassificationBody, Type.Null()]),
});
/** See the schema of the same name. */
export type CaptureBody = Static<typeof CaptureBody>;

/**
 * A line of a list: a capture without what its metrics say of single classes, which the capture
 * itself has.
 */
export const CaptureLine = Type.Object({
  ...CAPTURE,
  metrics: Type.Union([RegressionBody, Type.Omit(ClassificationBody, ['classes', 'confusion_matrix']), Type.Null()]),
});
/** See the schema of the same name. */
export type CaptureLine = Static<typeof CaptureLine>;

/** A page of captures, newest first. */
export const CapturePage = Type.Object({ captures: Type.Array(CaptureLine), next_cursor: Nullable(Type.String()) });
/** See the schema of the same name. */
export type CapturePage = Static<typeof CapturePage>;

const CaptureName = Type.String({
  pattern: '^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$',
  description: 'Letters, digits, dots, hyphens and underscores, 64 at most; a letter or a digit at either end.',
  examples: ['holdout-2026'],
});

/**
 * The body of `POST /endpoints/{endpoint}/captures`. What is left out, the endpoint's configuration
 * says.
 */
export const CaptureRequest = Type.Object(
  {
    name: CaptureName,
    run_id: Type.String({ description: 'A run of the endpoint that has succeeded.' }),
    target: Type.Optional(
      Type.String({ minLength: 1, description: 'The column of the input that predictions are compared with.' }),
    ),
    prediction: Type.Optional(
      Type.String({ minLength: 1, description: 'The column of the output that has the prediction.' }),
    ),
    task: Type.Optional(Task),
  },
  { additionalProperties: false },
);
/** See the schema of the same name. */
export type CaptureRequest = Static<typeof CaptureRequest>;

/** The query of `GET /endpoints/{endpoint}/captures`, once its texts have been read. */
export const CapturesQuery = Type.Object(
  {
    name: Type.Optional(CaptureName),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
    cursor: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);
/** See the schema of the same name. */
export type CapturesQuery = Static<typeof CapturesQuery>;

/** Which version of a capture; without it, the newest. */
export const CaptureVersionQuery = Type.Object(
  { version: Type.Optional(Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1 })) },
  { additionalProperties: false },
);
/** See the schema of the same name. */
export type CaptureVersionQuery = Static<typeof CaptureVersionQuery>;

/** Which versions of a name to delete. */
export const CaptureDeletionQuery = Type.Object(
  {
    version: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1, description: 'One version (all versions of the name).' }),
    ),
  },
  { additionalProperties: false },
);
/** See the schema of the same name. */
export type CaptureDeletionQuery = Static<typeof CaptureDeletionQuery>;

/** How many captures were deleted. */
export const CapturesDeleted = Type.Object({ deleted: Type.Integer() });
/** See the schema of the same name. */
export type CapturesDeleted = Static<typeof CapturesDeleted>;

/** The query of `GET /endpoints/{endpoint}/evaluation`, once its texts have been read. */
export const EvaluationQuery = Type.Object(
  { rows: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'At most so many (10).' })) },
  { additionalProperties: false },
);
/** See the schema of the same name. */
export type EvaluationQuery = Static<typeof EvaluationQuery>;
