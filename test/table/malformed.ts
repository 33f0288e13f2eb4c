// Tables that must be refused, and what the refusal must say.
import type { TableFormat } from '../../src/table/format.ts';
import { bytesOf, raw } from './text.ts';

export interface Malformed {
  readonly what: string;
  readonly format: TableFormat;
  readonly bytes: Uint8Array;
  /** Pieces of the message. */
  readonly says: readonly string[];
  readonly row: number | null;
  readonly line: number | null;
  readonly pointer: string;
}

function csv(
  what: string,
  text: string | Uint8Array,
  row: number | null,
  line: number | null,
  ...says: string[]
): Malformed {
  const bytes = typeof text === 'string' ? bytesOf(text) : text;
  return { what, format: 'csv', bytes, says, row, line, pointer: line === null ? '' : `line ${line}` };
}

function jsonl(what: string, text: string | Uint8Array, line: number, row: number, ...says: string[]): Malformed {
  const bytes = typeof text === 'string' ? bytesOf(text) : text;
  return { what, format: 'jsonl', bytes, says: [`Line ${line} `, ...says], row, line, pointer: `line ${line}` };
}

function json(
  what: string,
  text: string,
  place: { row?: number; line?: number; pointer?: string },
  ...says: string[]
): Malformed {
  const { row = null, line = null } = place;
  return {
    what,
    format: 'json',
    bytes: bytesOf(text),
    says,
    row,
    line,
    pointer: place.pointer ?? (line === null ? '' : `line ${line}`),
  };
}

const DEEP = `${'['.repeat(64)}${']'.repeat(64)}`;

