// The Python runner, held to what the runner of this repository's own language answers.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { Pool } from 'undici';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Reply } from '../../src/replicas/contract.ts';
import { decodeRows, encodeRows, type Row } from '../../src/table/rows.ts';
import { CONTENT_TYPES, type TableFormat } from '../../src/table/format.ts';
import { fleetForTest } from '../replicas/fleet.ts';
import { folderForTest, type WhenDone } from '../support/folder.ts';
import { hasPython, NO_PYTHON } from '../support/python.ts';
import { until } from '../support/until.ts';
import { MALFORMED } from '../table/malformed.ts';

type Ask = (body: string | Uint8Array, contentType: string, accept?: string) => Promise<Reply>;

/** Starts a replica that all tests of a file share. */
async function replicaOf(
  model: string,
  env: Readonly<Record<string, string>> = {},
  whenDone: WhenDone = afterAll,
): Promise<Ask> {
  const { slot } = await fleetForTest({ model, env, replicas: { min: 1 } }, { whenDone });
  return async (body, contentType, accept) => {
    const headers = { 'content-type': contentType, ...(accept === undefined ? {} : { accept }) };
    const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body;
    return (await slot()).invoke({ headers, body: bytes }, new AbortController().signal);
  };
}

/** Starts a replica of a model that is written in the test. */
async function modelForTest(source: string): Promise<Ask> {
  const file = join(await folderForTest(), 'model.py');
  await writeFile(file, source);
  return replicaOf(file, {}, onTestFinished);
}

/** A reply with its bytes as text. */
function shown(reply: Reply) {
  return reply.kind === 'output' ? { ...reply, bytes: new TextDecoder().decode(reply.bytes) } : reply;
}

const output = (contentType: string, bytes: string) => ({ kind: 'output', contentType, bytes });
const modelError = (detail: string) => ({ kind: 'model-error', detail: expect.stringContaining(detail) as string });
const invalid = (detail: string) => ({ kind: 'invalid-output', detail: expect.stringContaining(detail) as string });

