// What every blob driver must do. A driver's test file opens it, and damages it where only it knows
// how.

import { beforeEach, describe, expect, test } from 'vitest';
import { BlobDamaged, type BlobStore, inputKey, outputKey } from '../../../src/stores/blobs/blobs.ts';
import { newRunId } from '../../../src/system/clock.ts';
import { sha256 } from '../../../src/domain/digest.ts';
import type { BlobKey, ByteRange, PayloadFacts } from '../../../src/domain/payload.ts';

/** The facts of bytes, as they are kept beside a key. */
export const factsOf = (bytes: Uint8Array): PayloadFacts => ({
  contentType: 'application/octet-stream',
  bytes: bytes.length,
  sha256: sha256(bytes),
});

/** Bytes of a length, different for every seed. */
export const someBytes = (length: number, seed = 0): Uint8Array =>
  Uint8Array.from({ length }, (_, place) => (place * 31 + seed * 7 + (place >> 8)) % 256);

/** A store under test. `damage` changes the bytes under a key behind its back. */
export interface BlobsUnderTest {
  readonly blobs: BlobStore;
  damage(key: BlobKey, change: (bytes: Buffer) => Uint8Array): Promise<void>;
}

/** Everything that comes, as a list. */
export async function allOf<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Runs the suite against a driver that `open` opens afresh for every test. */
export function describeBlobs(name: string, open: () => Promise<BlobsUnderTest>): void {
  describe(`${name} blobs`, () => {
    let blobs: BlobStore;
    let damage: BlobsUnderTest['damage'];

    beforeEach(async () => {
      ({ blobs, damage } = await open());
    });

    /** Bytes in chunks, as a socket would bring them. */
    async function* inChunks(bytes: Uint8Array, length = 10_000): AsyncGenerator<Uint8Array> {
      for (let start = 0; start < bytes.length; start += length) yield bytes.subarray(start, start + length);
    }
    const streamed = async (key: BlobKey, bytes: Uint8Array, range?: ByteRange): Promise<Buffer> =>
      Buffer.concat(await allOf<Uint8Array>(await blobs.stream(key, factsOf(bytes), range)));

    test.each([0, 1, 1_000, 1_024 * 1_024])('%i bytes come back as they were', async (length) => {
      const key = inputKey(newRunId());
      const bytes = someBytes(length);
      await blobs.put(key, bytes);
      expect(Buffer.compare(await blobs.get(key, factsOf(bytes)), bytes)).toBe(0);
    });

    test('a part of a larger buffer is stored, and nothing of what lies around it', async () => {
      const key = inputKey(newRunId());
      const part = someBytes(100).subarray(10, 20);
      await blobs.put(key, part);
      expect(Buffer.compare(await blobs.get(key, factsOf(part)), part)).toBe(0);
    });

    test('many at once each come back as they were', async () => {
      const all = Array.from({ length: 50 }, (_, seed) => ({
        key: inputKey(newRunId()),
        bytes: someBytes(5_000, seed),
      }));
      await Promise.all(all.map(({ key, bytes }) => blobs.put(key, bytes)));
      for (const { key, bytes } of all) expect(Buffer.compare(await blobs.get(key, factsOf(bytes)), bytes)).toBe(0);
    });

    test('the same key again holds the new bytes, and the old ones are damage', async () => {
      const key = inputKey(newRunId());
      const [old, fresh] = [someBytes(10, 1), someBytes(20, 2)];
      await blobs.put(key, old);
      await blobs.put(key, fresh);
      expect(Buffer.compare(await blobs.get(key, factsOf(fresh)), fresh)).toBe(0);
      await expect(blobs.get(key, factsOf(old))).rejects.toThrow(BlobDamaged);
    });

    test("a run's input and the outputs of its attempts do not touch each other", async () => {
      const runId = newRunId();
      const keys = [inputKey(runId), outputKey(runId, 1), outputKey(runId, 2), outputKey(runId, 11)];
      for (const [seed, key] of keys.entries()) await blobs.put(key, someBytes(8, seed));
      await blobs.delete(outputKey(runId, 1));
      for (const [seed, key] of keys.entries()) {
        const got = blobs.get(key, factsOf(someBytes(8, seed)));
        if (seed === 1) await expect(got).rejects.toThrow(BlobDamaged);
        else expect(Buffer.compare(await got, someBytes(8, seed))).toBe(0);
      }
    });

    test('what was deleted is gone, and may be deleted again', async () => {
      const key = inputKey(newRunId());
      await blobs.put(key, someBytes(10));
      await blobs.delete(key);
      await blobs.delete(key);
      await expect(blobs.get(key, factsOf(someBytes(10)))).rejects.toThrow(BlobDamaged);
    });

    test('a key that was never stored is damage that says so, and may be deleted', async () => {
      const key = inputKey(newRunId());
      await expect(blobs.get(key, factsOf(someBytes(10)))).rejects.toThrow(/missing/);
      await blobs.delete(key);
    });

    test.each([
      [
        'one bit of them is another',
        (bytes: Buffer) => {
          bytes[bytes.length >> 1]! ^= 1;
          return bytes;
        },
      ],
      ['their end is missing', (bytes: Buffer) => bytes.subarray(0, -1)],
      ['all of them are missing', () => new Uint8Array(0)],
      ['there are more of them', (bytes: Buffer) => Buffer.concat([bytes, Buffer.of(0)])],
      ['two of them have changed places', (bytes: Buffer) => Buffer.concat([bytes.subarray(1), bytes.subarray(0, 1)])],
    ])('bytes are never handed out where %s', async (_, change) => {
      const key = inputKey(newRunId());
      const bytes = someBytes(100_000);
      await blobs.put(key, bytes);
      await damage(key, change);
      await expect(blobs.get(key, factsOf(bytes))).rejects.toThrow(BlobDamaged);
      await expect(blobs.verify(key, factsOf(bytes))).rejects.toThrow(BlobDamaged);
      await expect(streamed(key, bytes)).rejects.toThrow(BlobDamaged);
      await expect(streamed(key, bytes, { from: 0, to: 10 })).rejects.toThrow(BlobDamaged);
      await expect(blobs.get(key, factsOf(bytes), { from: 0, to: 10 })).rejects.toThrow(BlobDamaged);
    });

    test.each([
      ['another one was read', { from: 0, to: 10 }],
      ['all of them were read', undefined],
    ])('a range is not handed out where the bytes were damaged after %s', async (_, range) => {
      const key = inputKey(newRunId());
      const bytes = someBytes(100_000);
      await blobs.put(key, bytes);
      await streamed(key, bytes, range);
      await damage(key, (stored) => stored.fill(0, 50_000, 50_010));
      await expect(streamed(key, bytes, { from: 0, to: 10 })).rejects.toThrow(BlobDamaged);
      await expect(blobs.get(key, factsOf(bytes), { from: 0, to: 10 })).rejects.toThrow(BlobDamaged);
    });

    test.each([0, 1, 1_000_000])('%i bytes are verified without being handed out', async (length) => {
      const key = inputKey(newRunId());
      await blobs.put(key, someBytes(length));
      await blobs.verify(key, factsOf(someBytes(length)));
      await expect(blobs.verify(inputKey(newRunId()), factsOf(someBytes(length)))).rejects.toThrow(/missing/);
    });

    test.each([0, 1, 10_000, 1_000_001])(
      '%i bytes that come in chunks are stored as they are, and known by their hash',
      async (length) => {
        const key = inputKey(newRunId());
        const bytes = someBytes(length);
        const { sha256: digest } = factsOf(bytes);
        expect(await blobs.putStream(key, inChunks(bytes))).toEqual({ bytes: length, sha256: digest });
        expect(Buffer.compare(await blobs.get(key, factsOf(bytes)), bytes)).toBe(0);
        expect(Buffer.compare(await streamed(key, bytes), bytes)).toBe(0);
      },
    );

    test('chunks that end in an error leave nothing, and what was under the key before stays', async () => {
      const [key, other] = [inputKey(newRunId()), inputKey(newRunId())];
      await blobs.put(other, someBytes(10));
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield someBytes(100_000);
        throw new Error('The client is gone.');
      }
      await expect(blobs.putStream(key, broken())).rejects.toThrow('The client is gone.');
      await expect(blobs.putStream(other, broken())).rejects.toThrow('The client is gone.');
      await expect(blobs.get(key, factsOf(someBytes(100_000)))).rejects.toThrow(/missing/);
      expect(Buffer.compare(await blobs.get(other, factsOf(someBytes(10))), someBytes(10))).toBe(0);
    });

    test('a chunk that found no room is written again when it is insisted on, and all of it is there', async () => {
      const key = inputKey(newRunId());
      const bytes = someBytes(50_000);
      let calls = 0;
      const stored = await blobs.putStream(key, inChunks(bytes), async (work) => {
        calls += 1;
        await work();
        return work();
      });
      expect(calls).toBe(5);
      expect(stored).toEqual({ bytes: bytes.length, sha256: factsOf(bytes).sha256 });
      expect(Buffer.compare(await blobs.get(key, factsOf(bytes)), bytes)).toBe(0);
    });

    test.each([
      [0, 1],
      [0, 1_000_000],
      [999_999, 1_000_000],
      [123_456, 654_321],
    ])('a range is the bytes from %i up to %i', async (from, to) => {
      const key = inputKey(newRunId());
      const bytes = someBytes(1_000_000);
      await blobs.put(key, bytes);
      // Twice: the second one finds them verified.
      for (const _ of ['once', 'again']) {
        expect(Buffer.compare(await streamed(key, bytes, { from, to }), bytes.subarray(from, to))).toBe(0);
        expect(Buffer.compare(await blobs.get(key, factsOf(bytes), { from, to }), bytes.subarray(from, to))).toBe(0);
      }
    });

    test('a stream that nobody reads to its end can be destroyed', async () => {
      const key = inputKey(newRunId());
      const bytes = someBytes(1_000_000);
      await blobs.put(key, bytes);
      for (const range of [undefined, { from: 1, to: 900_000 }]) {
        const [unread, begun] = [
          await blobs.stream(key, factsOf(bytes), range),
          await blobs.stream(key, factsOf(bytes), range),
        ];
        unread.destroy();
        for await (const _ of begun) break;
        expect([unread.destroyed, begun.destroyed]).toEqual([true, true]);
      }
      await blobs.delete(key);
      await expect(blobs.stream(key, factsOf(bytes))).rejects.toThrow(/missing/);
    });

    test('everything that is stored is listed, with its length, and nothing else', async () => {
      const list = async () => new Map((await allOf(blobs.list())).map(({ key, bytes }) => [key, bytes]));
      expect(await list()).toEqual(new Map());
      const keys = Array.from({ length: 20 }, () => inputKey(newRunId()));
      await Promise.all(keys.map((key, seed) => blobs.put(key, someBytes(seed))));
      await blobs.delete(keys[0]!);
      expect(await list()).toEqual(new Map(keys.map((key, seed) => [key, seed] as const).slice(1)));
    });

    test('what is listed says when it was stored', async () => {
      const before = Date.now();
      await blobs.put(inputKey(newRunId()), someBytes(1));
      const [stored] = await allOf(blobs.list());
      // A file system counts its time more coarsely than the clock.
      expect(stored!.storedAt).toBeGreaterThan(before - 1_000);
      expect(stored!.storedAt).toBeLessThanOrEqual(Date.now());
    });
  });
}
