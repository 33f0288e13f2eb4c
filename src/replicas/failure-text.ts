// What a program says of its failure, as a sentence that people can read: its body is read before
// it is cut, and what is in it is looked for where programs put it.

/** How much of a model's error message is kept, in characters. */
const DETAIL_MAX = 4_000;
/**
 * Longest body that is read as JSON, in bytes: a list of mistakes is shorter, and anything
 * longer is quoted from its beginning.
 */
const JSON_BYTES_MAX = 1_024 * 1_024;
/** Bytes that so many characters take at the most. */
const TEXT_BYTES_MAX = 4 * DETAIL_MAX;

/**
 * A model's own words: `{"error": "…"}`, `{"detail": […]}` with what is wrong where, as FastAPI has
 * it, or the text as it is.
 */
export function failureText(bytes: Uint8Array, status: number): string {
  const said = bytes.length <= JSON_BYTES_MAX ? saidInJson(new TextDecoder().decode(bytes).trim()) : null;
  const text = said ?? new TextDecoder().decode(bytes.subarray(0, TEXT_BYTES_MAX)).trim();
  return text === '' ? `The model answered with status ${status} and no message.` : cut(text);
}

/** Says what a body is that is not read. */
export const encodedText = (status: number, encoding: string): string =>
  `The model answered with status ${status} and a body that is encoded as ${encoding.slice(0, 40)} (Content-Encoding), which is not read: it must answer as it is.`;

function cut(text: string): string {
  if (text.length <= DETAIL_MAX) return text;
  // Not in the middle of a character that takes two units.
  const end = (text.charCodeAt(DETAIL_MAX - 2) & 0xfc00) === 0xd800 ? DETAIL_MAX - 2 : DETAIL_MAX - 1;
  return `${text.slice(0, end)}…`;
}

/**
 * Null for what is no JSON, or has none of the members that failures have: then the text itself is
 * the message.
 */
function saidInJson(text: string): string | null {
  if (!text.startsWith('{') && !text.startsWith('[')) return null;
  try {
    return messageIn(JSON.parse(text));
  } catch {
    return null;
  }
}

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function messageIn(value: unknown): string | null {
  if (typeof value === 'string') return value === '' ? null : value;
  if (Array.isArray(value)) {
    const messages = value.map(mistakeIn);
    return messages.length === 0 || messages.includes(null) ? null : messages.join('; ');
  }
  if (!isObject(value)) return null;
  const members = [value['error'], value['detail'], value['message'], value['msg'], value['errors']];
  // A text before a list: a body that has both sums up the list in the text.
  return (
    (members.find((member) => typeof member === 'string' && member !== '') as string | undefined) ??
    members.map(messageIn).find((message) => message !== null) ??
    null
  );
}

/**
 * One of several mistakes, with its place where it names one (`loc` of FastAPI and pydantic,
 * `path`, `field`, `pointer`).
 */
function mistakeIn(value: unknown): string | null {
  const message = messageIn(value);
  if (message === null || !isObject(value)) return message;
  const place = value['loc'] ?? value['path'] ?? value['field'] ?? value['pointer'];
  const where = Array.isArray(place) ? place.map(String).join('.') : typeof place === 'string' ? place : '';
  return where === '' ? message : `${where}: ${message}`;
}
