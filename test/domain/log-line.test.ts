import { expect, test } from 'vitest';
import { type AttemptEnd, attemptEndText, type LogLine, logText } from '../../src/domain/log-line.ts';

const line = (attempt: number, message: string): LogLine => ({
  at: '2026-12-01T00:00:00.000Z',
  attempt,
  stream: 'log',
  message,
  fields: null,
});
const end = (attempt: number, outcome: string | null, detail?: string): AttemptEnd => ({
  attempt,
  at: outcome === null ? null : '2026-12-01T00:00:01.000Z',
  outcome,
  error: detail === undefined ? null : { type: 'replica-crashed', detail },
});
const FIRST = '2026-12-01T00:00:01.000Z [server] attempt 1 lost: replica-crashed: killed by SIGKILL.';
const said = (message: string): string => `2026-12-01T00:00:00.000Z ${message}`;

test('the end of an attempt that did not succeed stands behind its lines, with the reason', () => {
  const lines = [line(1, 'a'), line(2, 'b'), line(2, 'c')];
  const ends = [end(1, 'lost', 'killed by SIGKILL.'), end(2, 'succeeded')];
  expect([...logText(lines, ends)]).toEqual([said('a'), FIRST, said('b'), said('c')]);
});

test('an attempt that wrote nothing has its end told as well', () => {
  expect([...logText([], [end(1, 'lost', 'killed by SIGKILL.'), end(2, null)])]).toEqual([FIRST]);
  expect([...logText([line(3, 'a')], [end(1, 'lost', 'killed by SIGKILL.'), end(2, 'cancelled')])]).toEqual([
    FIRST,
    '2026-12-01T00:00:01.000Z [server] attempt 2 cancelled',
    said('a'),
  ]);
});

test('what a reader has already is not told again', () => {
  const lines = [line(1, 'a'), line(2, 'b'), line(2, 'c')];
  expect([...logText(lines, [end(1, 'lost', 'killed by SIGKILL.')], 2)]).toEqual([said('c')]);
  expect([...logText(lines, [end(1, 'lost', 'killed by SIGKILL.')], 1)]).toEqual([FIRST, said('b'), said('c')]);
});

test('an attempt that goes on or succeeded has no end to tell', () => {
  expect([attemptEndText(end(1, null)), attemptEndText(end(1, 'succeeded'))]).toEqual([null, null]);
});
