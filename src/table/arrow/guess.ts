// The type of a column that no schema speaks of: told by all of its values, and never by making one
// of them another.

import { shownName, TableError } from '../format.ts';
import { textUnfitness, unfit } from './fits.ts';
import { fitsInt, isDouble } from './numbers.ts';
import type { ArrowField, ArrowType } from './types.ts';
import { Digits, type Value } from './values.ts';

type Kind = 'bool' | 'number' | 'text' | 'list' | 'struct';

const KIND_WORDS: Readonly<Record<Kind, string>> = {
  bool: 'true or false',
  number: 'a number',
  text: 'text',
  list: 'a list',
  struct: 'an object',
};

const INTEGER = /^(?:-?[1-9]\d*|0)$/;

/** What was seen of a column, or of what is in its lists and objects. */
export class Guess {
  readonly #column: string;
  /** The first row with each kind of value. */
  readonly #kinds = new Map<Kind, number>();
  readonly #members = new Map<string, Guess>();
  #item: Guess | null = null;
  #itemCount = 0;
  #least = 0n;
  #most = 0n;
  #leastRow = 0;
  #mostRow = 0;
  /** The first rows with a number that is no integer, and with an integer that no double is. */
  #fraction: number | null = null;
  #large: number | null = null;

  constructor(column: string) {
    this.#column = column;
  }

  /** Looks at a value; rows count from 0. */
  add(value: Value, row: number): void {
    if (value === null) return;
    const kind = kindOf(value);
    if (!this.#kinds.has(kind)) this.#kinds.set(kind, row);
    if (typeof value === 'string') {
      const fault = textUnfitness(value);
      if (fault !== null) throw unfit(row, this.#column, fault);
    } else if (value instanceof Digits) this.#addNumber(value.text, row);
    else if (Array.isArray(value)) {
      this.#item ??= new Guess(this.#column);
      this.#itemCount += value.length;
      for (const element of value as readonly Value[]) this.#item.add(element, row);
    } else if (value instanceof Map) {
      for (const [name, member] of value as ReadonlyMap<string, Value>) {
        const fault = textUnfitness(name);
        if (fault !== null) throw unfit(row, this.#column, `has a member whose name ${fault}`);
        this.#member(name).add(member, row);
      }
    }
  }

  /**
   * The type that all values have.
   *
   * @throws TableError for a column that has none, with two rows that show it
   */
  type(): ArrowType {
    const [first, second] = [...this.#kinds];
    if (second !== undefined) throw this.#mixture(first!, second);
    switch (first?.[0]) {
      case undefined:
        return { kind: 'null' };
      case 'bool':
        return { kind: 'bool' };
      case 'text':
        return { kind: 'text', layout: 'small' };
      case 'number':
        return this.#numberType();
      case 'list':
        return {
          kind: 'list',
          layout: 'small',
          size: 0,
          item: fieldOf('item', this.#item?.type() ?? { kind: 'null' }),
        };
      case 'struct':
        return { kind: 'struct', fields: [...this.#members].map(([name, guess]) => fieldOf(name, guess.type())) };
    }
  }

  /**
   * How many values a column of so many rows takes, with those in its lists and objects, and the
   * nulls.
   */
  values(length: number): number {
    const items = this.#item?.values(this.#itemCount) ?? 0;
    return [...this.#members.values()].reduce((sum, member) => sum + member.values(length), length + items);
  }

  #member(name: string): Guess {
    const known = this.#members.get(name) ?? new Guess(this.#column);
    this.#members.set(name, known);
    return known;
  }

  #addNumber(text: string, row: number): void {
    if (!INTEGER.test(text)) {
      if (!Number.isFinite(Number(text)))
        throw this.#fault(row, 'a number that no float holds; return a smaller one, or text');
      this.#fraction ??= row;
      return;
    }
    const value = BigInt(text);
    if (value < this.#least) [this.#least, this.#leastRow] = [value, row];
    if (value > this.#most) [this.#most, this.#mostRow] = [value, row];
    if (!isDouble(text, Number(text))) this.#large ??= row;
  }

  #numberType(): ArrowType {
    if (this.#fraction !== null) {
      if (this.#large === null) return { kind: 'float', bits: 64 };
      throw this.#fault(
        this.#large,
        `an integer that no float holds, and in row ${this.#fraction + 1} a number that is no integer; return text, or numbers of one kind`,
      );
    }
    const signed = this.#least < 0n || fitsInt(this.#most, 64, true);
    if (fitsInt(this.#least, 64, signed) && fitsInt(this.#most, 64, signed)) return { kind: 'int', bits: 64, signed };
    // Every one of them is a double, as JavaScript writes those that are whole.
    if (this.#large === null) return { kind: 'float', bits: 64 };
    const tooLow = !fitsInt(this.#least, 64, true);
    const row = tooLow ? this.#leastRow : this.#mostRow;
    const beside = tooLow || this.#least === 0n ? '' : ` beside the negative one in row ${this.#leastRow + 1}`;
    throw this.#fault(row, `an integer that 64 bits do not hold${beside}; return text, or keep to the range of int64`);
  }

  #mixture([kind, row]: readonly [Kind, number], [otherKind, otherRow]: readonly [Kind, number]): TableError {
    return this.#fault(
      row,
      `${KIND_WORDS[kind]} and in row ${otherRow + 1} ${KIND_WORDS[otherKind]}; an Arrow column has one type, so return one, or ask for JSON Lines`,
    );
  }

  #fault(row: number, what: string): TableError {
    return new TableError(`Column ${shownName(this.#column)} has in row ${row + 1} ${what}.`, {
      row: row + 1,
      column: this.#column,
    });
  }
}

function kindOf(value: Exclude<Value, null>): Kind {
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'string') return 'text';
  if (value instanceof Digits) return 'number';
  return Array.isArray(value) ? 'list' : 'struct';
}

/** A new column, or a part of one. */
export function fieldOf(name: string, type: ArrowType): ArrowField {
  return { name, type, nullable: true, notes: null };
}
