import { describe, expect, test } from 'vitest';
import {
  readTraceContext,
  TRACE_TEXT_MAX,
  traceHeaders,
  traceIdOf,
  traceText,
} from '../../src/system/trace-context.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const traceparent = `00-${TRACE}-${SPAN}-01`;

test.each([
  ['as it is', traceparent, traceparent],
  ['with white space around it', ` ${traceparent} `, traceparent],
  ['not sampled', `00-${TRACE}-${SPAN}-00`, `00-${TRACE}-${SPAN}-00`],
  ['of a later version, as this one', `cc-${TRACE}-${SPAN}-01-what-comes-later`, traceparent],
])('a traceparent is taken %s', (_, header, read) => {
  expect(readTraceContext({ traceparent: header })).toEqual({ traceparent: read });
});

test.each([
  ['none', undefined],
  ['an empty one', ''],
  ['garbage', 'hello'],
  ['upper case', traceparent.toUpperCase()],
  ['no trace', `00-${'0'.repeat(32)}-${SPAN}-01`],
  ['no span', `00-${TRACE}-${'0'.repeat(16)}-01`],
  ['a trace that is too short', `00-${TRACE.slice(1)}-${SPAN}-01`],
  ['something behind version 00', `${traceparent}-more`],
  ['the version that is none', `ff-${TRACE}-${SPAN}-01`],
  ['two of them', [traceparent, traceparent]],
  ['two of them in one', `${traceparent}, ${traceparent}`],
])('a traceparent that is %s is as if there was none, and so is its tracestate', (_, header) => {
  expect(readTraceContext({ traceparent: header, tracestate: 'a=1' })).toBeNull();
});

describe('a tracestate', () => {
  test.each([
    ['one', 'rojo=00f067aa0ba902b7', 'rojo=00f067aa0ba902b7'],
    ['several lines', ['a=1', 'b=2'], 'a=1,b=2'],
  ])('is taken: %s', (_, tracestate, read) => {
    expect(readTraceContext({ traceparent, tracestate })).toEqual({ traceparent, tracestate: read });
  });

  test.each([
    ['too long', `a=${'1'.repeat(511)}`],
    ['with too many members', Array.from({ length: 33 }, (_, place) => `k${place}=1`).join(',')],
    ['with bytes that no header carries on', 'a=\u00e9'],
    ['with a line end', 'a=1\r\nset-cookie: b'],
    ['empty', ''],
  ])('is left out, and its traceparent is not: %s', (_, tracestate) => {
    expect(readTraceContext({ traceparent, tracestate })).toEqual({ traceparent });
  });
});

test('what is kept of a trace is what is handed on', () => {
  const text = traceText({ traceparent, tracestate: 'a="1"' });
  expect(traceHeaders(text)).toEqual({ traceparent, tracestate: 'a="1"' });
  expect(traceIdOf(text)).toBe(TRACE);
});

test('nothing is kept of no trace, nor of one that is too long', () => {
  expect(traceText({})).toBeNull();
  expect(traceText({ traceparent, baggage: 'b'.repeat(TRACE_TEXT_MAX) })).toBeNull();
  expect(traceHeaders(null)).toEqual({});
  // Somebody has damaged what was stored: the run is told of without.
  for (const text of ['{', '7', 'null']) expect(traceHeaders(text)).toEqual({});
  expect(traceIdOf(null)).toBeNull();
  expect(traceIdOf(traceText({ b3: '1-2-1' }))).toBeNull();
});
