// LZ4 as bytes: what its parts mean, and what is refused. What real programs write is read in
// compression.test.ts.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BadLz4, decompressBlock, decompressFrame } from '../../../src/table/arrow/lz4.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
/** A token: how many bytes stand behind it, and how many more than four are repeated then. */
const token = (literals: number, repeated: number): number => (literals << 4) | repeated;

const ABC = [token(3, 0), ...Buffer.from('abc')];
/** "abc" four times, and "xy". */
const BLOCK = Uint8Array.of(token(3, 5), ...Buffer.from('abc'), 3, 0, token(2, 0), ...Buffer.from('xy'));
const BLOCK_TEXT = 'abcabcabcabcxy';

/** A frame of blocks, each as its length with its bytes. */
function frameOf(flags: number, blocks: readonly (readonly number[])[], end: readonly number[] = []): Uint8Array {
  const lengths = (flags & 0x08) === 0 ? [] : Array.from({ length: 8 }, () => 0);
  return Uint8Array.from([0x04, 0x22, 0x4d, 0x18, flags, 0x40, ...lengths, 0, ...blocks.flat(), 0, 0, 0, 0, ...end]);
}
const block = (bytes: ArrayLike<number>): number[] => [bytes.length, 0, 0, 0, ...Array.from(bytes)];
const stored = (bytes: ArrayLike<number>): number[] => [bytes.length, 0, 0, 0x80, ...Array.from(bytes)];

describe('a block', () => {
  test('has bytes as they are, and says which are repeated', () => {
    expect(text(decompressBlock(BLOCK, 14))).toBe(BLOCK_TEXT);
  });

  test('may have runs of any length', () => {
    const long = Uint8Array.of(token(15, 15), 255, 30, ...Buffer.alloc(300, 'a'), 1, 0, 255, 255, 0, token(0, 0));
    expect(text(decompressBlock(long, 300 + 4 + 15 + 510))).toBe('a'.repeat(829));
  });

  test('may be empty', () => {
    expect(decompressBlock(Uint8Array.of(0), 0)).toHaveLength(0);
  });

  test('is refused where it is cut short anywhere', () => {
    for (let length = 0; length < BLOCK.length; length += 1)
      expect(() => decompressBlock(BLOCK.subarray(0, length), 14), `${length} bytes`).toThrow(BadLz4);
  });

  test.each([
    ['repeats what is before its start', [...ABC.with(0, token(3, 0)), 4, 0, token(0, 0)], 7, /that are not there$/],
    ['repeats what it is about to write', [...ABC, 0, 0, token(0, 0)], 7, /that are not there$/],
    ['repeats more than there is room for', BLOCK, 11, /become more$/],
    ['has more bytes than there is room for', BLOCK, 13, /become more$/],
    ['has fewer bytes than it should', BLOCK, 15, /become 14$/],
    ['ends with a run whose length goes on', [token(15, 0), 255, 255], 1_000, /cut short$/],
  ])('that %s is refused', (_, bytes, length, reason) => {
    expect(() => decompressBlock(Uint8Array.from(bytes), length)).toThrow(reason);
  });
});

describe('a frame', () => {
  test('has blocks that are compressed and blocks that are not, which may refer to those before them', () => {
    const again = [token(0, 10), 14, 0, token(0, 0)];
    const frame = frameOf(0x40, [block(BLOCK), stored(Buffer.from('---')), block([token(0, 10), 17, 0, 0])]);
    expect(text(decompressFrame(frame, 31))).toBe(`${BLOCK_TEXT}---${BLOCK_TEXT}`);
    expect(text(decompressFrame(frameOf(0x40, [block(BLOCK), block(again)]), 28))).toBe(BLOCK_TEXT.repeat(2));
  });

  test('may have its length and checksums in it', () => {
    const checked = [...block(BLOCK), 1, 2, 3, 4];
    expect(text(decompressFrame(frameOf(0x40 | 0x1c, [checked, checked], [5, 6, 7, 8]), 28))).toBe(
      BLOCK_TEXT.repeat(2),
    );
  });

  test('may be empty', () => {
    expect(decompressFrame(frameOf(0x60, []), 0)).toHaveLength(0);
  });

  test('is refused where it is cut short anywhere', () => {
    const frame = frameOf(0x5c, [[...block(BLOCK), 1, 2, 3, 4]], [5, 6, 7, 8]);
    for (let length = 0; length < frame.length; length += 1)
      expect(() => decompressFrame(frame.subarray(0, length), 14), `${length} bytes`).toThrow(BadLz4);
  });

  test.each([
    ['is none', Buffer.from('no frame of LZ4'), 14, 'they do not start as a frame does'],
    ['is of another version', frameOf(0x80, [block(BLOCK)]), 14, 'they do not start as a frame does'],
    ['needs a dictionary', frameOf(0x41, [block(BLOCK)]), 14, 'they need a dictionary, which is not sent with them'],
    ['has bytes after its end', frameOf(0x40, [block(BLOCK)], [0, 0]), 14, '2 bytes stand after their end'],
    ['becomes more than it should', frameOf(0x40, [block(BLOCK), stored([1])]), 14, 'they become more'],
    ['becomes fewer than it should', frameOf(0x40, [block(BLOCK)]), 20, 'they become 14'],
    ['has blocks without bytes and no end', frameOf(0x40, [stored([])]).subarray(0, -4), 0, 'they are cut short'],
    ['has a block that is longer than it', frameOf(0x40, [[0xff, 0xff, 0xff, 0x7f]]), 14, 'they are cut short'],
  ])('that %s is refused', (_, bytes, length, reason) => {
    expect(() => decompressFrame(bytes, length)).toThrow(reason);
  });
});

test('any bytes become as many as they should, or are refused', () => {
  const start = Uint8Array.of(0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(200), (bytes, length) => {
      for (const [decompress, given] of [
        [decompressBlock, bytes],
        [decompressFrame, bytes],
        [decompressFrame, Buffer.concat([start, bytes])],
        [decompressFrame, frameOf(0x40, [block(bytes)])],
      ] as const) {
        try {
          expect(decompress(given, length)).toHaveLength(length);
        } catch (error) {
          expect(error).toBeInstanceOf(BadLz4);
        }
      }
    }),
    { numRuns: 3_000 },
  );
});
