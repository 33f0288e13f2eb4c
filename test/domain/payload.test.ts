import { expect, test } from 'vitest';
import { ENDPOINT_NAME } from '../../src/domain/endpoint.ts';
import { isJson } from '../../src/domain/payload.ts';

test.each([
  'application/json',
  'APPLICATION/JSON',
  'application/json; charset=utf-8',
  'application/json;charset=utf-8',
  ' application/json ',
  'application/problem+json',
  'application/vnd.api.v2+json; a=b',
])('%s is JSON', (contentType) => {
  expect(isJson(contentType)).toBe(true);
});

test.each([
  '',
  'text/json',
  'application/jsonlines',
  'application/json-patch',
  'application/x-ndjson',
  'text/plain; a=application/json',
  'application/+json',
])('%s is not', (contentType) => {
  expect(isJson(contentType)).toBe(false);
});

test.each(['a', 'a1', '3d', 'smiles-to-3d', 'a-b-c', 'x'.repeat(63)])('%s is the name of an endpoint', (name) => {
  expect(name).toMatch(ENDPOINT_NAME);
});

test.each([
  '',
  '-a',
  'a-',
  'a--b',
  'A',
  'a_b',
  'a.b',
  'a/b',
  '..',
  'é',
  'x'.repeat(64),
  `a${'-b'.repeat(32)}`,
  'a\n',
  ' a',
])('%j is not', (name) => {
  expect(name).not.toMatch(ENDPOINT_NAME);
});
