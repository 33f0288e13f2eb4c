// LZ4 into bytes of which it is known beforehand how many they are: frames, as Arrow has them, and
// single blocks, as Parquet has them. Written here, since the libraries that were looked at write
// past their output or read past their input without a word.

/** Bytes that are no LZ4, or that become more or fewer bytes than they should. */
export class BadLz4 extends Error {
  override readonly name = 'BadLz4';
}

const FRAME_MAGIC = 0x184d_2204;
const FRAME_HEAD_BYTES = 7;
/**
 * The first of a frame's two bytes of flags: a version, of which there is one, and what else the
 * frame has.
 */
const VERSION = { mask: 0xc0, known: 0x40 };
const HAS_BLOCK_CHECKSUMS = 0x10;
const HAS_LENGTH = 0x08;
const HAS_CHECKSUM = 0x04;
const NEEDS_DICTIONARY = 0x01;
const LENGTH_BYTES = 8;
const CHECKSUM_BYTES = 4;
const BLOCK_HEAD_BYTES = 4;
/** The bit of a block's length that says that it is not compressed. */
const STORED = 0x8000_0000;

/**
 * Four bits of a token count so far; what is longer goes on in bytes, of which the last is not this
 * one.
 */
const TOKEN_MAX = 15;
const GOES_ON = 255;
const MATCH_MIN = 4;

/**
 * Decompresses one frame. Its checksums are passed over, as a table without compression has none:
 * lengths and references are held against what is there.
 *
 * @param length bytes that it becomes, for which memory is taken
 * @throws BadLz4
 */
export function decompressFrame(frame: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < FRAME_HEAD_BYTES) throw cutShort();
  const flags = frame[4]!;
  if (view.getUint32(0, true) !== FRAME_MAGIC || (flags & VERSION.mask) !== VERSION.known)
    throw new BadLz4('they do not start as a frame does');
  if ((flags & NEEDS_DICTIONARY) !== 0) throw new BadLz4('they need a dictionary, which is not sent with them');
  const checksumBytes = (flags & HAS_BLOCK_CHECKSUMS) === 0 ? 0 : CHECKSUM_BYTES;
  const target = new Uint8Array(length);
  let from = FRAME_HEAD_BYTES + ((flags & HAS_LENGTH) === 0 ? 0 : LENGTH_BYTES);
  let to = 0;
  for (;;) {
    if (from + BLOCK_HEAD_BYTES > frame.length) throw cutShort();
    const head = view.getUint32(from, true);
    from += BLOCK_HEAD_BYTES;
    if (head === 0) break;
    const isStored = head >= STORED;
    const end = from + (isStored ? head - STORED : head);
    if (end + checksumBytes > frame.length) throw cutShort();
    const block = frame.subarray(from, end);
    to = isStored ? store(block, target, to) : unfold(block, target, to);
    from = end + checksumBytes;
  }
  from += (flags & HAS_CHECKSUM) === 0 ? 0 : CHECKSUM_BYTES;
  if (from > frame.length) throw cutShort();
  if (from < frame.length) throw new BadLz4(`${frame.length - from} bytes stand after their end`);
  return whole(target, to);
}

/** Decompresses one block that stands alone. As `decompressFrame`. */
export function decompressBlock(block: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const target = new Uint8Array(length);
  return whole(target, unfold(block, target, 0));
}

function whole(target: Uint8Array<ArrayBuffer>, written: number): Uint8Array<ArrayBuffer> {
  if (written === target.length) return target;
  throw new BadLz4(`they become ${written}`);
}

/** Copies a block; answers where it ends in the target. */
function store(block: Uint8Array, target: Uint8Array, at: number): number {
  if (at + block.length > target.length) throw tooLong();
  target.set(block, at);
  return at + block.length;
}

/**
 * Decompresses a block, which may refer to what stands before it in the target; answers where it
 * ends there.
 */
function unfold(block: Uint8Array, target: Uint8Array, at: number): number {
  let from = 0;
  let to = at;
  const next = (): number => {
    const byte = block[from];
    if (byte === undefined) throw cutShort();
    from += 1;
    return byte;
  };
  const count = (bits: number): number => {
    if (bits < TOKEN_MAX) return bits;
    let sum = bits;
    for (let byte = GOES_ON; byte === GOES_ON; sum += byte) byte = next();
    return sum;
  };
  for (;;) {
    const token = next();
    const literals = count(token >> 4);
    if (from + literals > block.length) throw cutShort();
    if (to + literals > target.length) throw tooLong();
    for (const end = to + literals; to < end; to += 1, from += 1) target[to] = block[from]!;
    // The last literals of a block have nothing to repeat behind them.
    if (from === block.length) return to;
    const distance = next() | (next() << 8);
    if (distance === 0 || distance > to) throw new BadLz4('they repeat bytes that are not there');
    const end = to + MATCH_MIN + count(token & TOKEN_MAX);
    if (end > target.length) throw tooLong();
    // One by one: what is repeated may be what was just written.
    for (; to < end; to += 1) target[to] = target[to - distance]!;
  }
}

const cutShort = (): BadLz4 => new BadLz4('they are cut short');
const tooLong = (): BadLz4 => new BadLz4('they become more');
