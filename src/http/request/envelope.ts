// Reading an envelope without touching its input: the model gets the exact bytes that were sent, so
// 2^53+1 and 1e400 stay what they are.

import { ServiceError } from '../../domain/errors.ts';
import { placeOf } from '../../table/json/text.ts';
import {
  FAILED,
  type JsonScan,
  OPEN_BRACE,
  openScan,
  scanObject,
  scanValue,
  skipSpace,
} from '../../table/json/scan.ts';

/**
 * Most members of an envelope. More than are known anywhere: what is unknown is named, but not a
 * million times.
 */
const MEMBERS_MAX = 100;
/** Longest name of a member, in bytes of JSON text. */
const NAME_BYTES_MAX = 1_024;
/** Up to here it is worth a look whether what is no envelope is JSON at all, in bytes. */
const LOOKED_AT = 1_024 * 1_024;

/** Where a member's value stands in the bytes of an envelope. */
export interface MemberPlace {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/**
 * What of an envelope is read, so that a long one costs no more than finding where its members end.
 */
export interface EnvelopeBounds {
  /**
   * Members of which nothing but the bytes is wanted: their values are an empty object, or null for
   * all that is no object.
   */
  readonly unread: ReadonlySet<string>;
  /** Longest value of any other, in bytes. */
  readonly valueBytesMax: number;
}

const UNBOUNDED: EnvelopeBounds = { unread: new Set(), valueBytesMax: Infinity };

/** An envelope: its options as values, and any of its members as the bytes that were sent. */
export interface Envelope {
  /** Every member by its name, but for those that are too long. */
  readonly value: Readonly<Record<string, unknown>>;
  /** The length of each value that is longer than the bounds allow, in bytes. */
  readonly tooLong: ReadonlyMap<string, number>;
  /** The exact bytes of a member's value, or null where there is no such member. */
  member(name: string): Uint8Array | null;
}

/**
 * Reads an envelope.
 *
 * @param places of its members, where they were looked for elsewhere
 * @throws ServiceError `malformed-body` when it is no JSON object, is nested more than 64 levels
 *   deep, or names a member twice
 */
export function readEnvelope(bytes: Uint8Array, bounds = UNBOUNDED, places = placesOfMembers(bytes)): Envelope {
  const { unread, valueBytesMax } = bounds;
  const members = new Map<string, Uint8Array>();
  const tooLong = new Map<string, number>();
  // Without a prototype, so that a member named __proto__ is a member like any other.
  const value = Object.create(null) as Record<string, unknown>;
  for (const { name, from, to } of places) {
    const text = bytes.subarray(from, to);
    members.set(name, text);
    if (unread.has(name)) value[name] = text[0] === OPEN_BRACE ? {} : null;
    else if (text.length > valueBytesMax) tooLong.set(name, text.length);
    else value[name] = JSON.parse(textOf(text));
  }
  return { value, tooLong, member: (name) => members.get(name) ?? null };
}

/**
 * Where the members of an envelope stand, each of which is found to be JSON. Throws as
 * `readEnvelope` does.
 */
export function placesOfMembers(bytes: Uint8Array): readonly MemberPlace[] {
  const scan = openScan(bytes);
  const places = new Map<string, MemberPlace>();
  const start = skipSpace(scan, 0);
  if (bytes[start] !== OPEN_BRACE) throw notAnObject(scan, start);
  const end = scanObject(scan, start, 1, ({ nameStart, nameEnd, valueStart, valueEnd }) => {
    if (nameEnd - nameStart > NAME_BYTES_MAX)
      throw malformed(`The body has a member whose name is ${nameEnd - nameStart} bytes long.`);
    const name = JSON.parse(textOf(bytes.subarray(nameStart, nameEnd))) as string;
    if (places.has(name)) throw malformed(`The body names the member ${JSON.stringify(name.slice(0, 80))} twice.`);
    if (places.size === MEMBERS_MAX)
      throw malformed(
        `The body has more than ${MEMBERS_MAX} members. What the model is to be given stands under "input".`,
      );
    places.set(name, { name, from: valueStart, to: valueEnd });
  });
  if (end === FAILED) throw malformed(`The body is not JSON: ${scan.fault} (${placeOf(bytes, scan.faultAt)}).`);
  const rest = skipSpace(scan, end);
  if (rest < bytes.length) throw malformed(`The body goes on after its JSON has ended (${placeOf(bytes, rest)}).`);
  return [...places.values()];
}

function notAnObject(scan: JsonScan, start: number): ServiceError {
  const isLong = scan.bytes.length - start > LOOKED_AT;
  const isJson = start < scan.bytes.length && (isLong || scanValue(scan, start, 1) !== FAILED);
  if (isJson)
    return malformed('The body must be a JSON object like {"input": …}. To send a bare value, put it under "input".');
  if (start === scan.bytes.length) return malformed('The body is empty; send a JSON object like {"input": …}.');
  return malformed(`The body is not JSON: ${scan.fault} (${placeOf(scan.bytes, scan.faultAt)}).`);
}

// One for all: making a decoder takes longer than using it.
const decoder = new TextDecoder();
const textOf = (bytes: Uint8Array): string => decoder.decode(bytes);

const malformed = (detail: string): ServiceError => new ServiceError('malformed-body', detail);
