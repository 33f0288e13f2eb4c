import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEPTH_MAX, FAILED, openScan, scanValue, skipSpace } from '../../../src/table/json/scan.ts';
import { bytesOf } from '../text.ts';

function accepts(text: string): boolean {
  const scan = openScan(bytesOf(text));
  const end = scanValue(scan, skipSpace(scan, 0), 1);
  return end !== FAILED && skipSpace(scan, end) === scan.end;
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

// Pieces that make JSON, or nearly: any row of them is a document JSON.parse takes or refuses.
const PIECES = String.raw`{ } [ ] , : " \ a "a" "a": 0 1 - + . e E 00 1.5 -0 1e5 1E+5 true false null nul NaN Infinity
  \n \" \u \u00e9 \uD800 \x é 名 😀 / ' // [] {} [1] {"a":1}`
  .split(/\s+/)
  .concat(' ', '\n', '\r', '\t', '\v', '\u00a0', '\uFEFF', '\u2028', '\u0001', '\u007f');

describe('the JSON scanner', () => {
  test('takes and refuses what JSON.parse takes and refuses', () => {
    const document = fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(document, (text) => {
        expect(accepts(text)).toBe(parses(text));
      }),
      { numRuns: 20_000 },
    );
  });

  test('takes and refuses what JSON.parse does where one character of a document was changed', () => {
    const changed = fc
      .tuple(fc.json({ maxDepth: 4 }), fc.nat(), fc.constantFrom('', ...PIECES))
      .map(([json, at, piece]) => {
        const place = at % json.length;
        return json.slice(0, place) + piece + json.slice(place + 1);
      });
    fc.assert(
      fc.property(changed, (text) => {
        // Cutting a pair of surrogates in half makes a text that has no UTF-8.
        fc.pre(text.isWellFormed());
        expect(accepts(text)).toBe(parses(text));
      }),
      { numRuns: 10_000 },
    );
  });

  test('takes any value however it is indented', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 1, '\t'), (value, indent) => {
        expect(accepts(JSON.stringify(value, null, indent))).toBe(true);
      }),
    );
  });

  test(`takes ${DEPTH_MAX} levels and refuses one more`, () => {
    expect(accepts('['.repeat(DEPTH_MAX) + ']'.repeat(DEPTH_MAX))).toBe(true);
    expect(accepts('['.repeat(DEPTH_MAX + 1) + ']'.repeat(DEPTH_MAX + 1))).toBe(false);
    expect(accepts('{"a":'.repeat(DEPTH_MAX) + '1' + '}'.repeat(DEPTH_MAX))).toBe(true);
    expect(accepts('{"a":'.repeat(DEPTH_MAX + 1) + '1' + '}'.repeat(DEPTH_MAX + 1))).toBe(false);
  });
});
