import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openApiDocument } from '../../../src/http/openapi/document.ts';
import { ROUTES } from '../../../src/http/routes.ts';
import { startTestService, type TestService } from '../../support/service.ts';
import { INSIDES } from '../../corpus/requests.ts';
import { requestsOf } from './requests.ts';

/** `npm run fuzz` sets many more. */
const CASES = Number(process.env['CLAIMCHECK_FUZZ_CASES'] ?? 300);
/**
 * Which operations are asked, and what for, is up to chance: as many cases again are sent until
 * enough was seen, at most so many times.
 */
const ROUNDS_MAX = 10;
let server: TestService;
let known: Record<string, string[]>;
let capture: () => Promise<void>;
beforeAll(async () => {
  server = await startTestService({
    endpoints: {
      echo: { model: './echo.ts', mode: 'async', evaluation: './evaluation.csv' },
      anything: { model: './anything.ts', mode: 'sync', syncTimeout: '2s', default: true },
      pipeline: { model: './anything.ts', mode: 'sync', syncTimeout: '2s', face: 'zenml' },
    },
  });
  const told = { callback_url: 'https://hooks.example/' };
  const ended = await server.submit('echo', [{ a: 1 }], { batch: true, ...told });
  await server.ended(ended);
  capture = async () => void (await server.post('/endpoints/echo/captures', { name: 'kept', run_id: ended }));
  await capture();
  known = {
    endpoint: ['echo', 'anything', 'pipeline'],
    id: [ended, await server.submit('anything', { a: 1 })],
    delivery_id: [`${ended}_succeeded`],
    capture: ['kept'],
  };
});
afterAll(() => server.stop());

test(
  'everything that is sent is answered as the document says: never with a bug, and never with the inside of the server',
  { timeout: 600_000 },
  async () => {
    const asked = new Set<string>();
    const succeeded = new Set<string>();
    const property = fc.asyncProperty(
      requestsOf(openApiDocument(ROUTES, []), known),
      async ({ operationId, method, path, ...request }) => {
        // Throws where the document does not have the answer.
        const answer = await server.send(method, path, request);
        asked.add(operationId);
        if (answer.status < 300) succeeded.add(operationId);
        // So that those who come after it find it.
        if (operationId === 'deleteCapture') await capture();
        expect(answer.status).not.toBe(500);
        if (answer.status >= 400) {
          // An endpoint with another server's face names mistakes in that server's form, which the
          // document has as well.
          const isFaced = path.startsWith('/endpoints/pipeline/') && answer.status === 422;
          expect(answer.headers['content-type']).toMatch(isFaced ? /json\b/ : /^application\/problem\+json\b/);
          expect(answer.text).not.toMatch(INSIDES);
        }
      },
    );
    const hasSeenEnough = (): boolean => asked.size === ROUTES.length && succeeded.size > ROUTES.length / 2;
    for (let round = 0; round < ROUNDS_MAX && !hasSeenEnough(); round += 1)
      await fc.assert(property, { numRuns: CASES });
    expect((await server.get('/health')).status).toBe(200);
    // Every operation was reached, and the requests were not all refused.
    expect([...asked].toSorted()).toEqual(ROUTES.map((route) => route.operationId).toSorted());
    expect(succeeded.size).toBeGreaterThan(ROUTES.length / 2);
  },
);
