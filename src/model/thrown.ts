// What a model throws, in words. It may be anything: no error at all, or one whose very text cannot
// be had without another error.

/** A value as text, also where asking for the text throws. */
export function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return `a value of type ${typeof value} that has no text`;
  }
}

/** What was thrown, as the message of a failed run. */
export function describeThrown(thrown: unknown): string {
  try {
    if (!(thrown instanceof Error)) return `The model threw ${textOf(thrown)}.`;
    const message = textOf(thrown.message);
    return message === '' ? textOf(thrown.name) : message;
  } catch {
    return 'The model threw an error whose text cannot be had.';
  }
}

/** What was thrown, with where it came from, for readers of what the process writes. */
export function traceOf(thrown: unknown): string {
  try {
    const { stack } = thrown as Error;
    return typeof stack === 'string' ? stack : describeThrown(thrown);
  } catch {
    return describeThrown(thrown);
  }
}
