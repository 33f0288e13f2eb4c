// An Arrow stream as a row of messages: a schema, dictionaries and batches of rows, and the mark
// that says it is whole. A file (also called Feather) has the messages too, and a footer that says
// which schema they have and where each of them starts.

import { plainBytes } from '../bytes.ts';
import { TableError } from '../format.ts';
import { BadFlatbuffer, FlatTable } from './flatbuffer.ts';

/** One message: what it says, and the bytes it speaks of. */
export interface ArrowMessage {
  readonly kind: 'schema' | 'dictionary' | 'rows';
  readonly header: FlatTable;
  /** Bytes of the header: what a description may have at most. */
  readonly headerBytes: number;
  readonly body: Uint8Array;
}

const CONTINUATION = 0xffff_ffff;
const KINDS: Readonly<Record<number, ArrowMessage['kind']>> = { 1: 'schema', 2: 'dictionary', 3: 'rows' };
/** Messages of before Arrow 0.8 lie otherwise in memory. */
const VERSION_MIN = 3;
const FILE_MAGIC = [0x41, 0x52, 0x52, 0x4f, 0x57, 0x31];
const FILE_HEAD_BYTES = 8;
const FOOTER_LENGTH_BYTES = 4;
/**
 * A block of a footer is three numbers of 64 bits: where a message starts, and the lengths of its
 * two parts, which it says itself.
 */
const WORDS_PER_BLOCK = 3;

/**
 * The messages of a stream, or of a file, in their order: the schema first, and in a file every
 * dictionary before the rows.
 *
 * @throws TableError for bytes that are neither, or not all of one
 */
export function readMessages(given: Uint8Array): ArrowMessage[] {
  const bytes = plainBytes(given);
  return isMagic(bytes.subarray(0, FILE_MAGIC.length)) ? readFile(bytes) : readStream(bytes);
}

const isMagic = (bytes: Uint8Array): boolean => FILE_MAGIC.every((byte, k) => bytes[k] === byte);

function readStream(bytes: Uint8Array): ArrowMessage[] {
  const messages: ArrowMessage[] = [];
  let at = 0;
  for (;;) {
    const { message, next } = readMessage(bytes, at);
    at = next;
    if (message === null) break;
    messages.push(message);
  }
  if (at < bytes.length)
    throw broken(`${bytes.length - at} bytes stand after its end; send one stream, and nothing after it`);
  if (messages[0]?.kind !== 'schema') throw broken('it does not start with a schema');
  if (messages.filter(({ kind }) => kind === 'schema').length > 1) throw broken('it has more than one schema');
  return messages;
}

/** The schema is the footer's, since some writers put it nowhere else. */
function readFile(bytes: Uint8Array): ArrowMessage[] {
  const footer = readFooter(bytes);
  const messages = messagesBefore(bytes, footer);
  const named = footer.blocks.map(({ start, kind }) => {
    const message = messages.get(start);
    messages.delete(start);
    if (message === undefined) throw broken(`its footer names a message at byte ${start + 1}, and there is none`);
    if (message.kind !== kind) throw broken(`its footer names a message at byte ${start + 1} as what it is not`);
    return message;
  });
  // A footer that was damaged may name fewer than there are, and part of a table would pass for all
  // of it.
  if ([...messages.values()].some(({ kind }) => kind !== 'schema'))
    throw broken('its footer does not name every part of it');
  return [footer.schema, ...named];
}

interface FileFooter {
  readonly start: number;
  readonly schema: ArrowMessage;
  /** Where the dictionaries and then the batches of rows start. */
  readonly blocks: readonly { readonly start: number; readonly kind: 'dictionary' | 'rows' }[];
}

function readFooter(bytes: Uint8Array): FileFooter {
  const end = bytes.length - FILE_MAGIC.length - FOOTER_LENGTH_BYTES;
  if (end < FILE_HEAD_BYTES || !isMagic(bytes.subarray(-FILE_MAGIC.length)))
    throw broken('it is a file without its end; it may be cut short');
  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset + end).getUint32(0, true);
  const start = end - headerBytes;
  return wellFormed(() => {
    if (headerBytes === 0 || start < FILE_HEAD_BYTES) throw new BadFlatbuffer('it has a length that no footer has');
    const root = FlatTable.root(bytes.subarray(start, end));
    checkVersion(root);
    const header = root.table(1);
    if (header === null) throw new BadFlatbuffer('it has no schema');
    const blocksOf = (field: number, kind: 'dictionary' | 'rows') =>
      root.sizes(field, WORDS_PER_BLOCK).map(([offset]) => ({ start: offset!, kind }));
    const blocks = [...blocksOf(2, 'dictionary'), ...blocksOf(3, 'rows')];
    return { start, schema: { kind: 'schema', header, headerBytes, body: new Uint8Array() }, blocks };
  }, 'its footer cannot be read');
}

