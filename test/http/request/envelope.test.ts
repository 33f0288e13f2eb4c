import { describe, expect, test } from 'vitest';
import { ServiceError } from '../../../src/domain/errors.ts';
import { placesOfMembers, readEnvelope } from '../../../src/http/request/envelope.ts';
import { isLongEnvelope, LongEnvelopes } from '../../../src/http/request/long-envelope.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const member = (text: string, name = 'input'): string | null => {
  const found = readEnvelope(bytes(text)).member(name);
  return found === null ? null : new TextDecoder().decode(found);
};

/** The problem that a body is refused with. */
function refusal(body: string | Uint8Array): ServiceError {
  try {
    readEnvelope(typeof body === 'string' ? bytes(body) : body);
  } catch (error) {
    if (error instanceof ServiceError) return error;
    throw error;
  }
  throw new Error('The body was taken.');
}

describe("a member's bytes", () => {
  test.each([
    '9007199254740993',
    '-9007199254740993',
    '1e400',
    '-0',
    '0.1000000000000000055511151231257827',
    '1.50',
    '"caf\\u00e9"',
    '"café"',
    '"\\u0000"',
    '"\\ud800"',
    '"\u2028"',
    '{"a": 1,   "a": 2}',
    '[ 1 ,\n\t2 ]',
    '{"__proto__":{"polluted":true}}',
    'null',
    'false',
    '""',
    '{}',
    `"${'x'.repeat(100_000)}"`,
    '1'.repeat(10_000),
  ])('are what was sent: %.40s', (value) => {
    expect(member(`{"input":${value}}`)).toBe(value);
    expect(member(`{"async":true,"input":  ${value}  ,"priority":3}`)).toBe(value);
    expect(member(`\n{ "input" :\r\n${value} }\n`)).toBe(value);
  });

  test.each([
    ['an escaped quote', '"a \\" b"'],
    ['an escaped backslash before its end', '"a \\\\"'],
    ['braces and brackets', '"}{][}}]]"'],
    ['commas and colons', '"a,b:c,\\"input\\":1"'],
    ['a member of the same name inside', '{"input":{"input":1},"x":[{"input":2}]}'],
  ])('are found behind a string with %s', (_, value) => {
    expect(member(`{"before":${value},"input":${value},"after":${value}}`)).toBe(value);
  });

  test('are found under a name that is written with escapes', () => {
    expect(member('{"\\u0069nput":1}')).toBe('1');
  });

  test('are found under the name __proto__, which is a name like any other', () => {
    const envelope = readEnvelope(bytes('{"__proto__":{"polluted":true},"input":1}'));
    expect(Object.keys(envelope.value)).toEqual(['__proto__', 'input']);
    expect((envelope.value as { polluted?: unknown }).polluted).toBeUndefined();
    expect(new TextDecoder().decode(envelope.member('__proto__'))).toBe('{"polluted":true}');
  });

  test('are null where there is no such member, or only one further down', () => {
    expect(member('{}')).toBeNull();
    expect(member('{"other":{"input":1}}')).toBeNull();
    expect(member('{"other":"input"}')).toBeNull();
    expect(member('{"toString":1}', 'valueOf')).toBeNull();
  });
});

