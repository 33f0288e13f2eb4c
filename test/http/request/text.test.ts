import { describe, expect, test } from 'vitest';
import { halfPairErrors, lineErrors } from '../../../src/http/request/text.ts';

describe('a name, a key or an address is refused', () => {
  test.each(['\n', '\r', '\t', '\u{1b}', '\u{7f}', '\u{85}'])('with the control character %j in it', (character) => {
    expect(lineErrors('/run_name', `a${character}b`)).toEqual([
      { pointer: '/run_name', detail: 'holds a control character' },
    ]);
  });

  test.each(['\0', '\ud800', '\udc00'])('with %j in it, which no store takes as it is', (character) => {
    expect(lineErrors('/run_name', `a${character}b`)).toMatchObject([{ pointer: '/run_name' }]);
  });

  test.each(['', 'Müller', '日本', '😀', 'a b', '\u2028'])('not for %j', (text) => {
    expect(lineErrors('/run_name', text)).toEqual([]);
  });
});

describe('half a surrogate pair is found', () => {
  test.each<[unknown, string]>([
    ['\ud800', ''],
    [{ a: '\udc00' }, '/a'],
    [{ a: { b: ['', '\ud800'] } }, '/a/b/1'],
    [{ a: 1, '\ud800': 2 }, '/\ufffd'],
    [['😀', { 'a/b': '\ud83d' }], '/1/a~1b'],
  ])('in %j', (value, pointer) => {
    expect(halfPairErrors('', value)).toEqual([{ pointer, detail: 'holds half a surrogate pair' }]);
  });

  test('nowhere in what is well-formed, NUL included', () => {
    expect(halfPairErrors('', { a: ['😀', '\0', null, 1, true] })).toEqual([]);
  });
});
