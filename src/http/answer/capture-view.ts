// From the captures' records to the bodies on the wire.

import type { CaptureRecord } from '../../stores/captures/captures.ts';
import type { PayloadFacts } from '../../domain/payload.ts';
import type { ClassScores, Metrics } from '../../domain/scoring.ts';
import { toRfc3339 } from '../../domain/time.ts';
import type { CaptureBody, CaptureLine, MetricsBody } from '../../wire/captures.ts';
import { captureIdsPath, capturePredictionsPath } from '../paths.ts';

/** A capture. */
export function captureBody(capture: CaptureRecord, base: string): CaptureBody {
  const { metrics } = capture.score;
  return { ...captureFacts(capture, base), metrics: metrics === null ? null : metricsBody(metrics) };
}

/** A capture in a list. */
export function captureLine(capture: CaptureRecord, base: string): CaptureLine {
  const body = captureBody(capture, base);
  const { metrics } = body;
  if (metrics === null || metrics.task === 'regression') return { ...body, metrics };
  const { classes: _classes, confusion_matrix: _matrix, ...summary } = metrics;
  return { ...body, metrics: summary };
}

function captureFacts(capture: CaptureRecord, base: string): Omit<CaptureBody, 'metrics'> {
  const { score, ids } = capture;
  const { total, failed, withoutTarget, withoutPrediction, comparable } = score.rows;
  return {
    name: capture.name,
    version: capture.version,
    endpoint: capture.endpoint,
    endpoint_version: capture.endpointVersion,
    run_id: capture.runId,
    captured_at: toRfc3339(capture.createdAt),
    captured_by: capture.capturedBy,
    input: factsBody(capture.input),
    predictions: { href: `${base}${capturePredictionsPath(capture)}`, ...factsBody(capture.predictions) },
    ids: ids === null ? null : { column: ids.column, href: `${base}${captureIdsPath(capture)}` },
    rows: { total, failed, without_target: withoutTarget, without_prediction: withoutPrediction, comparable },
    target: score.target,
    prediction: score.prediction,
    metrics_missing: score.reason,
  };
}

const factsBody = ({ contentType, bytes, sha256 }: PayloadFacts): CaptureBody['input'] => ({
  content_type: contentType,
  bytes,
  sha256,
});

function metricsBody(metrics: Metrics): MetricsBody {
  if (metrics.task === 'regression') return { ...metrics, notes: [...metrics.notes] };
  const { task, support, accuracy, weighted, classes, confusion, notes } = metrics;
  return {
    task,
    support,
    accuracy,
    weighted: scoresBody(weighted),
    notes: [...notes],
    classes: classes.map((one) => ({ label: one.label, support: one.support, ...scoresBody(one) })),
    confusion_matrix: { labels: [...confusion.labels], counts: confusion.counts.map((row) => [...row]) },
  };
}

const scoresBody = ({ precision, recall, f1, rocAuc }: ClassScores) => ({ precision, recall, f1, roc_auc: rocAuc });