/**
 * The messages of a file by where they start. What is empty among them is the mark of their end, or
 * what a writer has filled up with.
 */
function messagesBefore(bytes: Uint8Array, { start: end, blocks }: FileFooter): Map<number, ArrowMessage> {
  const messages = new Map<number, ArrowMessage>();
  const body = bytes.subarray(0, end);
  let at = firstMessage(
    body,
    blocks.map(({ start }) => start),
  );
  while (at < end) {
    const { message, next } = readMessage(body, at);
    if (message !== null) messages.set(at, message);
    at = next;
  }
  return messages;
}

/**
 * Where the messages of a file start. Polars 2 writes its schema there as it is, without the length
 * and the mark of a message, and the footer has it too: then it is the first place that looks like
 * a message, if the footer names it or names none.
 */
function firstMessage(body: Uint8Array, starts: readonly number[]): number {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const isMarked = (at: number): boolean => at + 4 <= body.length && view.getUint32(at, true) === CONTINUATION;
  if (isMarked(FILE_HEAD_BYTES) || starts.includes(FILE_HEAD_BYTES)) return FILE_HEAD_BYTES;
  let at = FILE_HEAD_BYTES;
  while (at < body.length && !isMarked(at)) at += 8;
  // Files of before 2019 have no marks, and start with the length of their schema.
  const isPlain =
    view.byteLength >= FILE_HEAD_BYTES + 4 && view.getUint32(FILE_HEAD_BYTES, true) > 4 && at >= body.length;
  return isPlain ? FILE_HEAD_BYTES : at;
}

function readMessage(
  bytes: Uint8Array,
  start: number,
): { readonly message: ArrowMessage | null; readonly next: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (start + 4 > bytes.length) throw cutShort(bytes, start);
  const first = view.getUint32(start, true);
  const isMarked = first === CONTINUATION;
  if (isMarked && start + 8 > bytes.length) throw cutShort(bytes, start);
  const headerBytes = isMarked ? view.getUint32(start + 4, true) : first;
  const headerStart = start + (isMarked ? 8 : 4);
  if (headerBytes === 0) return { message: null, next: headerStart };
  const headerEnd = headerStart + headerBytes;
  // What is no stream at all starts with a length that no header has.
  if (start === 0 && headerEnd > bytes.length && !isMarked) throw notAStream();
  if (headerEnd > bytes.length) throw cutShort(bytes, start);
  return wellFormed(
    () => {
      const root = FlatTable.root(bytes.subarray(headerStart, headerEnd));
      const kind = KINDS[root.uint8(1)];
      const header = root.table(2);
      if (kind === undefined || header === null) throw new BadFlatbuffer('it is none that a table has');
      checkVersion(root);
      const next = headerEnd + root.size(3);
      if (next > bytes.length) throw cutShort(bytes, start);
      return { message: { kind, header, headerBytes, body: bytes.subarray(headerEnd, next) }, next };
    },
    `the message at byte ${start + 1} cannot be read`,
  );
}

function checkVersion(root: FlatTable): void {
  if (root.int16(0) < VERSION_MIN) throw new BadFlatbuffer('it was written by an Arrow of before 2018');
}

/** Runs what reads a description; one that makes no sense is a TableError. */
export function wellFormed<Result>(read: () => Result, fault: string): Result {
  try {
    return read();
  } catch (error) {
    if (error instanceof BadFlatbuffer) throw broken(`${fault}: ${error.message}`, error);
    throw error;
  }
}

/** An error about a stream as a whole. */
export function broken(fault: string, cause?: unknown): TableError {
  return new TableError(`The Arrow table cannot be read: ${fault}.`, { cause });
}

function cutShort(bytes: Uint8Array, start: number): TableError {
  if (bytes.length === 0)
    return new TableError('The Arrow table is empty; send a stream, which has a schema at least.');
  return broken(
    start === bytes.length
      ? `it has no end-of-stream mark after its ${bytes.length} bytes; it may be cut short`
      : `it is cut short: the message at byte ${start + 1} goes on after its ${bytes.length} bytes`,
  );
}

const notAStream = (): TableError =>
  broken('it is no Arrow stream; write one with to_stream, writeIPCStream or tableToIPC, and send it as it is');
