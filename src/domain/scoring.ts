// What predictions are held against, and the numbers that come of it.

/** What is scored: numbers by how far they are off, or classes by how often they are right. */
export type Task = 'regression' | 'classification';

/** Names of columns, and what is scored; null where nobody has said. */
export interface ScoringChoice {
  /** The column of the input that has what is to be predicted. */
  readonly target: string | null;
  /** The column of the output that has the prediction. */
  readonly prediction: string | null;
  readonly task: Task | null;
}

/** How an endpoint's predictions are scored, as its configuration has it. */
export interface ScoringSpec extends ScoringChoice {
  /** The column of the input that tells rows apart. */
  readonly idColumn: string | null;
  /** Path of a CSV or JSON Lines file with rows to try the endpoint on, or null. */
  readonly evaluation: string | null;
}

/** How an endpoint is scored of which nobody has said anything. */
export const UNSCORED: ScoringSpec = { target: null, prediction: null, task: null, idColumn: null, evaluation: null };

/** How far numbers are off. A number that cannot be told is null, and `notes` says why. */
export interface RegressionMetrics {
  readonly task: 'regression';
  /** Rows that were scored. */
  readonly support: number;
  /** Root of the mean squared error. */
  readonly rmse: number | null;
  /** Mean absolute error. */
  readonly mae: number | null;
  /** Median absolute error. */
  readonly medae: number | null;
  /**
   * Share of the variance that is explained; negative where the mean would have been the better
   * prediction.
   */
  readonly r2: number | null;
  /** Spearman's rank correlation. */
  readonly spearmanr: number | null;
  /** A sentence for every number that is null, or stands in for one that is not defined. */
  readonly notes: readonly string[];
}

/** How well one class is told, or all of them weighted by their support. */
export interface ClassScores {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Area under the ROC curve, this class against all others; null where it cannot be told. */
  readonly rocAuc: number | null;
}

/** How often classes are right. A number that cannot be told is null, and `notes` says why. */
export interface ClassificationMetrics {
  readonly task: 'classification';
  /** Rows that were scored. */
  readonly support: number;
  /** Share of the rows whose class is right. */
  readonly accuracy: number;
  readonly weighted: ClassScores;
  /** One for each class that is a target or a prediction, in the order of `confusion.labels`. */
  readonly classes: readonly (ClassScores & { readonly label: string; readonly support: number })[];
  /** `counts[t][p]` rows have the class `labels[t]` and were taken for `labels[p]`. */
  readonly confusion: { readonly labels: readonly string[]; readonly counts: readonly (readonly number[])[] };
  /** A sentence for every number that is null, or stands in for one that is not defined. */
  readonly notes: readonly string[];
}

/** The numbers of a capture. */
export type Metrics = RegressionMetrics | ClassificationMetrics;

/** The rows of a table that was scored, by their outcome: `total` is the sum of the others. */
interface RowCounts {
  readonly total: number;
  /** Rows that have no answer, whether they are marked or were left out of the output. */
  readonly failed: number;
  /** Rows with an answer whose target is empty. */
  readonly withoutTarget: number;
  /** Rows with a target whose prediction is empty. */
  readonly withoutPrediction: number;
  /** Rows with a target and a prediction: those, and no others, are what metrics are made from. */
  readonly comparable: number;
}

/** What scoring a table has come to. */
export interface Score {
  readonly rows: RowCounts;
  /** The columns that were used, as they are written in the table; null where there is none. */
  readonly target: string | null;
  readonly prediction: string | null;
  readonly metrics: Metrics | null;
  /** Why there are no metrics; null where there are. */
  readonly reason: string | null;
}
