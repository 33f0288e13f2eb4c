// After any use of a cache, its tables are those that the endpoint answers without one.

import fc from 'fast-check';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type Endpoint, InferenceCache, type InferenceCacheOptions, type Row } from '../../src/index.ts';
import { newFolder, removeFolder } from '../support/folder.ts';
import { startTestService, type TestService } from '../support/service.ts';

const model = new URL('fixtures/squares.ts', import.meta.url).pathname;

let folder: string;
let server: TestService;
let endpoint: Endpoint;
beforeAll(async () => {
  folder = await newFolder();
  const env = { CALLS: join(folder, 'calls') };
  server = await startTestService({
    endpoints: { squares: { model, env, batchSize: 8, isolation: { user: 'server' } } },
  });
  endpoint = connect({ url: server.url }).endpoint('squares');
});
afterAll(async () => {
  await server.stop();
  await removeFolder(folder);
});

type Step =
  | { readonly do: 'ask'; readonly rows: readonly Row[]; readonly onRowError: 'mark' | 'drop' }
  | { readonly do: 'forget'; readonly keys: readonly unknown[] }
  | { readonly do: 'clear' };

/** Few keys, so that they meet again; 13 fails. */
const key = fc.constantFrom<unknown>(0, 1, 2, 13, -1, 1.5, 1e21, '1', '00123', '', 'NA', null, true, 'ä\u{1f9ea}\n');
const anything = fc.oneof(
  fc.string(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constant(null),
  fc.array(fc.nat()),
);
const row = fc
  .record(
    {
      n: key,
      status: fc.oneof(fc.constant('done'), anything),
      square: fc.constantFrom(0, 1, 4, 2.25),
      note: anything,
      smiles: fc.constantFrom('c', 'C', 'o'),
    },
    { requiredKeys: ['n', 'smiles'] },
  )
  .map((one): Row => ({ ...one }));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      rows: fc.array(row, { maxLength: 12 }),
      onRowError: fc.constantFrom('mark' as const, 'drop' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('forget' as const),
      keys: fc.array(fc.record({ n: key, smiles: fc.constantFrom('c', 'C') })),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'clear' as const }) },
);

async function take(cache: InferenceCache, taken: Step): Promise<void> {
  if (taken.do === 'clear') await cache.clear();
  else if (taken.do === 'forget') await cache.deleteEntries(taken.keys);
  else {
    const { rows, onRowError } = taken;
    expect(await cache.inference(rows, { onRowError })).toEqual(await endpoint.inference(rows, { onRowError }));
  }
}

test.each(['server', 'file'])(
  'with a cache in a %s, every table is the one that the endpoint answers',
  async (kind) => {
    let places = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 6 }), async (steps) => {
        const store: InferenceCacheOptions['store'] =
          kind === 'server' ? 'server' : { file: join(folder, `answers-${(places += 1)}.sqlite`) };
        const cache = new InferenceCache(endpoint, { keyColumns: ['n', 'smiles'], store });
        await cache.clear();
        // Without a single row that shows what the model writes, a value of the caller's in its
        // place would be taken for the caller's own.
        await cache.inference([{ n: 3, smiles: 'N' }]);
        for (const taken of steps) await take(cache, taken);
        await cache.close();
      }),
      { numRuns: 6 },
    );
  },
);