describe.skipIf(!hasPython)(`a model in Python (${NO_PYTHON} where this is skipped)`, () => {
  let node: Ask;
  let python: Ask;
  beforeAll(async () => {
    [node, python] = await Promise.all([replicaOf('./careful-rows.ts'), replicaOf('./careful-rows.py')]);
  });

  describe('answers byte for byte what one in TypeScript answers', () => {
    const TABLES: readonly [contentType: string, body: string][] = [
      ['text/csv', 'a,b\n1,x\n2,"y,z"\n'],
      ['text/csv; charset=utf-8', 'a\n00123\n1e5\nNA\n'],
      ['application/csv', '\uFEFFa,b\r\n1,\r\n,2\r\n'],
      ['text/csv', '"a ""b""",c\n"x\ny\r\nz\rw", padded \n'],
      ['text/csv', 'a,b,c\nx ," y","p\rq"\n'],
      ['text/csv', 'a\n1\n\n2\n\n\n'],
      ['text/csv', 'a\n""\n""\n'],
      ['text/csv', '\n\na,b\n\n1,2\n\n'],
      ['text/csv', 'a,b\n1,2'],
      ['text/csv', 'a,b\n"",""'],
      ['text/csv', 'a,b\n1,'],
      ['text/csv', 'a,b\nit said "no",2\n'],
      ['text/csv', 'a\n'],
      ['text/csv', '__proto__,constructor\n1,2\n'],
      ['text/csv', 'a\n\u2028\u0085\u000b😀\n'],
      ['application/jsonlines', '{"a":1}\n\n {"a":null}\r\n{"b":[1,{"c":true}]}'],
      ['application/x-ndjson', '{"a":"\\ud800","b":"\\u0000"}\n'],
      ['Application/JSON-Lines', '{}\n'],
      ['application/json', '[{"a":1},{"b":[2.5,"x"]}]'],
      ['application/json', ' \uFEFF[]'.trim()],
      ['application/json', '[ ]'],
      ['application/json', '{"instances":[{"a":false}]}'],
      ['application/json', ' {"a":1,"instances":7}'],
      ['application/json', '{"a":"é😀"}'],
      [
        'application/jsonlines',
        '{"a":75003283610278.63,"b":[9007199254740993,{"c":1.50}],"d":2.5}\n{"a":-0,"b":-0.0}\n',
      ],
      ['application/jsonlines', '{"a":1e400,"b":12E+3,"c":1e-400,"d":0.1}\r\n\n{"d":1.0}'],
      ['application/json', '{"instances":[{"a":18446744073709551615},{"a":"75003283610278.63"}]}'],
      ['application/json', '\ufeff{"a":75003283610278.63}'],
      ['text/csv', 'a\n75003283610278.63\n'],
    ];
    const ACCEPTS = [undefined, 'text/csv', 'application/jsonl', 'application/json; q=1', 'image/png'];

    test.each(TABLES)('%s %j', async (contentType, body) => {
      for (const accept of ACCEPTS) {
        const [ours, theirs] = await Promise.all([python(body, contentType, accept), node(body, contentType, accept)]);
        // What CSV cannot hold is told in the words of either language.
        if (theirs.kind === 'output') expect(shown(ours)).toEqual(shown(theirs));
        else expect(ours.kind).toBe(theirs.kind);
      }
    });

    test('for a CSV of anything, in any format', async () => {
      const text = fc.oneof(
        fc.constantFrom('', '"', '""', ',', '\n', '\r\n', '\r', ' ', 'NA', '00123', '1e5', '\uFEFF', 'é,"\n'),
        fc.string({ unit: 'grapheme' }).map((value) => value.replaceAll('\0', '')),
      );
      const name = text.filter((value) => value !== '' && value !== 'fail' && value !== 'gate');
      const table = fc.uniqueArray(name, { minLength: 1, maxLength: 4 }).chain((columns) =>
        fc.array(
          fc
            .tuple(...columns.map(() => text))
            .map((values): Row => Object.fromEntries(columns.map((c, k) => [c, values[k]]))),
          { minLength: 1, maxLength: 8 },
        ),
      );
      const formats = fc.constantFrom<TableFormat>('csv', 'jsonl', 'json');
      await fc.assert(
        fc.asyncProperty(table, formats, formats, async (rows, from, to) => {
          const reply = await python(encodeRows(rows, from), CONTENT_TYPES[from], CONTENT_TYPES[to]);
          if (reply.kind !== 'output') throw new Error(JSON.stringify(reply));
          expect(decodeRows(reply.bytes, to)).toEqual(rows);
          expect(new TextDecoder().decode(reply.bytes)).toBe(new TextDecoder().decode(encodeRows(rows, to)));
        }),
        { numRuns: 200 },
      );
    });
  });

  // Tables in which only a reader of ours finds a fault: Python reads deeper, and takes the last of
  // two members.
  const TAKEN = new Set(['65 levels', '65 levels in instances', 'instances twice']);
  test.each(MALFORMED.filter(({ what }) => !TAKEN.has(what)))(
    'is not run on a table that one in TypeScript is not run on: $what ($format)',
    async ({ bytes, format, line }) => {
      const [ours, theirs] = await Promise.all([
        python(bytes, CONTENT_TYPES[format]),
        node(bytes, CONTENT_TYPES[format]),
      ]);
      expect(ours.kind).toBe(theirs.kind);
      // Of broken JSON, Python says in its own words where it is.
      if (ours.kind === 'model-error' && line !== null && format !== 'json')
        expect(ours.detail.toLowerCase()).toContain(`line ${line}`);
    },
  );

  test.each(['image/png', 'text/plain'])('refuses %s, and says what it takes', async (contentType) => {
    expect(await python('x', contentType)).toEqual(modelError('CSV, JSON Lines, JSON records'));
  });

  test.each([
    ['short', 'predict() was given 2 rows and returned 1.'],
    ['none', 'must return a list of rows, and returned a NoneType'],
    ['number', 'Row 2 is a int'],
    ['numbered', 'names of columns must be strings'],
    ['not-a-number', 'Row 2, column "score": the value is or holds NaN'],
    ['infinite', 'Row 2, column "score": the value is or holds -Infinity'],
    ['deep', 'Row 2, column "score": the value is or holds NaN'],
    ['set', 'Row 2, column "score": the value is or holds a set'],
  ])('that returns %j has an invalid output, and the place is named', async (fail, says) => {
    for (const accept of Object.values(CONTENT_TYPES))
      expect(await python(`id,fail\n1,\n2,${fail}\n`, 'text/csv', accept)).toEqual(invalid(says));
  });

  test.each([
    ['not-a-number', 'The output row, column "score": the value is or holds NaN'],
    ['number', 'The output row is a int'],
    ['short', 'predict() was given a row and returned 0.'],
  ])(
    'that returns %j for a row alone says no number, which would be taken for its place in its table',
    async (fail, says) => {
      expect(await python(`id,fail\n2,${fail}\n`, 'text/csv')).toEqual(invalid(says));
    },
  );

  test.each([
    ['date', '2026-01-02', '"2026-01-02"'],
    ['true', 'true', 'true'],
    ['list', '"[1,""x"",null]"', '[1,"x",null]'],
    ['tiny', '1e-07', '1e-07'],
    ['whole', '2.0', '2.0'],
    ['huge', '18446744073709551616', '18446744073709551616'],
    ['absent', '', 'null'],
  ])('that returns a value that is %s has it in every format', async (fail, csv, json) => {
    expect(shown(await python(`fail\n${fail}\n`, 'text/csv'))).toEqual(
      output('text/csv', `fail,score\n${fail},${csv}\n`),
    );
    expect(shown(await python(`fail\n${fail}\n`, 'text/csv', 'application/json'))).toEqual(
      output('application/json', `[{"fail":"${fail}","score":${json}}]`),
    );
  });

  test('keeps the digits of numbers that went through a DataFrame or a float, and of Decimals where it asks for them', async () => {
    const model = await modelForTest(`
from decimal import Decimal
DECIMALS = True
def predict(rows):
    return [{**row, "n": float(row["n"]), "kind": type(row["n"]).__name__, "half": row["n"] / 2} for row in rows]
`);
    expect(
      shown(await model('{"n":75003283610278.63,"m":[0.10]}\n{"n":9007199254740993}\n', 'application/jsonl')),
    ).toEqual(
      output(
        'application/jsonlines',
        '{"n":75003283610278.63,"m":[0.10],"kind":"Decimal","half":37501641805139.315}\n' +
          '{"n":9007199254740993,"kind":"int","half":4503599627370496.0}\n',
      ),
    );
    expect(shown(await model('[{"n":1e400}]', 'application/json', 'text/csv'))).toEqual(
      output('text/csv', 'n,kind,half\n1e400,Decimal,5E+399\n'),
    );
    const none = await modelForTest(`
from decimal import Decimal
def predict(rows):
    return [{"n": Decimal(row["n"])} for row in rows]
`);
    expect(shown(await none('n\nNaN\n', 'text/csv'))).toEqual(
      invalid('The output row, column "n": the value is or holds NaN'),
    );
  });

  test('that returns text that CSV cannot hold is told so, and JSON holds it', async () => {
    expect(await python('fail\nhalf\n', 'text/csv')).toEqual(invalid('surrogate pair'));
    expect(await python('fail\nnul\n', 'text/csv')).toEqual(invalid('NUL'));
    expect(shown(await python('fail\nhalf\n', 'text/csv', 'application/jsonl'))).toMatchObject({
      bytes: '{"fail":"half","score":"\\ud800"}\n',
    });
  });

  test('that returns what has the shape of a DataFrame has its records as rows', async () => {
    expect(shown(await python('id,fail\n1,frame\n2,\n', 'text/csv'))).toEqual(
      output('text/csv', 'id,fail\n1,frame\n2,\n'),
    );
  });

  test('that raises has failed in its own words, and an exit fails the run and not the replica', async () => {
    expect(await python('id,fail\n7,throw\n', 'text/csv')).toEqual({ kind: 'model-error', detail: 'Row 7 is bad.' });
    expect(await python('id,fail\n7,key\n', 'text/csv')).toEqual({ kind: 'model-error', detail: "KeyError: 'smiles'" });
    expect(await python('id,fail\n7,sys-exit\n', 'text/csv')).toEqual({
      kind: 'model-error',
      detail: 'SystemExit: No more.',
    });
    expect(await python('id\n7\n', 'text/csv')).toMatchObject({ kind: 'output' });
  });
});

