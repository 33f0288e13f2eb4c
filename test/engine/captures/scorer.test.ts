import * as flechette from '@uwdata/flechette';
import { expect, test } from 'vitest';
import { Scorer } from '../../../src/engine/captures/scorer.ts';
import { newRunId } from '../../../src/system/clock.ts';
import type { StoredRequest } from '../../../src/engine/captures/score-answer.ts';
import { arrowOf } from '../../table/arrow/tables.ts';

const csv = (text: string) => ({ bytes: new TextEncoder().encode(text), format: 'csv' as const });
const request = (changes: Partial<StoredRequest> = {}): StoredRequest => ({
  input: csv('id,y\na,1\nb,2\n'),
  output: csv('prediction\n1\n3\n'),
  dropped: [],
  choice: { target: 'y', prediction: null, task: null },
  idColumn: 'id',
  ...changes,
});

test('a table is scored alike at once and in a thread', async () => {
  const runId = newRunId();
  const [atOnce, inThread] = await Promise.all(
    [new Scorer(1_000), new Scorer(0)].map((one) => one.score(request(), runId)),
  );
  expect(inThread).toEqual(atOnce);
  expect(inThread).toMatchObject({ metrics: { mae: 0.5 }, ids: { values: ['a', 'b'] } });
});

test('tables of Arrow are read where they are scored, and one that is broken is refused', async () => {
  const table = { bytes: arrowOf({ prediction: [[1, 3], flechette.float64()] }), format: 'arrow' } as const;
  const broken = { ...table, bytes: table.bytes.subarray(0, -20) };
  for (const scorer of [new Scorer(100_000), new Scorer(0)]) {
    expect(await scorer.score(request({ output: table }), newRunId())).toMatchObject({ metrics: { mae: 0.5 } });
    await expect(scorer.score(request({ output: broken }), newRunId())).rejects.toThrow(
      'The Arrow table cannot be read',
    );
  }
});

test('what cannot be scored is refused with its place and the run, and holds up nobody who comes after it', async () => {
  const scorer = new Scorer(0);
  const runId = newRunId();
  const wrong = [request({ output: csv('rings\n1\n3\n') }), request({ output: csv('prediction\n"1\n') })];
  const [unknown, broken, fine] = await Promise.allSettled(
    [...wrong, request()].map((one) => scorer.score(one, runId)),
  );
  expect(unknown).toMatchObject({
    status: 'rejected',
    reason: { slug: 'invalid-request', extras: { runId, errors: [{ pointer: '/prediction' }] } },
  });
  expect(broken).toMatchObject({
    status: 'rejected',
    reason: {
      slug: 'invalid-request',
      message: expect.stringMatching(/^The run cannot be captured, since .* no table: /),
    },
  });
  expect(fine).toMatchObject({ status: 'fulfilled' });
});
