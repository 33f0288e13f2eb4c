// Spans of what the server does with a run, through the API of OpenTelemetry alone. Without an SDK,
// which the operator preloads, no span is made: then the trace of a request is passed on
// to the model as it came.

import {
  type Attributes,
  type Context,
  context,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api';
import {
  type IncomingHeaders,
  readTraceContext,
  type TraceHeaders,
  traceHeaders,
  type TraceText,
  traceText,
} from './trace-context.ts';

/** Name of the instrumentation, as SDKs show it. */
const SCOPE = 'claimcheck';

/**
 * What a span is told at its end: more attributes, and what went wrong (the type of the error),
 * where something did.
 */
interface SpanEnd {
  readonly attributes?: Attributes;
  readonly error?: { readonly type: string; readonly detail: string } | null;
}

/** A part of the work, until it is ended. */
export interface Traced {
  /** What is to be handed on, to join it; null where there is no trace. */
  readonly text: TraceText | null;
  end(end?: SpanEnd): void;
}

/** Makes the spans. */
export class Tracing {
  /** Null without an SDK. */
  readonly #tracer: Tracer | null;

  constructor(version: string) {
    const tracer = trace.getTracer(SCOPE, version);
    // A span of nobody has no ids. This one is never ended, so no exporter sees it.
    const probe = tracer.startSpan('probe', { root: true }, ROOT_CONTEXT);
    this.#tracer = isSpanContextValid(probe.spanContext()) ? tracer : null;
  }

  /**
   * A request hands work in: a child of what its headers name, or of the span that an
   * instrumentation of HTTP has made for it.
   */
  submitting(headers: IncomingHeaders, attributes: () => Attributes): Traced {
    if (this.#tracer === null) return untraced(readTraceContext(headers));
    const active = context.active();
    const parent = trace.getSpan(active) === undefined ? propagation.extract(ROOT_CONTEXT, headers) : active;
    return this.#start('claimcheck.submit', SpanKind.SERVER, attributes(), parent);
  }

  /** An attempt at a run begins, wherever the run was handed in. */
  attempting(text: TraceText | null, attributes: () => Attributes): Traced {
    if (this.#tracer === null) return { text, end: nothing };
    return this.#start(
      'claimcheck.attempt',
      SpanKind.INTERNAL,
      attributes(),
      propagation.extract(ROOT_CONTEXT, traceHeaders(text)),
    );
  }

  #start(name: string, kind: SpanKind, attributes: Attributes, parent: Context): Traced {
    const span = this.#tracer!.startSpan(name, { kind, attributes }, parent);
    const carrier: Record<string, string> = {};
    propagation.inject(trace.setSpan(parent, span), carrier);
    return { text: traceText(printable(carrier)), end: (end) => finish(span, end) };
  }
}

const nothing = (): void => {};

const untraced = (headers: TraceHeaders | null): Traced => ({
  text: headers === null ? null : traceText(headers),
  end: nothing,
});

function finish(span: Span, { attributes = {}, error = null }: SpanEnd = {}): void {
  span.setAttributes(attributes);
  if (error !== null) {
    span.setAttribute('error.type', error.type);
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.detail });
  }
  span.end();
}

/** What a propagator has written, as far as it can be sent in headers. */
const printable = (carrier: Readonly<Record<string, unknown>>): TraceHeaders =>
  Object.fromEntries(
    Object.entries(carrier).flatMap(([name, value]) =>
      /^[\w-]+$/.test(name) && typeof value === 'string' && /^[\x20-\x7e]+$/.test(value)
        ? [[name.toLowerCase(), value]]
        : [],
    ),
  );
