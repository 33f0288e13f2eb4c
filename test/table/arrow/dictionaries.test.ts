import * as flechette from '@uwdata/flechette';
import { expect, test } from 'vitest';
import { DictionaryReader } from '../../../src/table/arrow/dictionaries.ts';
import { readSchema } from '../../../src/table/arrow/schema.ts';
import { readMessages } from '../../../src/table/arrow/stream.ts';
import { arrowOf } from './tables.ts';

/**
 * Reads the dictionaries of a table with two of them, whose values have so many characters as JSON.
 */
function readWithRoomFor(chars: number): number {
  const colour = ['red', 'green', null, 'red'];
  const [schema, ...others] = readMessages(
    arrowOf({
      colour: [colour, flechette.dictionary(flechette.utf8())],
      mark: [['\0', 'x', 'x', 'x'], flechette.dictionary(flechette.utf8())],
    }),
  );
  const reader = new DictionaryReader(readSchema(schema!), chars);
  for (const message of others) if (message.kind === 'dictionary') reader.add(message);
  return reader.values.size;
}

test('dictionaries are bounded by what all their values are as JSON', () => {
  const chars = ['"red"', '"green"', '"\\u0000"', '"x"'].join('').length;
  expect(readWithRoomFor(chars)).toBe(2);
  expect(() => readWithRoomFor(chars - 1)).toThrow(
    `The column "mark" has a dictionary with which all of them are longer than ${chars - 1} characters of JSON; send several tables.`,
  );
});