describe('a body that is no envelope is refused', () => {
  test.each([
    ['a bare text', '"x"'],
    ['a bare number', '1'],
    ['null', 'null'],
    ['an array', '[{"input":1}]'],
  ])('%s, with what to write in its place', (_, body) => {
    const problem = refusal(body);
    expect(problem.slug).toBe('malformed-body');
    expect(problem.message).toContain('{"input": …}');
  });

  test.each([
    ['a comma after the last member', '{"a":1,}', 'line 1, column 8'],
    ['a comment', '{"a":1 /* one */}', 'line 1, column 8'],
    ['single quotes', "{'a':1}", 'line 1, column 2'],
    ['NaN', '{"a":NaN}', 'line 1, column 6'],
    ['Infinity', '{"a":Infinity}', 'line 1, column 6'],
    ['a word', 'hello', 'line 1, column 1'],
    ['two documents', '{"a":1} {"b":2}', 'line 1, column 9'],
    ['a mistake in the third line', '{\n  "a": 1,\n  "b" 2\n}', 'line 3, column 7'],
    ['a mistake far into it', `{\n"a":"${'y'.repeat(200)}",\n"b":tru,"c":"${'z'.repeat(200)}"}`, 'line 3, column'],
    ['an object that is not closed', '{"a":1', 'line 1, column 7'],
    ['a text that is not closed', '{"a":"b', 'line 1, column'],
    ['a literal that is cut off', '{"a":tru', 'line 1, column 6'],
    ['a byte order mark', '\ufeff{"a":1}', 'line 1, column 1'],
    ['a mistake behind letters of more than one byte', '{"é🧪":1 x}', 'line 1, column'],
    ['a line break inside a string', '{"a":"b\nc"}', 'line 1, column 8'],
  ])('%s, with the place', (_, body, place) => {
    const problem = refusal(body);
    expect(problem.slug).toBe('malformed-body');
    expect(problem.message).toContain(place);
  });

  test.each([
    ['nothing', ''],
    ['white space', ' \n '],
  ])('%s, for what it is', (_, body) => {
    expect(refusal(body).message).toContain('is empty');
  });

  test('one with more members than any has, however many they are', () => {
    const members = (count: number): string =>
      `{${Array.from({ length: count }, (_, place) => `"m${place}":${place}`).join()}}`;
    expect(Object.keys(readEnvelope(Buffer.from(members(100))).value)).toHaveLength(100);
    expect(refusal(members(101)).message).toContain('more than 100 members');
  });

  test('a member that is there twice, with its name', () => {
    expect(refusal('{"input":1,"input":2}').message).toContain('"input" twice');
    expect(refusal('{"input":1,"\\u0069nput":2}').message).toContain('"input" twice');
  });

  test('bytes that are not UTF-8, wherever they stand', () => {
    for (const text of ['{"\xff":1}', '{"a":"caf\xe9"}', '{"input":{"b":["\xc0\x80"]}}', '{"input":"\xed\xa0\x80"}']) {
      const problem = refusal(Buffer.from(text, 'latin1'));
      expect(problem.slug).toBe('malformed-body');
      expect(problem.message).toContain('UTF-8');
      expect(problem.message).toContain('line 1, column');
    }
  });

  test('one that is nested more than 64 levels deep, before any parser has to follow it', () => {
    const nested = (depth: number): string => `{"input":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;
    expect(member(nested(64))).toHaveLength(126);
    expect(refusal(nested(65)).message).toContain('deeper than 64 levels');
    expect(refusal(`{"input":${'['.repeat(1_000_000)}`).message).toContain('deeper than 64 levels');
  });
});

test.each(['{"secret":"hunter2" oops}', '{"secret":"hunter2', '"hunter2" x', 'hunter2', '{"a": hunter2}'])(
  'no message repeats what the body holds: %s',
  (body) => {
    const problem = refusal(body);
    expect(problem.message).not.toContain('hunter2');
    expect(problem.message).not.toContain('hunter');
  },
);

describe('a long envelope', () => {
  test('has its members found in a thread, as a short one has them found at once', async () => {
    const body = bytes(`{"a":1,"input":"${'x'.repeat(2_000_000)}","é":[]}`);
    expect(isLongEnvelope('application/json; charset=utf-8', body)).toBe(true);
    expect(isLongEnvelope('application/json', bytes('{"input":1}'))).toBe(false);
    expect(isLongEnvelope('text/csv', body)).toBe(false);
    expect(await new LongEnvelopes().placesOfMembers(body)).toEqual(placesOfMembers(body));
  });

  test('is refused as a short one is', async () => {
    const body = bytes(`{"input":"${'x'.repeat(2_000_000)}",}`);
    await expect(new LongEnvelopes().placesOfMembers(body)).rejects.toEqual(refusal(body));
  });
});

test('only the bytes of members that are not read are looked at, and the length of those that are too long', () => {
  const text = '{"input":[1],"parameters":{"a":1},"note":"long enough","short":"x"}';
  const read = readEnvelope(bytes(text), { unread: new Set(['input', 'parameters']), valueBytesMax: 10 });
  expect({ ...read.value }).toEqual({ input: null, parameters: {}, short: 'x' });
  expect([...read.tooLong]).toEqual([['note', 13]]);
});