describe.skipIf(!hasPython)('a model in Python that takes anything', () => {
  let node: Ask;
  let python: Ask;
  beforeAll(async () => {
    [node, python] = await Promise.all([replicaOf('./anything.ts'), replicaOf('./anything.py')]);
  });

  test.each([
    ['{"x":[1,"é",null]}', 'application/json; charset=utf-8'],
    ['7', 'application/json'],
    ['"text"', 'application/vnd.api+json'],
    ['{"do":"say","value":null}', 'application/json'],
    ['not JSON', 'text/plain'],
    ['a,b\n1,2\n', 'text/csv'],
  ])('answers as one in TypeScript does: %s as %s', async (body, contentType) => {
    for (const accept of [undefined, 'image/png'])
      expect(shown(await python(body, contentType, accept))).toEqual(shown(await node(body, contentType, accept)));
  });

  test('is given the bytes of what is no JSON, and nothing of them is lost', async () => {
    const bytes = Uint8Array.from({ length: 1_000_000 }, (_, position) => position % 256);
    expect(await python(bytes, 'image/png')).toEqual({
      kind: 'output',
      contentType: 'application/octet-stream',
      bytes: Buffer.from(bytes),
    });
  });

  test.each(['{', '{"x":NaN}', '', '[1] 2'])('fails for JSON that is none: %s', async (body) => {
    expect((await python(body, 'application/json')).kind).toBe('model-error');
    expect((await node(body, 'application/json')).kind).toBe('model-error');
  });

  test('that returns NaN is told where', async () => {
    expect(await python('{"do":"not-a-number"}', 'application/json')).toEqual(invalid('NaN at /deep/0/value'));
  });

  test('may exit without ending its replica', async () => {
    expect(await python('{"do":"sys-exit"}', 'application/json')).toEqual(modelError('SystemExit: 3'));
    expect(await python('{"do":"pid"}', 'application/json')).toMatchObject({ kind: 'output' });
  });

  test('reads an end from standard input, which is the server’s to watch', async () => {
    expect(shown(await python('{"do":"read"}', 'application/json'))).toMatchObject({ bytes: '""' });
  });
});

