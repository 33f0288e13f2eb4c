import { expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { serviceForTest } from '../support/service.ts';

test('the server says what it is, and nothing that a stranger may not know', async () => {
  const server = await serviceForTest({
    endpoints: { 'secret-project': { model: './anything.ts' }, other: { model: './anything.ts' } },
    limits: { bodyBytes: 4_096 },
  });
  const { status, text, json } = await server.get('/info');
  expect(status).toBe(200);
  expect(json).toEqual({
    name: 'claimcheck',
    version: manifest.version,
    ledger: expect.stringMatching(/^(?:sqlite|postgres)$/) as string,
    started_at: expect.stringMatching(/Z$/) as string,
    draining: false,
    endpoints: 2,
    limits: { body_bytes: 4_096 },
  });
  for (const hidden of [server.data, 'secret-project', 'anything.ts', '://']) expect(text).not.toContain(hidden);
});
