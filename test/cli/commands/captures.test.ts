import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { captureDetails, captureTable } from '../../../src/cli/text/capture-text.ts';
import { coloursFor, plain } from '../../../src/cli/text/text.ts';
import { connect } from '../../../src/client/connect.ts';
import type { CaptureBody } from '../../../src/wire/captures.ts';
import { folderForTest } from '../../support/folder.ts';
import { startTestService, type TestService } from '../../support/service.ts';
import { commandHere } from '../command-here.ts';

let server: TestService;
beforeAll(async () => {
  const predictor = { model: './predictor.ts', mode: 'sync' } as const;
  server = await startTestService({
    endpoints: {
      scored: { ...predictor, default: true, target: 'truth', idColumn: 'id', evaluation: './evaluation.csv' },
      failing: { ...predictor, target: 'truth', evaluation: './failing-evaluation.csv' },
    },
  });
  const rows = [1, 2, 3].map((id) => ({ id, guess: id, truth: id + 1, ...(id === 3 && { fail: 'throw' }) }));
  await connect({ url: server.url }).endpoint().inference(rows, { capture: 'holdout' });
});
afterAll(() => server.stop());

const claimcheck = (...args: string[]) => commandHere(server.url, ['captures', ...args]);

describe('claimcheck captures', () => {
  test('list shows each with what says most of it', async () => {
    const { code, stdout } = await claimcheck('list', 'scored', '--name', 'holdout');
    expect(code).toBe(0);
    expect(stdout.split('\n')[0]).toMatch(/^NAME +VERSION +CAPTURED +ROWS +METRICS$/);
    expect(stdout.split('\n')[1]).toMatch(/^holdout +1 +\S+Z +3, 1 failed +rmse 1, r2 -3$/);
    expect((await claimcheck('list', 'failing')).stdout).toBe('No captures.\n');
    const { stdout: json } = await claimcheck('list', '--limit', '1', '--json');
    expect(JSON.parse(json)).toHaveLength(1);
  });

  test('show has where it comes from, its rows, its columns and its metrics', async () => {
    const { stdout } = await claimcheck('show', 'scored', 'holdout');
    expect(stdout).toMatch(/^capture +holdout, version 1\nendpoint +scored, version 1\nrun +[0-9a-f-]{36}\n/);
    expect(stdout).toMatch(/^rows +3, 1 failed$/m);
    expect(stdout).toMatch(/^target +truth\nprediction +prediction\n\nrmse +1\n/m);
    expect(stdout).toMatch(/^1 failed row was left out\.$/m);
    expect(await claimcheck('show', 'scored', 'holdout', '2')).toMatchObject({
      code: 65,
      stderr: 'error: capture-not-found: holdout has no version 2; the newest is 1.\n',
    });
  });

  test('metrics has the numbers alone, for people and for programs', async () => {
    expect((await claimcheck('metrics', 'scored', 'holdout')).stdout).toMatch(
      /^rmse +1\nmae +1\nmedae +1\nr2 +-3\nspearmanr +1\nsupport +2\n/,
    );
    const { stdout } = await claimcheck('metrics', 'scored', 'holdout', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ metrics: { rmse: 1, support: 2 }, rows: { total: 3, failed: 1 } });
  });

  test('predictions are written byte for byte', async () => {
    const out = join(await folderForTest(), 'out.jsonl');
    expect(await claimcheck('predictions', 'scored', 'holdout', '-o', out)).toMatchObject({ code: 0, stdout: '' });
    const kept = await (await connect({ url: server.url }).endpoint('scored').capture('holdout')).output();
    expect(await readFile(out)).toEqual(Buffer.from(kept.bytes));
    expect((await claimcheck('predictions', 'scored', 'holdout')).stdout).toBe(new TextDecoder().decode(kept.bytes));
    const { stdout } = await claimcheck('predictions', 'scored', 'holdout', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ name: 'holdout' });
  });

  test('predictions are written in the format that the ending of their file says', async () => {
    const out = join(await folderForTest(), 'rings.csv');
    expect(await claimcheck('predictions', 'scored', 'holdout', '-o', out)).toMatchObject({ code: 0, stdout: '' });
    expect(await readFile(out, 'utf8')).toMatch(/^id,prediction,inference_error\n1,1,\n/);
    const { stdout } = await claimcheck('predictions', 'scored', 'holdout');
    expect((await claimcheck('predictions', 'scored', 'holdout', '-o', '-')).stdout).toBe(stdout);
  });

  test('add captures a run, once under a name', async () => {
    const run = await connect({ url: server.url })
      .endpoint('scored')
      .submit([{ id: 1, guess: 'a', truth: 'a' }], { batch: true });
    await run.wait();
    for (const _ of [1, 2]) {
      const { code, stdout } = await claimcheck('add', 'scored', 'added', run.id, '--task', 'classification');
      expect(code).toBe(0);
      expect(stdout).toMatch(/^capture +added, version 1$/m);
      expect(stdout).toMatch(/^weighted +1 +1 +1 +- +1$/m);
    }
    expect(await claimcheck('add', 'scored', 'no name', run.id)).toMatchObject({ code: 65 });
    expect(await claimcheck('add', 'scored', 'x', run.id, '--task', 'ranking')).toMatchObject({ code: 2 });
  });

  test('auto tries an endpoint, and fails where no row has an answer', async () => {
    const { code, stdout } = await claimcheck('auto');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^capture +auto_inference, version 1$/m);
    expect(stdout).toMatch(/^rmse +0\.5$/m);
    const failed = await claimcheck('auto', 'failing');
    expect(failed).toMatchObject({ code: 1, stdout: expect.stringContaining('No metrics. Every row has failed.') });
    expect(failed.stderr).toBe('error: 2 of 2 rows failed, the first of them with: model-error: Row 1 is bad.\n');
  });
});

