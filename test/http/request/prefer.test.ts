import { expect, test } from 'vitest';
import { seconds } from '../../../src/domain/time.ts';
import { readPreference } from '../../../src/http/request/prefer.ts';

test.each([
  ['respond-async', { kind: 'respond-async', applied: 'respond-async' }],
  ['Respond-Async', { kind: 'respond-async', applied: 'respond-async' }],
  ['wait=10', { kind: 'wait', atMost: seconds(10), applied: 'wait=10' }],
  ['wait = 10', { kind: 'wait', atMost: seconds(10), applied: 'wait=10' }],
  ['wait="10"', { kind: 'wait', atMost: seconds(10), applied: 'wait=10' }],
  ['wait=0', { kind: 'wait', atMost: seconds(0), applied: 'wait=0' }],
  ['handling=lenient, wait=3', { kind: 'wait', atMost: seconds(3), applied: 'wait=3' }],
  ['wait=3, wait=7', { kind: 'wait', atMost: seconds(3), applied: 'wait=3' }],
  // RFC 7240: with both, the answer may come at any time up to the wait; at once is such a time.
  ['wait=10, respond-async', { kind: 'respond-async', applied: 'respond-async' }],
  ['respond-async; foo=bar', { kind: 'respond-async', applied: 'respond-async' }],
])('Prefer: %s is understood', (header, preference) => {
  expect(readPreference(header)).toEqual(preference);
});

test.each([
  undefined,
  '',
  'wait',
  'wait=',
  'wait=-1',
  'wait=1.5',
  'wait=soon',
  'wait=1234567',
  'return=minimal',
  ';,;',
])('Prefer: %s is ignored, as the RFC asks', (header) => {
  expect(readPreference(header)).toBeNull();
});
