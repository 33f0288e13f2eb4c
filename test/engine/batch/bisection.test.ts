import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type Endpoint } from '../../../src/index.ts';
import { startTestService, type TestService } from '../../support/service.ts';

let server: TestService;
let endpoint: Endpoint;
beforeAll(async () => {
  server = await startTestService({
    endpoints: { rows: { model: './careful-rows.ts', mode: 'async', retry: { maxAttempts: 1 }, replicas: { max: 2 } } },
  });
  endpoint = connect({ url: server.url }).endpoint('rows');
});
afterAll(() => server.stop());

/** A table some of whose rows make the chunk that they are in fail, each in a way of its own. */
const poisoned = fc
  .integer({ min: 1, max: 120 })
  .chain((rows) => fc.record({ rows: fc.constant(rows), bad: fc.uniqueArray(fc.nat(rows - 1), { maxLength: 6 }) }));
const ways = ['throw', 'short', 'not-a-number'];

test('exactly the poisoned rows of a table have no answer, and every other has its own', async () => {
  await fc.assert(
    fc.asyncProperty(poisoned, fc.integer({ min: 1, max: 50 }), async ({ rows, bad }, batchSize) => {
      const table = Array.from({ length: rows }, (_, id) => {
        const place = bad.indexOf(id);
        return { id, fail: place === -1 ? null : ways[place % ways.length], note: `row ${id}` };
      });
      const answers = await endpoint.inference(table, { batchSize });
      expect(answers.map(({ id, note }) => ({ id, note }))).toEqual(table.map(({ id, note }) => ({ id, note })));
      const failed = answers.filter((row) => (row['inference_error'] ?? null) !== null).map(({ id }) => id as number);
      expect(failed).toEqual(bad.toSorted((a, b) => a - b));
      expect(await endpoint.inference(table, { batchSize, onRowError: 'drop' })).toEqual(
        table.filter(({ id }) => !bad.includes(id)),
      );
    }),
    { numRuns: 12 },
  );
});
