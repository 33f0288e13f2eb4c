// Reading flatbuffers, in which Arrow describes its messages, from bytes that anybody may have made
// up: nothing is read outside of them.

/** Bytes that are no flatbuffer of the expected form. */
export class BadFlatbuffer extends Error {
  override readonly name = 'BadFlatbuffer';
}

/** A table of a flatbuffer: fields by their number, which may all be missing. */
export class FlatTable {
  readonly #view: DataView;
  readonly #at: number;
  readonly #slots: number;
  readonly #slotsEnd: number;

  /** The table at an offset. */
  constructor(view: DataView, at: number) {
    this.#view = view;
    this.#at = at;
    this.#slots = at - checked(view, at, 4).getInt32(at, true);
    this.#slotsEnd = this.#slots + checked(view, this.#slots, 2).getUint16(this.#slots, true);
  }

  /** The table that a buffer is. */
  static root(bytes: Uint8Array): FlatTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new FlatTable(view, checked(view, 0, 4).getUint32(0, true));
  }

  uint8(field: number): number {
    const at = this.#find(field);
    return at === null ? 0 : checked(this.#view, at, 1).getUint8(at);
  }

  boolean(field: number): boolean {
    return this.uint8(field) !== 0;
  }

  int16(field: number, otherwise = 0): number {
    const at = this.#find(field);
    return at === null ? otherwise : checked(this.#view, at, 2).getInt16(at, true);
  }

  int32(field: number, otherwise = 0): number {
    const at = this.#find(field);
    return at === null ? otherwise : checked(this.#view, at, 4).getInt32(at, true);
  }

  int64(field: number): bigint {
    const at = this.#find(field);
    return at === null ? 0n : checked(this.#view, at, 8).getBigInt64(at, true);
  }

  /** A length or an offset: 0 or more, and small enough to count with. */
  size(field: number): number {
    return asSize(this.int64(field));
  }

  table(field: number): FlatTable | null {
    const at = this.#find(field);
    return at === null ? null : new FlatTable(this.#view, this.#follow(at));
  }

  text(field: number): string | null {
    const at = this.#find(field);
    if (at === null) return null;
    const start = this.#follow(at);
    const length = checked(this.#view, start, 4).getUint32(start, true);
    checked(this.#view, start + 4, length);
    return textOf(new Uint8Array(this.#view.buffer, this.#view.byteOffset + start + 4, length));
  }

  tables(field: number): FlatTable[] {
    return this.#vector(field, 4, (at) => new FlatTable(this.#view, this.#follow(at)));
  }

  /** A vector of structs that are made of 64-bit sizes, one after the other. */
  sizes(field: number, perStruct: number): number[][] {
    return this.#vector(field, 8 * perStruct, (at) =>
      Array.from({ length: perStruct }, (_, k) => asSize(this.#view.getBigInt64(at + 8 * k, true))),
    );
  }

  #vector<Item>(field: number, stride: number, read: (at: number) => Item): Item[] {
    const found = this.#find(field);
    if (found === null) return [];
    const start = this.#follow(found);
    const length = checked(this.#view, start, 4).getUint32(start, true);
    // Looked at before anything is made: a length can say anything.
    checked(this.#view, start + 4, length * stride);
    return Array.from({ length }, (_, k) => read(start + 4 + k * stride));
  }

  #find(field: number): number | null {
    const slot = this.#slots + 4 + 2 * field;
    if (slot + 2 > this.#slotsEnd) return null;
    const offset = checked(this.#view, slot, 2).getUint16(slot, true);
    return offset === 0 ? null : this.#at + offset;
  }

  #follow(at: number): number {
    return at + checked(this.#view, at, 4).getUint32(at, true);
  }
}

function checked(view: DataView, at: number, length: number): DataView {
  if (at >= 0 && at + length <= view.byteLength) return view;
  throw new BadFlatbuffer('it refers to bytes that are not there');
}

function asSize(value: bigint): number {
  if (value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new BadFlatbuffer('it has a length that no table has');
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new BadFlatbuffer('it has a name that is not UTF-8', { cause });
  }
}
