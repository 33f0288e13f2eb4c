import { createConfig, lintFromString } from '@redocly/openapi-core';
import { expect, test } from 'vitest';
import { PROBLEMS } from '../../../src/domain/errors.ts';
import { openApiDocument, problemsOf, templateOf } from '../../../src/http/openapi/document.ts';
import { idempotencyKeyOf } from '../../../src/http/request/idempotency.ts';
import { ROUTES } from '../../../src/http/routes.ts';
import { serviceForTest } from '../../support/service.ts';

const priced = {
  name: 'priced',
  description: 'Prices.',
  takesRows: true,
  inputSchema: { type: 'object', properties: { price: { type: 'number' } } },
  outputSchema: { type: 'object', properties: { tax: { type: 'number' } } },
};

test('a public linter has nothing to say about the document, in its strictest form', async () => {
  const source = JSON.stringify(openApiDocument(ROUTES, [priced]));
  const config = await createConfig({ extends: ['recommended-strict'] });
  const problems = await lintFromString({ source, absoluteRef: '/openapi.json', config });
  expect(problems.map(({ ruleId, message, location }) => [ruleId, message, location[0]?.pointer])).toEqual([]);
});

test('the document has every route with every status that it may answer', () => {
  const { paths } = openApiDocument(ROUTES, []);
  expect(Object.values(paths).flatMap((operations) => Object.keys(operations))).toHaveLength(ROUTES.length);
  for (const route of ROUTES) {
    const { responses } = paths[templateOf(route.path)]![route.method.toLowerCase()]!;
    const statuses = [...problemsOf(route)].map((slug) => String(PROBLEMS[slug].status));
    expect(new Set(Object.keys(responses))).toEqual(new Set([...Object.keys(route.answers), ...statuses]));
  }
});

test('every operation that takes a body takes it as a type that generators of clients know', () => {
  const { paths } = openApiDocument(ROUTES, [priced]);
  const bodies = Object.values(paths).flatMap((operations) =>
    Object.values(operations).flatMap(({ operationId, requestBody }) =>
      requestBody === undefined
        ? []
        : [{ operationId, types: Object.keys((requestBody as { content: object }).content) }],
    ),
  );
  expect(bodies.map(({ operationId }) => operationId)).toEqual(
    expect.arrayContaining(['invokeEndpoint', 'keepAnswers', 'invoke_priced']),
  );
  const known = ['application/json', 'application/octet-stream'];
  expect(bodies.filter(({ types }) => !known.some((type) => types.includes(type)))).toEqual([]);
});

test('what a path’s parameters and the headers must be is in the document as the server asks it', () => {
  const { paths } = openApiDocument(ROUTES, []);
  const operation = paths['/endpoints/{endpoint}/invoke']!['post']!;
  const schemaOf = (name: string): unknown =>
    (operation.parameters as { name: string; schema: unknown }[]).find((one) => one.name === name)!.schema;
  expect(schemaOf('endpoint')).toMatchObject({ maxLength: 63 });
  const key = new RegExp((schemaOf('Idempotency-Key') as { pattern: string }).pattern);
  for (const text of ['a', 'a b', 'a,b', 'a, b', 'x'.repeat(255), 'x'.repeat(256), '', ' a', 'ä']) {
    const isTaken = (): string | null => idempotencyKeyOf({ 'idempotency-key': text });
    // Spaces around the value of a header are none of it.
    if (key.test(text.trim())) expect(isTaken()).toBe(text.trim());
    else expect(isTaken).toThrow('Idempotency-Key');
  }
  const parameters = Object.values(paths).flatMap((operations) =>
    Object.values(operations).flatMap((one) => one.parameters as { in: string; name: string; description?: string }[]),
  );
  expect(parameters.filter((one) => one.in === 'path' && one.description === undefined)).toEqual([]);
});

test('an endpoint has an operation of its own, with what its model takes and gives', () => {
  const operation = openApiDocument(ROUTES, [priced]).paths['/endpoints/priced/invoke']!['post']!;
  expect(operation).toMatchObject({
    operationId: 'invoke_priced',
    description: 'Prices.',
    requestBody: {
      content: {
        'application/json': {
          schema: {
            properties: { input: { type: 'array', items: priced.inputSchema }, priority: { type: 'integer' } },
          },
        },
      },
    },
  });
  expect(JSON.stringify(operation.responses['200'])).toContain(JSON.stringify(priced.outputSchema));
});

test('a server shows its document, with the endpoints that it has, and a viewer that loads nothing from elsewhere', async () => {
  const server = await serviceForTest({ endpoints: { priced: { model: './priced.ts' } } });
  const { json } = await server.get('/openapi.json');
  expect(json.paths).toHaveProperty(['/endpoints/priced/invoke', 'post', 'requestBody']);
  expect((await server.get('/docs/json')).json).toEqual(json);
  const page = await server.get('/docs');
  expect(page).toMatchObject({ status: 200, headers: { 'content-type': 'text/html; charset=utf-8' } });
  expect(page.headers['content-security-policy']).toContain("default-src 'none'");
  const files = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file!);
  expect(files.length).toBeGreaterThan(3);
  for (const file of files)
    expect(await server.get(new URL(file, 'http://x/docs').pathname)).toHaveProperty('status', 200);
});

test('beside the viewer’s own files there is nothing under its path', async () => {
  const server = await serviceForTest({ endpoints: { echo: { model: './echo.ts' } } });
  for (const path of [
    '/docs/nothing',
    '/docs/static/nothing.js',
    '/docs/static/../../../package.json',
    '/docs/static/%2e%2e/package.json',
  ]) {
    const { status, headers } = await server.get(path);
    // The viewer's plugin refuses a path that climbs, before it looks.
    expect([400, 404]).toContain(status);
    expect(headers['content-type']).toMatch(/^application\/problem\+json/);
  }
});
