// Between a database's rows and the port's records: the columns have the same names in both
// drivers. What is never looked for is one JSON text.

import { sha256 } from '../../domain/digest.ts';
import type { RunId } from '../../domain/ids.ts';
import { instant } from '../../domain/time.ts';
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
  const { digest: _, ...content } = JSON.parse(row.content) as Content & { readonly digest?: string };
  return {
    sequence,
    version,
    tenant,
    endpoint,
    name,
    runId: row.run_id as RunId,
    createdAt: instant(row.created_at_ms),
    ...content,
  };
}

/** A capture's values, in the order of `NEW_COLUMNS`. */
export function captureValues(capture: NewCapture): (string | number)[] {
  const { tenant, endpoint, name, runId, createdAt } = capture;
  const { endpointVersion, capturedBy, asked, input, predictions, ids, score, blobName } = capture;
  const content: Content = { endpointVersion, capturedBy, asked, input, predictions, ids, score, blobName };
  const known = [tenant, endpoint, name, runId, createdAt] as const;
  return [...known, JSON.stringify({ ...content, digest: digestOf(known, content) })];
}

/** What tells a capture that was changed: nothing of one ever is. */
const digestOf = (known: readonly (string | number)[], content: Content): string =>
  sha256(Buffer.from(JSON.stringify([...known, content])));

/**
 * What is wrong with a stored capture; null where nothing is. One of an older claimcheck has no
 * digest.
 */
function captureMistake(row: CaptureRow): string | null {
  const { tenant, endpoint, name, version, run_id: runId, created_at_ms: createdAt } = row;
  const where = `${endpoint}/${name} version ${version} of tenant ${tenant}`;
  const read = contentOf(row);
  if (read === null) return `${where}: what it says cannot be read`;
  const { digest, ...content } = read;
  if (!isPayload(content.predictions) || (content.ids !== null && !isPayload(content.ids?.list)))
    return `${where}: it does not say where its predictions and ids are`;
  if (version < 1 || content.endpointVersion < 1) return `${where}: there is no such version`;
  if (digest !== undefined && digest !== digestOf([tenant, endpoint, name, runId, createdAt], content))
    return `${where}: it was changed since it was captured`;
  return null;
}

/** Whether a capture can be handed out. */
export const isReadable = (row: CaptureRow): boolean => {
  const content = contentOf(row);
  return content !== null && isPayload(content.predictions) && (content.ids === null || isPayload(content.ids?.list));
};

function contentOf({ content }: CaptureRow): (Content & { readonly digest?: string }) | null {
  try {
    const read: unknown = JSON.parse(content);
    return typeof read === 'object' && read !== null ? (read as Content) : null;
  } catch {
    return null;
  }
}

const isPayload = (facts: unknown): boolean =>
  typeof facts === 'object' && facts !== null && typeof (facts as { sha256?: unknown }).sha256 === 'string';

/** Rows that are read at a time by a look for mistakes. */
const PAGE = 100;

/** Every mistake among the captures that a store has, so many at the most. */
export async function mistakesIn(
  read: (after: number, limit: number) => Promise<readonly CaptureRow[]>,
  limit: number,
): Promise<string[]> {
  const mistakes: string[] = [];
  for (let after = 0; mistakes.length < limit;) {
    const rows = await read(after, PAGE);
    if (rows.length === 0) break;
    mistakes.push(...rows.map(captureMistake).filter((mistake) => mistake !== null));
    after = rows.at(-1)!.sequence;
  }
  return mistakes.slice(0, limit);
}

/**
 * The newest captures before a place, without those that cannot be read: they keep nobody from the
 * others, and `claimcheck doctor` names them.
 *
 * @param read so many rows before a place, the newest first
 */
export async function newestReadable(
  read: (before: number | null, limit: number) => Promise<readonly CaptureRow[]>,
  from: number | null,
  limit: number,
): Promise<CaptureRecord[]> {
  const found: CaptureRecord[] = [];
  for (let before = from; ;) {
    const rows = await read(before, limit);
    found.push(...rows.filter(isReadable).map(toCapture));
    if (found.length >= limit || rows.length < limit) return found.slice(0, limit);
    before = rows.at(-1)!.sequence;
  }
}

/** A page of captures without those that cannot be read; empty at the end alone. */
export async function readableOf(
  read: (after: number, limit: number) => Promise<readonly CaptureRow[]>,
  from: number,
  limit: number,
): Promise<CaptureRecord[]> {
  for (let after = from; ;) {
    const rows = await read(after, limit);
    const readable = rows.filter(isReadable);
    if (rows.length === 0 || readable.length > 0) return readable.map(toCapture);
    after = rows.at(-1)!.sequence;
  }
}
