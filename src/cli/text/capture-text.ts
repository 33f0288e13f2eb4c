// Captures as text for people.

import type { CaptureBody, CaptureLine, ClassificationBody, MetricsBody } from '../../wire/captures.ts';
import { columns, type coloursFor, plainLine } from './text.ts';

type Colours = ReturnType<typeof coloursFor>;

/** Captures as a table, each with what says most of it. */
export function captureTable(captures: readonly CaptureLine[], colours: Colours): string {
  if (captures.length === 0) return 'No captures.\n';
  const lines = captures.map((capture) => [
    capture.name,
    String(capture.version),
    capture.captured_at,
    rowsText(capture),
    headline(capture),
  ]);
  const [head = '', ...rest] = columns([['NAME', 'VERSION', 'CAPTURED', 'ROWS', 'METRICS'], ...lines])
    .trimEnd()
    .split('\n');
  return [colours.dim(head), ...rest, ''].join('\n');
}

/** A capture, a fact a line, and its metrics. */
export function captureDetails(capture: CaptureBody, colours: Colours): string {
  const { input, predictions, ids, rows } = capture;
  const facts: (readonly [string, string] | null)[] = [
    ['capture', `${capture.name}, version ${capture.version}`],
    ['endpoint', `${capture.endpoint}, version ${capture.endpoint_version}`],
    ['run', capture.run_id],
    ['captured', `${capture.captured_at}${capture.captured_by === null ? '' : ` by the key ${capture.captured_by}`}`],
    ['input', `${input.content_type}, ${input.bytes} bytes, sha256 ${input.sha256}`],
    ['output', `${predictions.content_type}, ${predictions.bytes} bytes, sha256 ${predictions.sha256}`],
    ids === null ? null : ['ids', ids.column],
    ['rows', rowsText(capture)],
    rows.without_target === 0 || capture.target === null ? null : ['', `${rows.without_target} without a target`],
    rows.without_prediction === 0 ? null : ['', `${rows.without_prediction} without a prediction`],
    capture.target === null ? null : ['target', capture.target],
    capture.prediction === null ? null : ['prediction', capture.prediction],
  ];
  const text = facts.flatMap((fact) =>
    fact === null ? [] : [`${colours.dim(fact[0].padEnd(10))} ${plainLine(fact[1])}\n`],
  );
  return `${text.join('')}\n${metricsText(capture, colours)}`;
}

/** The metrics of a capture, or why it has none. */
export function metricsText({ metrics, metrics_missing: reason, rows }: CaptureBody, colours: Colours): string {
  if (metrics === null) return `No metrics. ${plainLine(reason ?? '')}\n`;
  const numbers = metrics.task === 'regression' ? regressionText(metrics) : classificationText(metrics, colours);
  const failed = rows.failed === 0 ? '' : `${failedText(rows.failed)} left out.\n`;
  const notes = [failed, ...metrics.notes.map((note) => `${plainLine(note)}\n`)].join('');
  return notes === '' ? numbers : `${numbers}\n${notes}`;
}

function regressionText(metrics: Extract<MetricsBody, { task: 'regression' }>): string {
  const names = ['rmse', 'mae', 'medae', 'r2', 'spearmanr'] as const;
  return columns([...names.map((name) => [name, numberText(metrics[name])]), ['support', String(metrics.support)]]);
}

function classificationText(metrics: ClassificationBody, colours: Colours): string {
  const { classes, weighted, support, accuracy, confusion_matrix: matrix } = metrics;
  const scores = columns([
    ['CLASS', 'PRECISION', 'RECALL', 'F1', 'ROC_AUC', 'SUPPORT'],
    ...[...classes, { label: 'weighted', support, ...weighted }].map((one) => [
      one.label,
      ...[one.precision, one.recall, one.f1, one.roc_auc].map(numberText),
      String(one.support),
    ]),
  ]);
  const confusion = columns([
    ['CLASS', ...matrix.labels.map((label) => `AS ${label}`)],
    ...matrix.labels.map((label, at) => [label, ...matrix.counts[at]!.map(String)]),
  ]);
  return `${dimHead(scores, colours)}\n${dimHead(confusion, colours)}\naccuracy  ${numberText(accuracy)}\n`;
}

function dimHead(table: string, colours: Colours): string {
  const end = table.indexOf('\n');
  return `${colours.dim(table.slice(0, end))}${table.slice(end)}`;
}

/** What says most of a capture, on one line. */
function headline({ metrics, target }: CaptureLine): string {
  if (metrics === null) return target === null ? 'no target' : 'none';
  return metrics.task === 'regression'
    ? `rmse ${numberText(metrics.rmse)}, r2 ${numberText(metrics.r2)}`
    : `f1 ${numberText(metrics.weighted.f1)}, roc_auc ${numberText(metrics.weighted.roc_auc)}`;
}

const rowsText = ({ rows: { total, failed } }: Pick<CaptureLine, 'rows'>): string =>
  failed === 0 ? String(total) : `${total}, ${failed} failed`;

const failedText = (failed: number): string => (failed === 1 ? '1 failed row was' : `${failed} failed rows were`);

/** Four digits are more than most evaluations are good for; `--json` has them all. */
const numberText = (value: number | null): string => (value === null ? '-' : String(Number(value.toPrecision(4))));