describe('claimcheck captures delete', () => {
  const captured = async (name: string, versions: number): Promise<void> => {
    const endpoint = connect({ url: server.url }).endpoint('scored');
    for (let at = 0; at < versions; at += 1)
      await endpoint.inference([{ id: at, guess: 1, truth: 1 }], { capture: name });
  };

  test('deletes one version, or all of them, and says how many', async () => {
    await captured('gone', 4);
    expect(await claimcheck('delete', 'scored', 'gone', '2')).toMatchObject({
      code: 0,
      stdout: 'Deleted version 2 of gone.\n',
    });
    expect(JSON.parse((await claimcheck('delete', 'scored', 'gone', '3', '--json')).stdout)).toEqual({ deleted: 1 });
    expect((await claimcheck('list', 'scored', '--name', 'gone')).stdout).toMatch(/^gone +4 .*\ngone +1 /m);
    expect((await claimcheck('delete', 'scored', 'gone')).stdout).toBe('Deleted 2 versions of gone.\n');
    expect((await claimcheck('list', 'scored', '--name', 'gone')).stdout).toBe('No captures.\n');
    await captured('gone', 1);
    expect((await claimcheck('delete', 'scored', 'gone')).stdout).toBe('Deleted 1 version of gone.\n');
  });

  test('says what is not there, and what is no version', async () => {
    expect(await claimcheck('delete', 'scored', 'absent')).toMatchObject({
      code: 65,
      stdout: '',
      stderr: 'error: capture-not-found: Nothing of scored is captured under the name "absent".\n',
    });
    expect(await claimcheck('delete', 'scored', 'holdout', 'all')).toMatchObject({ code: 2 });
    expect(await claimcheck('delete', 'scored')).toMatchObject({ code: 2 });
    expect((await claimcheck('show', 'scored', 'holdout')).code).toBe(0);
  });
});

test('claimcheck endpoints show says how an endpoint is scored', async () => {
  const { stdout } = await commandHere(server.url, ['endpoints', 'show', 'scored']);
  expect(stdout).toMatch(/^scored +target truth, ids id, evaluation data$/m);
});

describe('what comes from elsewhere', () => {
  const colours = coloursFor({ isTTY: false });
  const facts = { content_type: 'text/csv', bytes: 1, sha256: 'a' };
  const scores = { precision: 1, recall: 1, f1: 1, roc_auc: null };
  const capture: CaptureBody = {
    name: 'x',
    version: 1,
    endpoint: 'e',
    endpoint_version: 2,
    run_id: 'r',
    captured_at: '2026-01-01T00:00:00.000Z',
    captured_by: 'key_1',
    input: facts,
    predictions: { href: '/', ...facts },
    ids: { column: 'id\u001b[31m', href: '/' },
    rows: { total: 6, failed: 2, without_target: 1, without_prediction: 2, comparable: 1 },
    target: 't\u001b]0;evil\u0007',
    prediction: 'p',
    metrics_missing: null,
    metrics: {
      task: 'classification',
      support: 1,
      accuracy: 1,
      weighted: scores,
      notes: ['roc_auc of "\u001b[31mred" is null: x.'],
      classes: [{ label: '\u001b[31mred', support: 1, ...scores }],
      confusion_matrix: { labels: ['\u001b[31mred'], counts: [[1]] },
    },
  };

  test('does not steer a terminal', () => {
    const text = captureDetails(capture, colours) + captureTable([capture], colours);
    expect(plain(text)).toBe(text);
    expect(text).toContain('red');
  });

  test('is shown whole: classes, confusion, what was left out, and who asked for it', () => {
    const text = captureDetails(capture, colours);
    expect(text).toContain('by the key key_1');
    expect(text).toContain('1 without a target');
    expect(text).toContain('2 without a prediction');
    expect(text).toContain(
      'CLASS     PRECISION  RECALL  F1  ROC_AUC  SUPPORT\nred       1          1       1   -        1\n',
    );
    expect(text).toContain('CLASS  AS red\nred    1\n');
    expect(text).toContain('2 failed rows were left out.\n');
  });
});
