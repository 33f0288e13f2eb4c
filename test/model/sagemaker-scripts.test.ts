// SageMaker scripts as SageMaker's own toolkits call them: with a context where their functions
// take one, and without a header line in their CSV.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask, type Fleet, fleetForTest, told } from '../replicas/fleet.ts';
import { folderForTest } from '../support/folder.ts';
import { hasPandas, NO_PANDAS, PYTHON } from '../support/pandas.ts';
import { hasPython, NO_PYTHON } from '../support/python.ts';
import { serviceForTest } from '../support/service.ts';

async function fileOf(text: string): Promise<string> {
  const file = join(await folderForTest(), 'inference.py');
  await writeFile(file, text);
  return file;
}

/** What a script answers to 7. */
async function answerOf(text: string): Promise<unknown> {
  const { slot } = await fleetForTest({
    model: await fileOf(text),
    env: { SM_MODEL_DIR: '/opt/ml/model' },
    replicas: { min: 1 },
  });
  return told(await slot(), 7);
}

describe.skipIf(!hasPython)(`a script (${NO_PYTHON} where this is skipped)`, () => {
  test('whose functions all take a context gets one', async () => {
    expect(
      await answerOf(`
import json
def model_fn(model_dir, context):
    return [model_dir, context.system_properties.get("model_dir")]
def input_fn(data, content_type, context):
    return [json.loads(data), context.get_request_header(0, "content-type"), context.request_processor[0].get_request_properties()["Content-Type"]]
def predict_fn(data, model, context):
    return [data, model, context.run.attempt, context.cancelled, context.manifest]
def output_fn(prediction, accept, context):
    context.set_response_content_type(0, "application/json")
    return json.dumps([prediction, accept])
`),
    ).toEqual([
      [[7, 'application/json', 'application/json'], ['/opt/ml/model', '/opt/ml/model'], 1, false, {}],
      'application/json',
    ]);
  });

  test.each([
    ['def transform_fn(model, data, content_type, accept, context): return str(context.run.attempt)', 1],
    ['def transform_fn(model, data, content_type, accept): return data', 7],
    ['def predict_fn(data, model, ctx): return ctx.run.attempt', 1],
    ['def predict_fn(data, model, context=None): return context.run.attempt', 1],
    ['def predict_fn(data, model, *, context): return context.run.attempt', 1],
    ['def predict_fn(data, model, *, context=None): return context.run.attempt', 1],
    ['def predict_fn(data, model, scale=2): return data * scale', 14],
    ['def predict_fn(data, model): return data', 7],
    ['def predict_fn(*given): return len(given)', 2],
    ['def model_fn(model_dir, file_name="none"): return file_name\ndef predict_fn(data, model): return model', 'none'],
    [
      'def model_fn(model_dir, context=None): return context.get_request_id()\ndef predict_fn(_, model): return model',
      null,
    ],
    [
      'class Handler:\n    def predict(self, data, model, context): return context.run.attempt\npredict_fn = Handler().predict',
      1,
    ],
    [
      'import functools\ndef traced(f):\n    @functools.wraps(f)\n    def inner(*a, **k): return f(*a, **k)\n    return inner\n@traced\ndef predict_fn(data, model, context): return context.run.attempt',
      1,
    ],
  ])('is called with as much as it takes: %s', async (text, answer) => {
    expect(await answerOf(text)).toEqual(answer);
  });

  test('that takes neither three nor four values is told so in its run', async () => {
    const file = await fileOf('def predict_fn(data, model, context, more): return data');
    const { slot } = await fleetForTest({ model: file, replicas: { min: 1 } });
    expect(await ask(await slot(), 7)).toMatchObject({
      kind: 'model-error',
      detail: expect.stringContaining("missing 1 required positional argument: 'more'") as string,
    });
  });

  test('that writes no header line answers a table in chunks', async () => {
    const text = `
import io, csv
def model_fn(model_dir): return None
def input_fn(body, content_type): return [row for row in csv.DictReader(io.StringIO(body))]
def predict_fn(rows, model): return [[float(row["x"]) * 2, float(row["x"]) * 3][:int(row["width"])] for row in rows]
def output_fn(prediction, accept): return "\\n".join(",".join(str(value) for value in row) for row in prediction), "text/csv"
`;
    const server = await serviceForTest({ endpoints: { script: { model: await fileOf(text), batchSize: 2 } } });
    const outputOf = async (csv: string): Promise<string> =>
      (await server.postRaw('/endpoints/script/invoke?async=false', 'text/csv', csv, { accept: 'text/csv' })).text;
    expect(await outputOf('x,width\n1,1\n2,1\n3,1\n')).toBe('prediction\n2.0\n4.0\n6.0\n');
    expect(await outputOf('x,width\n1,2\n2,2\n3,2\n')).toBe('prediction_1,prediction_2\n2.0,3.0\n4.0,6.0\n6.0,9.0\n');
  });

  test('that leaves a row out behind its header line does not have the line taken for a row', async () => {
    const text = 'def predict_fn(data, model): return data\ndef output_fn(data, accept): return "y\\n1\\n", "text/csv"';
    const server = await serviceForTest({ endpoints: { script: { model: await fileOf(text), batchSize: 2 } } });
    const answer = await server.postRaw('/endpoints/script/invoke', 'text/csv', 'x\n1\n2\n', { accept: 'text/csv' });
    // Halved, each row has an answer of its own.
    expect(answer.text).toBe('y\n1\n1\n');
  });

  test('without an output_fn reads a table whose columns are named by numbers', async () => {
    const file = await fileOf('def predict_fn(rows, model): return [sum(row) for row in rows]');
    const server = await serviceForTest({ endpoints: { script: { model: file, batchSize: 2 } } });
    const answer = await server.postRaw('/endpoints/script/invoke', 'text/csv', '0,1\n1,2\n3,4\n5,6\n', {
      accept: 'text/csv',
    });
    expect(answer.text).toBe('prediction\n3.0\n7.0\n11.0\n');
  });
});