describe.skipIf(!hasPython)('a SageMaker script', () => {
  const script = (FUNCTIONS: string, env: Readonly<Record<string, string>> = {}) =>
    replicaOf('./sagemaker.py', { FUNCTIONS, SM_MODEL_DIR: '/models', ...env });

  test('has text as str and the rest as bytes, types without parameters, and its folder', async () => {
    const ask = await script('input_fn predict_fn output_fn');
    const given = (body: string, type: string, bytes: boolean, accept: string) => [
      [{ body, type, bytes }, '/models'],
      accept,
    ];
    const said = async (...parts: Parameters<Ask>) =>
      JSON.parse((shown(await ask(...parts)) as { bytes: string }).bytes);
    expect(await said('a\n1', 'text/CSV; charset=utf-8', 'text/csv')).toEqual(
      given('a\n1', 'text/csv', false, 'text/csv'),
    );
    expect(await said('{}', 'application/json', '*/*')).toEqual(
      given('{}', 'application/json', false, 'application/json'),
    );
    expect(await said('{}\n', 'application/jsonlines')).toEqual(
      given('{}\n', 'application/jsonlines', false, 'application/json'),
    );
    expect(await said(Uint8Array.of(0xff), 'image/png')).toEqual(given('ÿ', 'image/png', true, 'application/json'));
  });

  test('may return bytes, or a body and its type, and nothing else', async () => {
    const ask = await script('input_fn predict_fn output_fn');
    expect(shown(await ask('tuple', 'text/plain'))).toEqual(output('text/html', '<p/>'));
    expect(await ask('bytes', 'text/plain', 'image/png')).toMatchObject({
      contentType: 'image/png',
      bytes: Buffer.of(0, 0xff),
    });
    expect(await ask('dict', 'text/plain')).toEqual(invalid('output_fn must return str, bytes'));
  });

  test('without any function but model_fn takes and gives JSON and CSV', async () => {
    const ask = await script('');
    expect(shown(await ask('[[1,2],[3,4]]', 'application/json'))).toEqual(output('application/json', '[3,7]'));
    expect(shown(await ask('1,2\n3,4\n', 'text/csv', 'text/csv'))).toEqual(output('text/csv', '3.0\n7.0\n'));
    expect(shown(await ask('a,b\n1,2\n3,4\n', 'text/csv', 'text/csv'))).toEqual(
      output('text/csv', 'prediction\n3.0\n7.0\n'),
    );
    expect(shown(await ask('[[1,2]]', 'application/json', 'application/jsonlines'))).toEqual(
      output('application/jsonlines', '3\n'),
    );
    expect(await ask('1,2\n3,\n', 'text/csv')).toEqual(modelError('Line 2 of the CSV has a value that is no number'));
    expect(await ask('x', 'application/x-npy')).toEqual(modelError('takes JSON and CSV'));
    expect(await ask('[1]', 'application/json', 'application/x-npy')).toEqual(
      invalid('application/x-npy was asked for'),
    );
  });

  test('has a name for every column of what its model returns', async () => {
    const ask = await script('');
    const csv = (predictions: string) => ask(predictions, 'application/json', 'text/csv');
    expect(shown(await csv('[[[1,2]],[[3,4]]]'))).toMatchObject({ bytes: 'prediction_1,prediction_2\n1,2\n3,4\n' });
    expect(await csv('[[[1,2]],[[3]]]')).toEqual(invalid('lists of 1 to 2 values'));
    expect(shown(await ask('[{"a":1},{"a":2}]', 'application/json', 'text/csv'))).toMatchObject({ bytes: 'a\n1\n2\n' });
  });

  test('with a transform_fn has that alone', async () => {
    const ask = await script('transform_fn', { SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT: 'text/x' });
    expect(shown(await ask('x', 'text/plain'))).toEqual(output('text/x', 'x|text/plain|text/x'));
  });
});

