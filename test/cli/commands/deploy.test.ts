import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningServer, startServer } from '../../client/server.ts';
import { folderForTest } from '../../support/folder.ts';
import { commandHere } from '../command-here.ts';

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const claimcheck = (...args: readonly string[]) => commandHere(server.url, args);

/** A configuration with one endpoint, and how to change the code of its model. */
async function project(name: string) {
  const folder = await folderForTest();
  const config = join(folder, 'claimcheck.config.json');
  const model = (code: string) => writeFile(join(folder, 'model.mjs'), `export const model = { ${code} };`);
  await model('invoke: () => 1');
  await writeFile(config, JSON.stringify({ endpoints: { [name]: { model: './model.mjs', mode: 'async' } } }));
  return { config, model, deploy: () => claimcheck('deploy', '--config', config) };
}

describe('deploy', () => {
  test('makes an endpoint of a configuration that the server has not read, with paths relative to that', async () => {
    const { deploy } = await project('fresh');
    expect(await deploy()).toMatchObject({ code: 0, stdout: 'ok  fresh  version 1\n' });
    expect(await claimcheck('invoke', 'fresh', '-d', '0')).toMatchObject({ code: 0, stdout: '1' });
    expect(await deploy()).toMatchObject({ code: 0, stdout: 'ok  fresh  version 1, as it was\n' });
  });

  test('makes a new version of one whose model has changed, and waits until it has taken over', async () => {
    const { deploy, model } = await project('changed');
    await deploy();
    await model('invoke: () => 2');
    expect(await deploy()).toMatchObject({ code: 0, stdout: 'ok  changed  version 2, after version 1\n' });
    expect(await claimcheck('invoke', 'changed', '-d', '0')).toMatchObject({ stdout: '2' });
  });

  test('says why a version never became ready, which one goes on, and ends with 1', async () => {
    const { deploy, model } = await project('failing');
    await deploy();
    await model("load() { throw new Error('There are no weights.'); }, invoke: () => 2");
    const { code, stdout, stderr } = await deploy();
    expect(code).toBe(1);
    expect(stdout).toMatch(/^failed {2}failing {2}version 2: [^]*There are no weights\.[^]* {8}version 1 goes on\n$/);
    expect(stderr).toContain('Not deployed: failing.');
    const { stdout: shown } = await claimcheck('endpoints', 'show', 'failing');
    expect(shown).toMatch(/^rollout +version 2 failed: .*There are no weights\./m);
  });

  test('makes an endpoint that can be removed', async () => {
    const { deploy } = await project('passing');
    await deploy();
    expect(await claimcheck('endpoints', 'remove', 'passing')).toMatchObject({ code: 0, stdout: 'passing is gone.\n' });
    expect(await claimcheck('endpoints', 'remove', 'passing')).toMatchObject({
      code: 65,
      stderr: expect.stringContaining('There is no endpoint "passing"') as string,
    });
  });

  test.each([
    ['an endpoint that the file does not have', 2, ['nowhere'], 'has no endpoint nowhere; it has refused.'],
    ['a server that is not there', 69, ['--url', 'http://127.0.0.1:9'], 'http://127.0.0.1:9'],
  ])('refuses %s, and ends with %i', async (_what, exitCode, args, sentence) => {
    const { config } = await project('refused');
    const { code, stderr } = await claimcheck('deploy', '--config', config, ...args);
    expect(code).toBe(exitCode);
    expect(stderr).toContain(sentence);
  });

  test('says everything that is wrong with an endpoint, and asks no server', async () => {
    const { config } = await project('wrong');
    await writeFile(config, JSON.stringify({ endpoints: { wrong: { model: './no.ts', timeout: 'soon' } } }));
    const { code, stderr } = await claimcheck('deploy', '--config', config, '--url', 'http://127.0.0.1:9');
    expect(code).toBe(2);
    expect(stderr).toMatch(/endpoints\.wrong\.timeout .*soon/);
    expect(stderr).toMatch(/endpoints\.wrong\.model .*no\.ts does not exist/);
  });
});

describe('endpoints rollback', () => {
  test('goes back to the version of before, and versions lists them all', async () => {
    const { deploy, config } = await project('back');
    await deploy();
    const written = { model: './model.mjs', mode: 'async', timeout: '7m' };
    await writeFile(config, JSON.stringify({ endpoints: { back: written } }));
    await deploy();
    expect(await claimcheck('endpoints', 'rollback', 'back')).toMatchObject({
      code: 0,
      stdout: 'ok  back  version 1, after version 2\n',
    });
    const { stdout } = await claimcheck('endpoints', 'versions', 'back');
    const [head, ...lines] = stdout.trimEnd().split('\n');
    expect(head).toMatch(/^VERSION {2}STATE +SOURCE {2}DEPLOYED +REASON$/);
    expect(lines.map((line) => line.split(/ +/).slice(0, 3))).toEqual([
      ['1', 'active', 'api'],
      ['2', 'superseded', 'api'],
    ]);
  });

  test('to a version whose model has changed is refused', async () => {
    const { deploy, model } = await project('moved');
    await deploy();
    await model('invoke: () => 2');
    await deploy();
    const { code, stderr } = await claimcheck('endpoints', 'rollback', 'moved', '1');
    expect(code).toBe(65);
    expect(stderr).toContain('The model of version 1 has changed since it was deployed');
  });
});
