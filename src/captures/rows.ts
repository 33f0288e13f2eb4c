// Between a database's rows and the port's records: the columns have the same names in both drivers. What is never looked for is one JSON text.

import type { RunId } from '../domain/ids.ts';
import { instant } from '../domain/time.ts';
import type { CaptureRecord, NewCapture } from './captures.ts';

/** The columns of `CaptureRow` but for the two that the store gives. */
export const NEW_COLUMNS = 'tenant, endpoint, name, run_id, created_at_ms, content';
/** The columns of `CaptureRow`. */
export const CAPTURE_COLUMNS = `sequence, version, ${NEW_COLUMNS}`;

/** A capture as the database returns it. */
export interface CaptureRow {
  readonly sequence: number;
  readonly version: number;
  readonly tenant: string;
  readonly endpoint: string;
  readonly name: string;
  readonly run_id: string;
  readonly created_at_ms: number;
  /** JSON text of a `Content`. */
  readonly content: string;
}

type Content = Omit<NewCapture, 'tenant' | 'endpoint' | 'name' | 'runId' | 'createdAt'>;

/** The port's record of a stored capture. */
export function toCapture(row: CaptureRow): CaptureRecord {
  const { sequence, version, tenant, endpoint, name } = row;
  return {
    sequence,
    version,
    tenant,
    endpoint,
    name,
    runId: row.run_id as RunId,
    createdAt: instant(row.created_at_ms),
    ...(JSON.parse(row.content) as Content),
  };
}

/** A capture's values, in the order of `NEW_COLUMNS`. */
export function captureValues(capture: NewCapture): (string | number)[] {
  const { tenant, endpoint, name, runId, createdAt } = capture;
  const { endpointVersion, capturedBy, asked, input, predictions, ids, score, blobName } = capture;
  const content: Content = { endpointVersion, capturedBy, asked, input, predictions, ids, score, blobName };
  return [tenant, endpoint, name, runId, createdAt, JSON.stringify(content)];
}