export const MALFORMED: readonly Malformed[] = [
  csv('zero bytes', '', null, null, 'empty', 'needs a header line'),
  csv('a byte order mark alone', '\uFEFF', null, null, 'needs a header line'),
  csv('blank lines alone', '\n\r\n\n', null, null, 'needs a header line'),
  csv(
    'a row with too few values',
    'a,b,c\n1,2,3\n4,5\n',
    2,
    3,
    'Row 2 (line 3)',
    '2 values',
    '3 columns',
    'empty ones',
  ),
  csv('a row with too many values', 'a,b\n1,2,3\n', 1, 2, 'Row 1 (line 2)', '3 values', '2 columns', 'quotes'),
  csv('a row with one value', 'a,b\n1\n', 1, 2, '1 value where'),
  csv('two values under one name', 'a\n1,2\n', 1, 2, '2 values', '1 column;'),
  csv('a line of spaces', 'a,b\n1,2\n \n', 2, 3, '1 value'),
  csv('a ragged row after a value of three lines', 'a,b\n"x\ny\r\nz",1\n2\n', 2, 5, 'Row 2 (line 5)'),
  csv('a ragged row after blank lines', 'a,b\n\n\n1,2\n\n3\n', 2, 6, 'Row 2 (line 6)'),
  csv('a quote never closed', 'a,b\n1,2\n3,"4\n5,6\n', 2, 3, 'quote that opens on line 3', 'row 2', 'never closed'),
  csv('a quote never closed at the very end', 'a\n"', 1, 2, 'quote that opens on line 2'),
  csv('a quote never closed after a doubled one', 'a\n"x""', 1, 2, 'quote that opens on line 2'),
  csv('a quote never closed in the header', 'a,"b\n1,2\n', null, 1, 'quote that opens on line 1', 'the header'),
  csv('text after a closing quote', 'a,b\n"x"y,2\n', 1, 2, 'Row 1 (line 2)', 'after a closing quote', 'two quotes'),
  csv('a space after a closing quote', 'a,b\n"x" ,2\n', 1, 2, 'after a closing quote'),
  csv('text after a closing quote in the header', '"a"b,c\n', null, 1, 'The header (line 1)', 'after a closing quote'),
  csv('a carriage return alone', 'a,b\n1,x\ry\n', 1, 2, 'Row 1 (line 2)', 'carriage return', 'LF or CRLF'),
  csv('old Mac line ends', 'a,b\r1,2\r', null, 1, 'The header (line 1)', 'carriage return'),
  csv('a carriage return at the end of the bytes', 'a\n1\r', 1, 2, 'carriage return'),
  csv('a carriage return after a closing quote', 'a\n"1"\rx\n', 1, 2, 'carriage return'),
  csv('one empty name', 'a,,c\n1,2,3\n', null, 1, 'Column 2 of the header has no name', 'index=False'),
  csv('several empty names', ',a,""\n', null, 1, 'Columns 1, 3 of the header have no name'),
  csv('more empty names than a message should list', ',,,,,,,\n', null, 1, 'Columns 1, 2, 3, 4, 5 and 3 more'),
  csv('a name twice', 'a,b,a\n1,2,3\n', null, 1, 'names "a" more than once'),
  csv('a name twice, once in quotes, after a byte order mark', '\uFEFFa,"a"\n', null, 1, 'names "a" more than once'),
  csv('two names twice', 'a,b,b,a\n', null, 1, 'names "b", "a" more than once'),
  csv('NUL in a value', 'a,b\n1,2\n3,\0\n', 2, 3, 'Row 2 (line 3)', 'NUL', 'UTF-8'),
  csv('NUL in quotes', 'a\n"\0"\n', 1, 2, 'NUL'),
  csv(
    'UTF-16 with a byte order mark',
    raw(0xff, 0xfe, 'a', 0, ',', 0),
    null,
    1,
    'The header (line 1)',
    'not valid UTF-8',
    'UTF-16',
  ),
  csv('UTF-16 without one', raw('a', 0, ',', 0, 'b', 0), null, 1, 'NUL', 'UTF-16'),
  csv('Latin-1', raw('a,b\n1,2\ncaf', 0xe9, ',3\n'), 2, 3, 'Row 2 (line 3)', 'not valid UTF-8', 'Latin-1'),
  csv('Latin-1 in quotes', raw('a\n"caf', 0xe9, '"\n'), 1, 2, 'not valid UTF-8'),
  csv('a UTF-8 character cut short', raw('a\n', 0xe2, 0x82), 1, 2, 'not valid UTF-8'),
  csv('a surrogate in UTF-8', raw('a\n', 0xed, 0xa0, 0x80, '\n'), 1, 2, 'not valid UTF-8'),
  csv('an overlong slash', raw('a\n', 0xc0, 0xaf, '\n'), 1, 2, 'not valid UTF-8'),
  csv('a code point over the last', raw('a\n', 0xf4, 0x90, 0x80, 0x80, '\n'), 1, 2, 'not valid UTF-8'),

  jsonl('an array', '{"a":1}\n\n[1]\n', 3, 2, 'not an object', 'on each line'),
  jsonl('a string', '"secret"', 1, 1, 'not an object'),
  jsonl('null', 'null', 1, 1, 'not an object'),
  jsonl('bare text', 'secret\n', 1, 1, 'byte 1 of the line'),
  jsonl('an object over two lines', '{"a":1,\n"b":2}\n', 1, 1, 'name of a member', 'on each line'),
  jsonl('a string over two lines', '{"a":"x\ny"}\n', 1, 1, 'string'),
  jsonl('an object cut short', '{"a":1}\n{"a":1', 2, 2, 'closing brace'),
  jsonl('two objects on a line', '{"a":1}{"a":2}', 1, 1, 'after the value', 'byte 8'),
  jsonl('two objects with a carriage return between', '{"a":1}\r{"a":2}', 1, 1, 'after the value'),
  jsonl('a comma after the last member', '{"a":1,}', 1, 1, 'name of a member'),
  jsonl('a comma after the object', '{"a":1},\n{"a":2}\n', 1, 1, 'after the value'),
  jsonl('single quotes', "{'a':1}", 1, 1, 'double quotes'),
  jsonl('no colon', '{"a" 1}', 1, 1, 'colon'),
  jsonl('no value', '{"a":}', 1, 1, 'where a value should'),
  jsonl('no comma', '{"a":1 "b":2}', 1, 1, 'comma'),
  jsonl("Python's NaN", '{"a":NaN}', 1, 1, 'NaN is not JSON', 'null'),
  jsonl("Python's -Infinity", '{"a":[-Infinity]}', 1, 1, '-Infinity is not JSON'),
  jsonl("Python's None", '{"a":None}', 1, 1, 'where a value should'),
  jsonl("Python's True", '{"a":True}', 1, 1, 'where a value should'),
  jsonl('a word cut short', '{"a":nul}', 1, 1, 'where a value should'),
  jsonl('a leading zero', '{"a":00123}', 1, 1, 'zero', 'quote it'),
  jsonl('a plus sign', '{"a":+1}', 1, 1, 'where a value should'),
  jsonl('no digit after the point', '{"a":1.}', 1, 1, 'decimal point'),
  jsonl('no digit in the exponent', '{"a":1e+}', 1, 1, 'exponent'),
  jsonl('a minus alone', '{"a":-}', 1, 1, 'where a value should'),
  jsonl('a tab in a string', '{"a":"\t"}', 1, 1, 'control character'),
  jsonl('an escape JSON has not', '{"a":"\\x41"}', 1, 1, 'escape'),
  jsonl('a short \\u escape', '{"a":"\\u12"}', 1, 1, 'hexadecimal'),
  jsonl('a \\u escape with a g', '{"a":"\\u00g0"}', 1, 1, 'hexadecimal'),
  jsonl('an array not closed', '{"a":[1,2}', 1, 1, 'closing bracket'),
  jsonl('Latin-1', raw('{"a":"caf', 0xe9, '"}'), 1, 1, 'not UTF-8'),
  jsonl('NUL', raw('{"a":1}\n', 0, '\n'), 2, 2, 'where a value should'),
  jsonl('65 levels', `{"a":${DEEP}}`, 1, 1, 'deeper than 64 levels'),

  json('zero bytes', '', {}, 'empty', '[]'),
  json('white space alone', ' \n ', {}, 'empty'),
  json('a number', '3', {}, 'not an array'),
  json('an object without instances', '{"rows":[]}', {}, 'without "instances"'),
  json('instances that are no array', '{"instances":{"a":1}}', { pointer: '/instances' }, 'not an array'),
  json('instances twice', '{"instances":[],"instances":[]}', {}, 'more than once'),
  json(
    'a member beside instances',
    '{"instances":[],"signature_name":"x"}',
    {},
    '"signature_name" beside "instances"',
    'leave it out',
  ),
  json(
    'an element that is a number',
    '[{"a":1},\n{"a":2}, 3]',
    { row: 3, pointer: '/2' },
    'Row 3',
    '(/2)',
    'not an object',
  ),
  json('an element that is an array', '[["secret"]]', { row: 1, pointer: '/0' }, 'not an object'),
  json('an element that is null', '[{},null]', { row: 2, pointer: '/1' }, 'not an object'),
  json(
    'an instance that is a string',
    '{"instances":["secret"]}',
    { row: 1, pointer: '/instances/0' },
    '(/instances/0)',
    'not an object',
  ),
  json('an array not closed', '[{"a":1}', { line: 1 }, 'closing bracket', 'byte 9'),
  json('an array opened only', '[', { line: 1 }, 'value is missing'),
  json('a comma after the last element', '[{"a":1},\n]', { line: 2 }, 'where a value should', 'line 2'),
  json('text after the array', '[]\n\n[]', { line: 3 }, 'after the value', 'line 3'),
  json('text after the instances', '{"instances":[]}x', { line: 1 }, 'after the value'),
  json('JSON Lines', '{"a":1}\n{"a":2}\n', { line: 2 }, 'after the value'),
  json('a broken element', '[{"a":1},\n{"a":secret}]', { line: 2 }, 'where a value should'),
  json('65 levels', `[{"a":${DEEP}}]`, { line: 1 }, 'deeper than 64 levels'),
  json('65 levels in instances', `{"instances":[{"a":${DEEP}}]}`, { line: 1 }, 'deeper than 64 levels'),
  json('a flood of brackets', '['.repeat(1_000_000), { line: 1 }, 'deeper than 64 levels'),
];

