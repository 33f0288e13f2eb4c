import fc from 'fast-check';
import { expect, test } from 'vitest';
import { finishBytes, openWriter, utf8End, writeAll, writeText } from '../../src/table/bytes.ts';
import { bytesOf, textOf } from './text.ts';

function isUtf8(bytes: Uint8Array): boolean {
  let at = 0;
  while (at < bytes.length) {
    at = (bytes[at] as number) < 0x80 ? at + 1 : utf8End(bytes, at);
    if (at === -1) return false;
  }
  return at === bytes.length;
}

function decodes(bytes: Uint8Array): boolean {
  try {
    textOf(bytes);
    return true;
  } catch {
    return false;
  }
}

test('bytes are UTF-8 where TextDecoder says so', () => {
  // The bytes at which one rule of UTF-8 ends and the next begins.
  const edges = [
    0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef,
    0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
  ];
  const bytes = fc
    .uint8Array({ maxLength: 6 })
    .chain((random) => fc.array(fc.constantFrom(...edges, ...random), { maxLength: 6 }));
  fc.assert(
    fc.property(bytes, (values) => {
      const tried = Uint8Array.from(values);
      expect(isUtf8(tried)).toBe(decodes(tried));
    }),
    { numRuns: 20_000 },
  );
});

test('a writer holds what was written, short and long, in memory of that size', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.string({ unit: 'grapheme' }),
          fc.nat(400).map((size) => 'é'.repeat(size)),
        ),
      ),
      fc.nat(100),
      (texts, capacity) => {
        const writer = openWriter(capacity);
        for (const text of texts) {
          writeText(writer, text);
          writeAll(writer, bytesOf(text));
        }
        const written = finishBytes(writer);
        expect(textOf(written)).toBe(texts.map((text) => text + text).join(''));
        expect(written.buffer.byteLength).toBe(written.byteLength);
      },
    ),
  );
});
