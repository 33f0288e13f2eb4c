// Reading an envelope without touching its input: the model gets the exact bytes that were sent, so 2^53+1 and 1e400 stay what they are.

import { ServiceError } from '../domain/errors.ts';
import { placeOf } from '../table/json-text.ts';
import { FAILED, type JsonScan, OPEN_BRACE, openScan, scanObject, scanValue, skipSpace } from '../table/json-scan.ts';

/** An envelope: its options as values, and any of its members as the bytes that were sent. */
export interface Envelope {
  /** Every member by its name; `input` is null here, whatever it is: only its bytes are looked at. */
  readonly value: Readonly<Record<string, unknown>>;
  /** The exact bytes of a member's value, or null where there is no such member. */
  member(name: string): Uint8Array | null;
}

/**
 * Reads an envelope.
 *
 * @throws ServiceError `malformed-body` when it is no JSON object, is nested more than 64 levels deep, or names a member twice
 */
export function readEnvelope(bytes: Uint8Array): Envelope {
  const members = membersOf(bytes);
  // Without a prototype, so that a member named __proto__ is a member like any other.
  const value = Object.create(null) as Record<string, unknown>;
  for (const [name, text] of members) value[name] = name === 'input' ? null : JSON.parse(textOf(text));
  return { value, member: (name) => members.get(name) ?? null };
}

function membersOf(bytes: Uint8Array): Map<string, Uint8Array> {
  const scan = openScan(bytes);
  const members = new Map<string, Uint8Array>();
  const start = skipSpace(scan, 0);
  if (bytes[start] !== OPEN_BRACE) throw notAnObject(scan, start);
  const end = scanObject(scan, start, 1, ({ nameStart, nameEnd, valueStart, valueEnd }) => {
    const name = JSON.parse(textOf(bytes.subarray(nameStart, nameEnd))) as string;
    if (members.has(name)) throw malformed(`The body names the member ${JSON.stringify(name.slice(0, 80))} twice.`);
    members.set(name, bytes.subarray(valueStart, valueEnd));
  });
  if (end === FAILED) throw malformed(`The body is not JSON: ${scan.fault} (${placeOf(bytes, scan.faultAt)}).`);
  const rest = skipSpace(scan, end);
  if (rest < bytes.length) throw malformed(`The body goes on after its JSON has ended (${placeOf(bytes, rest)}).`);
  return members;
}

function notAnObject(scan: JsonScan, start: number): ServiceError {
  const isJson = start < scan.bytes.length && scanValue(scan, start, 1) !== FAILED;
  if (isJson)
    return malformed('The body must be a JSON object like {"input": …}. To send a bare value, put it under "input".');
  if (start === scan.bytes.length) return malformed('The body is empty; send a JSON object like {"input": …}.');
  return malformed(`The body is not JSON: ${scan.fault} (${placeOf(scan.bytes, scan.faultAt)}).`);
}

// One for all: making a decoder takes longer than using it.
const decoder = new TextDecoder();
const textOf = (bytes: Uint8Array): string => decoder.decode(bytes);

const malformed = (detail: string): ServiceError => new ServiceError('malformed-body', detail);