/** The row is named first here, as in a CSV. */
const twice = (what: string, text: string, line: number, row: number, ...says: string[]): Malformed => ({
  ...jsonl(what, text, line, row),
  says: [`Row ${row} (line ${line})`, ...says],
});

/**
 * Rows with a name twice: what reads JSON takes the last of two values, so that the other is lost
 * without a word.
 */
export const NAMED_TWICE: readonly Malformed[] = [
  twice('a name twice', '{"a":1}\n{}\n\n{"b":1,"a":2,"a":2}\n', 4, 3, 'names "a" more than once', 'of its own'),
  twice('a name twice, once with an escape', '{"a":1,"\\u0061":2}', 1, 1, 'names "a" more than once'),
  twice('a name twice, in rows that change their order', '{"a":1,"b":2}\n{"b":1,"b":2}', 2, 2, 'names "b"'),
  json(
    'a name twice',
    '[{"a/b":1},{},{"a/b":1,"c":2,"a/b":3}]',
    { row: 3, pointer: '/2/a~1b' },
    'Row 3 of the JSON table (/2)',
    'names "a/b" more than once',
  ),
  json(
    'a name twice in an instance',
    '{"instances":[{"a":1,"a":1}]}',
    { row: 1, pointer: '/instances/0/a' },
    '(/instances/0)',
  ),
];