describe('JSON that did not come as JSON', () => {
  const FORM = 'application/x-www-form-urlencoded';
  const models = [
    ['TypeScript', 'm.ts', 'export const model = { invoke: (input) => input.x.y };', true],
    ['Python', 'm.py', 'def invoke(input): return input["x"]', hasPython],
    ['a SageMaker script', 's.py', 'def predict_fn(data, model): return data', hasPython],
  ] as const;
  let folder: string;
  beforeAll(async () => {
    folder = await folderForTest(afterAll);
  });

  test.each(models)('gets a hint from a model in %s', async (_, name, text, isThere) => {
    if (!isThere) return;
    await writeFile(join(folder, name), text);
    const { slot } = await fleetForTest({ model: join(folder, name), replicas: { min: 1 } });
    const detailOf = async (body: string): Promise<string> => {
      const invocation = { headers: { 'content-type': FORM }, body: Buffer.from(body) };
      const reply = await (await slot()).invoke(invocation, new AbortController().signal);
      return reply.kind === 'model-error' ? reply.detail : reply.kind;
    };
    expect(await detailOf('{"x": 1}')).toContain(
      `(The input looks like JSON but came as ${FORM}: send it with Content-Type: application/json.)`,
    );
    expect(await detailOf('x=1')).not.toContain('looks like JSON');
  });
});

describe.skipIf(!hasPandas)(`what predict_fn returns from a library${NO_PANDAS}`, () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await fleetForTest(
      { model: './script-values.py', python: PYTHON, replicas: { min: 1 } },
      { whenDone: afterAll },
    );
  });
  const ROWS = '[{"x":1},{"x":2},{"x":3}]';
  const of = async (code: string, input = ROWS): Promise<string> => {
    const headers = { 'content-type': 'application/json', 'claimcheck-metadata': JSON.stringify({ code }) };
    const reply = await (
      await fleet.slot()
    ).invoke({ headers, body: Buffer.from(input) }, new AbortController().signal);
    return reply.kind === 'output' ? new TextDecoder().decode(reply.bytes) : (reply as { detail: string }).detail;
  };

  test.each([
    ['rows.assign(y=[3, 1, 2]).sort_values("y")', '[{"x":1,"y":3},{"x":2,"y":1},{"x":3,"y":2}]'],
    ['rows.set_index(pandas.Index(["a", "b", "c"])).reset_index(drop=True)', ROWS],
    ['pandas.Series([3.5, 1.5, 2.5], index=[2, 0, 1])', '[1.5,2.5,3.5]'],
    ['pandas.Series([3.5, 1.5, 2.5]).sort_values()', '[3.5,1.5,2.5]'],
  ])('is put in the order of the data by its index: %s', async (code, answer) => expect(await of(code)).toBe(answer));

  test.each([
    ['pandas.Series([1.5, 2.5], index=["a", "b"])', '[1.5,2.5]'],
    ['numpy.array([1.5, 2.5])', '[1.5,2.5]'],
    ['rows.describe()[["x"]].loc[["max", "min"]]', '[{"x":3.0},{"x":1.0}]'],
  ])('is as it stands where it has another number of rows: %s', async (code, answer) =>
    expect(await of(code)).toBe(answer),
  );

  test.each([
    ['numpy.ma.array([1.5, 2.5, 3.5], mask=[0, 1, 0])', 'a missing value'],
    ['numpy.array([1.5, numpy.nan, 3.5])', 'NaN at /1'],
    ['pandas.Series([1.5, None, 3.5], dtype="Float64")', 'a missing value'],
    ['pandas.Series([1.5, None, 3.5])', 'a missing value'],
    ['rows.assign(y=[1.5, None, 3.5])', 'Row 2, column "y": the value is missing'],
    ['pandas.Series([1.5, 2.5, 3.5], index=["a", "b", "c"])', 'does not say which row is which'],
    ['rows.set_index(pandas.Index([5, 5, 6]))', 'does not say which row is which'],
  ])('hides nothing that is missing, and no order that nobody knows: %s', async (code, says) =>
    expect(await of(code)).toContain(says),
  );

  test.each(['data', 'rows'])('has the digits of what it only hands on: %s', async (code) => {
    const input = '[{"x":75003283610278.63,"y":1.50}]';
    expect(await of(code, input)).toBe(input);
  });
});