describe.skipIf(!hasPython)('the program of a Python replica', () => {
  const RUNNER = fileURLToPath(new URL('../../src/model/python', import.meta.url));

  /** The program alone, as nobody but its standard input keeps it. */
  async function program(model: string) {
    const folder = await folderForTest();
    const file = join(folder, 'model.py');
    const socket = join(folder, 'socket');
    await writeFile(file, model);
    const child = spawn('python3', [RUNNER, file], {
      env: { PATH: process.env['PATH'], CLAIMCHECK_SOCKET: socket },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    return { child, socket, exited: once(child, 'exit') };
  }

  /** A connection, once the program listens. */
  const connected = (socket: string): Promise<Socket> =>
    until('it listens', async () => {
      const connection = createConnection(socket);
      return once(connection, 'connect').then(
        () => connection,
        () => null,
      );
    });

  test('ends when its standard input does, also while it loads', async () => {
    const { child, exited } = await program(
      'import time\ndef load():\n    print("loading")\n    time.sleep(600)\ndef invoke(input): pass\n',
    );
    await once(child.stdout, 'data');
    child.stdin.end();
    expect(await exited).toEqual([0, null]);
  });

  test('reads requests in any pieces, and one after the other from one connection', async () => {
    const { socket } = await program('def invoke(input): return input\n');
    const connection = await connected(socket);
    onTestFinished(() => void connection.destroy());
    let answered = '';
    connection.on('data', (bytes: Buffer) => (answered += bytes.toString()));
    const post =
      'POST /invocations HTTP/1.1\r\nHost: replica\r\nContent-Type:application/json\r\ncontent-length: 3\r\n\r\n"a"';
    const output = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 3\r\n\r\n"a"';
    const asked = async (request: string, response: string) => {
      answered = '';
      // Each piece is on its way before the next is written.
      for (const piece of request.split(/(?<=\n)|(?=")/)) await new Promise((sent) => connection.write(piece, sent));
      await until('it has answered', () => answered.length >= response.length);
      expect(answered).toBe(response);
    };
    await asked('GET /ping HTTP/1.1\r\n\r\n', 'HTTP/1.1 200 OK\r\nclaimcheck-busy: 0\r\ncontent-length: 0\r\n\r\n');
    await asked(post, output);
    await asked('GET /other HTTP/1.1\r\n\r\n', 'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
    await asked(post, output);
  });

  test('says how many invocations it works on, and hears of one whose caller is gone', async () => {
    const { child, socket } = await program(
      'def invoke(input, context):\n    print("begun")\n    context.signal.wait()\n    print("cancelled" if context.cancelled else "?")\n',
    );
    (await connected(socket)).destroy();
    const pool = new Pool('http://replica', { socketPath: socket });
    onTestFinished(() => pool.destroy());
    const busy = async () => {
      const { headers, body } = await pool.request({ method: 'GET', path: '/ping' });
      await body.dump();
      return headers['claimcheck-busy'];
    };
    let printed = '';
    child.stdout.on('data', (bytes: Buffer) => (printed += bytes.toString()));
    const gone = new AbortController();
    const invoked = pool.request({ method: 'POST', path: '/invocations', body: '1', signal: gone.signal });
    await until('it works', () => printed === 'begun\n');
    expect(await busy()).toBe('1');
    gone.abort();
    await expect(invoked).rejects.toThrow('aborted');
    await until('it is idle', async () => (await busy()) === '0');
    await until('what it printed has come', () => printed === 'begun\ncancelled\n');
  });
});
