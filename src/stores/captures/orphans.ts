// Blobs in the captures' folder that no capture names. A server leaves some behind that dies while
// it captures a run, before the capture is written down, or while it deletes a capture, after its
// row is gone.

import { type BlobStore, ORPHAN_AGE, type StoredBlob } from '../blobs/blobs.ts';
import { between, type Instant } from '../../domain/time.ts';
import { blobNameOf, type CaptureStore, everyCapture } from './captures.ts';

/**
 * The blobs, older than ORPHAN_AGE, that no capture names. Somebody else's files are none of them.
 */
export async function orphansIn(
  blobs: Pick<BlobStore, 'list'>,
  store: Pick<CaptureStore, 'all'>,
  now: Instant,
): Promise<StoredBlob[]> {
  const old: StoredBlob[] = [];
  for await (const blob of blobs.list()) {
    if (blobNameOf(blob.key) !== null && between(blob.storedAt, now) > ORPHAN_AGE) old.push(blob);
  }
  if (old.length === 0) return [];
  // After the blobs: a capture that comes meanwhile has younger ones.
  const named = new Set<string>();
  for await (const { blobName } of everyCapture(store)) named.add(blobName);
  return old.filter(({ key }) => !named.has(blobNameOf(key)!));
}
