// Reading an envelope without touching its input: the model gets the exact bytes that were sent, so 2^53+1 and 1e400 stay what they are.

import { ServiceError } from '../domain/errors.ts';

/** Deepest nesting that an envelope may have. Beyond it, other readers of the same JSON fail: V8 alone parses 20,000 levels and cannot write them. */
const DEPTH_MAX = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACE = 0x7d;
const CLOSE_BRACKET = 0x5d;
const COLON = 0x3a;
const COMMA = 0x2c;

/** An envelope: its value, and where each of its top-level members' values stands in the bytes. */
export interface Envelope {
  readonly value: Record<string, unknown>;
  /** The exact bytes of a member's value, or null where there is no such member. */
  member(name: string): Uint8Array | null;
}

/**
 * Reads an envelope.
 *
 * @throws ServiceError `malformed-body` when it is no JSON object, is nested too deeply, or names a member twice
 */
export function readEnvelope(bytes: Uint8Array): Envelope {
  const spans = memberSpans(bytes);
  const value = parse(bytes);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed('The body must be a JSON object like {"input": …}. To send a bare value, put it under "input".');
  }
  const byName = new Map<string, Span>();
  for (const span of spans) {
    const name = JSON.parse(textOf(bytes, span.nameStart, span.nameEnd)) as string;
    if (byName.has(name)) throw malformed(`The body names the member "${name}" twice.`);
    byName.set(name, span);
  }
  return {
    value: value as Record<string, unknown>,
    member(name) {
      const span = byName.get(name);
      return span === undefined ? null : trim(bytes.subarray(span.valueStart, span.valueEnd));
    },
  };
}

interface Span {
  nameStart: number;
  nameEnd: number;
  valueStart: number;
  valueEnd: number;
}

/** Where the members of the outermost object stand. Trusts nothing but quotes and brackets: whether it is JSON at all is found out by the parser. */
function memberSpans(bytes: Uint8Array): Span[] {
  const spans: Span[] = [];
  let depth = 0;
  let name: { start: number; end: number } | null = null;
  let open: Span | null = null;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at]!;
    if (byte === QUOTE) {
      const end = stringEnd(bytes, at);
      if (depth === 1 && open === null) name = { start: at, end };
      at = end - 1;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth += 1;
      if (depth > DEPTH_MAX) throw malformed(`The body is nested more than ${DEPTH_MAX} levels deep (byte ${at}).`);
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth -= 1;
      if (depth === 0 && open !== null) spans.push({ ...open, valueEnd: at });
      if (depth === 0) open = null;
    } else if (depth === 1 && byte === COLON && name !== null && open === null) {
      open = { nameStart: name.start, nameEnd: name.end, valueStart: at + 1, valueEnd: at + 1 };
    } else if (depth === 1 && byte === COMMA && open !== null) {
      spans.push({ ...open, valueEnd: at });
      open = null;
    }
  }
  return spans;
}

/** The place after the quote that closes the string opened at `start`; the end of the bytes where it is never closed. */
function stringEnd(bytes: Uint8Array, start: number): number {
  for (let at = start + 1; at < bytes.length; at += 1) {
    if (bytes[at] === BACKSLASH) at += 1;
    else if (bytes[at] === QUOTE) return at + 1;
  }
  return bytes.length;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw malformed(
      cause instanceof SyntaxError ? `The body is not JSON: ${placeOf(cause)}.` : 'The body is not UTF-8.',
      cause,
    );
  }
}

/** V8's message without the content that it quotes: a body may hold what must not reach a log or another reader. */
function placeOf({ message }: SyntaxError): string {
  const position = /at position (\d+)(?: \(line (\d+) column (\d+)\))?/.exec(message);
  if (position === null) return 'it ends too early';
  return position[2] === undefined
    ? `unexpected character at byte ${position[1]}`
    : `unexpected character at line ${position[2]}, column ${position[3]}`;
}

function trim(bytes: Uint8Array): Uint8Array {
  let start = 0;
  let end = bytes.length;
  while (start < end && bytes[start]! <= 0x20) start += 1;
  while (end > start && bytes[end - 1]! <= 0x20) end -= 1;
  return bytes.subarray(start, end);
}

const textOf = (bytes: Uint8Array, start: number, end: number): string =>
  new TextDecoder().decode(bytes.subarray(start, end));

const malformed = (detail: string, cause?: unknown): ServiceError =>
  new ServiceError('malformed-body', detail, { cause });
