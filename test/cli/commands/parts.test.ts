import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT } from '../../../src/cli/failure.ts';
import { connect } from '../../../src/client/connect.ts';
import { type RunningServer, startServer } from '../../client/server.ts';
import { commandHere } from '../command-here.ts';

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const bytes = (text: string) => new TextEncoder().encode(text);
const partsOf = async (text: string, contentType: string) => {
  const input = { bytes: bytes(text), contentType };
  const run = await connect({ url: server.url }).endpoint('rows').submit(input, { batch: true });
  const { code, stdout, stderr } = await commandHere(server.url, ['runs', 'parts', run.id]);
  const lines = stdout.trimEnd().split('\n');
  return { code, stderr, lines: lines.toSorted((a, b) => from(a) - from(b)) };
};
const from = (line: string): number => (JSON.parse(line) as { rows: { from: number } }).rows.from;

describe('runs parts', () => {
  test('prints a JSON object a line for each part, its values as they were written', async () => {
    const { code, lines } = await partsOf(
      '{"id":90071992547409931}\n{"id":2}\n{"id":"3\u009b"}\n',
      'application/jsonlines',
    );
    expect(code).toBe(0);
    // The model is written in JavaScript, and only hands the first on.
    expect(lines[0]).toContain('"table":[{"id":90071992547409931,"type":"undefined"},{"id":2,"type":"undefined"}]}');
    expect(lines[1]).toContain('"rows":{"from":2,"to":3}');
    expect(lines[1]).toContain('"table":[{"id":"3\\u009b","type":"undefined"}]}');
  });

  test('keeps the values of a CSV as the strings that they are, and says why a row failed', async () => {
    const { lines } = await partsOf('id,value\n001,1e5\n', 'text/csv');
    expect(JSON.parse(lines[0]!)).toMatchObject({ error: null, table: [{ id: '001', value: '1e5' }] });
    const failed = await partsOf('[{"id":1},{"id":2,"fail":true}]', 'application/json');
    expect(failed.lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { rows: { from: 0, to: 1 }, error: null, table: [{ id: 1 }] },
      { rows: { from: 1, to: 2 }, error: { type: 'model-error' }, table: null },
    ]);
  });

  test('of a run that is no batch are one sentence, and refused', async () => {
    const { id } = await connect({ url: server.url }).endpoint('anything').submit({});
    const { code, stdout, stderr } = await commandHere(server.url, ['runs', 'parts', id]);
    expect({ code, stdout }).toEqual({ code: EXIT.refused, stdout: '' });
    expect(stderr).toMatch(/^error: invalid-request: Run \S+ is no batch and has no parts\. .*\n$/);
  });
});
