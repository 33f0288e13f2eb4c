// Which trace a run belongs to, in the headers in which that travels. It is kept with the run, so
// that every worker, on any server and after any restart, joins the trace of the request that made
// it.

/**
 * Header names in lower case, and their values: `traceparent` and `tracestate`, or what the
 * propagator in use writes.
 */
export type TraceHeaders = Readonly<Record<string, string>>;

/** JSON text of `TraceHeaders`, as a run has it; at most TRACE_TEXT_MAX characters. */
export type TraceText = string;

/**
 * Longest that is kept of a trace, in characters. `tracestate` is to be propagated up to 512 (W3C
 * Trace Context, 3.3.1.5); the rest is for baggage and other formats.
 */
export const TRACE_TEXT_MAX = 2_048;

/** W3C Trace Context, 3.2: the version, the trace's id, the id of the span that asks, and flags. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
/** Its 3.3: up to 32 members of printable ASCII. */
const TRACESTATE = /^[\x20-\x7e\t]{1,512}$/;
const TRACESTATE_MEMBERS_MAX = 32;

/** What came with a request: a header that was sent more than once is a list. */
export type IncomingHeaders = Readonly<Record<string, string | string[] | undefined>>;

/**
 * The W3C trace context of a request, or null where it has none that is valid: then it is as if
 * none was sent, as the specification asks.
 */
export function readTraceContext(headers: IncomingHeaders): TraceHeaders | null {
  const traceparent = readTraceparent(headers['traceparent']);
  if (traceparent === null) return null;
  const tracestate = readTracestate(headers['tracestate']);
  return tracestate === null ? { traceparent } : { traceparent, tracestate };
}

/** A later version is understood as far as this one goes, and passed on as this one. */
function readTraceparent(header: IncomingHeaders[string]): string | null {
  const [, version, traceId, spanId, flags, rest] =
    (typeof header === 'string' ? TRACEPARENT.exec(header.trim()) : null) ?? [];
  if (version === undefined || version === 'ff' || (version === '00' && rest !== undefined)) return null;
  if (/^0+$/.test(traceId!) || /^0+$/.test(spanId!)) return null;
  return `00-${traceId}-${spanId}-${flags}`;
}

function readTracestate(header: IncomingHeaders[string]): string | null {
  const text = (Array.isArray(header) ? header.join(',') : (header ?? '')).trim();
  return TRACESTATE.test(text) && text.split(',').length <= TRACESTATE_MEMBERS_MAX ? text : null;
}

/**
 * The text that is kept of a trace; null where there is nothing to keep, or it is too long to be
 * kept.
 */
export function traceText(headers: TraceHeaders): TraceText | null {
  const text = JSON.stringify(headers);
  return text === '{}' || text.length > TRACE_TEXT_MAX ? null : text;
}

/**
 * The headers of a run's trace, for receivers that are told of the run over HTTP; none where it has
 * no trace, or none that can still be read.
 */
export function traceHeaders(text: TraceText | null): TraceHeaders {
  if (text === null) return {};
  try {
    const headers = JSON.parse(text) as TraceHeaders | null;
    return typeof headers === 'object' && headers !== null ? headers : {};
  } catch {
    return {};
  }
}

/** The id of a run's trace, for a line of a log; null where it has none in the W3C form. */
export const traceIdOf = (text: TraceText | null): string | null =>
  text === null ? null : (/"traceparent":"00-([0-9a-f]{32})-/.exec(text)?.[1] ?? null);
