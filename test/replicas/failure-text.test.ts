import { expect, test } from 'vitest';
import { failureText } from '../../src/replicas/failure-text.ts';

const textOf = (body: string): string => failureText(new TextEncoder().encode(body), 422);

test.each([
  ['{"error": "no"}', 'no'],
  ['{"detail": "no", "status": 422}', 'no'],
  ['{"error": {"message": "no", "code": 3}}', 'no'],
  [
    '{"detail": [{"loc": ["body", "rows", 3], "msg": "field required", "type": "missing"}]}',
    'body.rows.3: field required',
  ],
  [
    '{"detail": [{"loc": ["body", "x"], "msg": "too large"}, {"loc": ["body", "y"], "msg": "no number"}]}',
    'body.x: too large; body.y: no number',
  ],
  ['{"message": "two mistakes", "errors": [{"field": "a", "message": "b"}]}', 'two mistakes'],
  ['{"errors": [{"field": "a", "message": "b"}]}', 'a: b'],
  ['{"code": 17}', '{"code": 17}'],
  ['{"detail": []}', '{"detail": []}'],
  ['{"error": ""}', '{"error": ""}'],
  ['plain words', 'plain words'],
  ['{"error": "cut', '{"error": "cut'],
  ['  ', 'The model answered with status 422 and no message.'],
])('what a program says in %s is told as "%s"', (body, told) => {
  expect(textOf(body)).toBe(told);
});

test('a long answer is read as a whole before its message is cut', () => {
  expect(textOf(JSON.stringify({ trace: 'x'.repeat(50_000), error: 'The weights are gone.' }))).toBe(
    'The weights are gone.',
  );
  const long = textOf(JSON.stringify({ detail: `${'a'.repeat(3_998)}😀${'b'.repeat(100)}` }));
  expect(long).toBe(`${'a'.repeat(3_998)}…`);
  expect(textOf('ä'.repeat(10_000))).toBe(`${'ä'.repeat(3_999)}…`);
});
