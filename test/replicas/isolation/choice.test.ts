import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { EndpointFile } from '../../../src/config/config-file.ts';
import type { EndpointSpec } from '../../../src/domain/endpoint.ts';
import { Users } from '../../../src/replicas/isolation/choice.ts';
import { thisMachine } from '../../../src/replicas/isolation/machine.ts';
import { FIRST_UID } from '../../../src/replicas/isolation/user.ts';
import { Inspections } from '../../../src/replicas/runtimes/inspections.ts';
import { folderForTest } from '../../support/folder.ts';
import { specsOf } from '../../support/service.ts';

const { users: arePossible } = thisMachine();
const WITHOUT_USERS = arePossible ? '' : ' (skipped: this test is not run by root)';
const MODEL = 'export const model = { invoke: (input) => input };';

const usersIn = (environment: NodeJS.ProcessEnv): Users =>
  new Users({ machine: thisMachine(), environment, firstUid: null });
const specOf = (model: string, changes: object): EndpointSpec => specsOf({ model: { model, ...changes } })[0]!;

test('an endpoint that is to run as the server’s user, or whose model is no file, is not tried as another', () => {
  const users = usersIn(process.env);
  const written: EndpointFile[] = [
    { model: './echo.ts', isolation: { user: 'server' } },
    { model: ['true'] },
    { model: { url: 'http://127.0.0.1:1' } },
  ];
  for (const one of written) expect(users.ownAsker(specsOf({ one })[0]!)).toBeNull();
});

describe.skipIf(!arePossible)(`a model that its endpoint's own user is to inspect${WITHOUT_USERS}`, () => {
  /** A folder that others may look into, with one in it that they may not. */
  async function folders() {
    const open = await folderForTest();
    const closed = join(open, 'closed');
    chmodSync(open, 0o755);
    mkdirSync(closed, { mode: 0o700 });
    for (const folder of [open, closed]) {
      writeFileSync(join(folder, 'model.mjs'), MODEL);
      writeFileSync(join(folder, 'python3'), '#!/bin/sh\necho taken >&2\n');
      chmodSync(join(folder, 'python3'), 0o755);
    }
    return { open, closed };
  }

  test.each<[string, (open: string, closed: string) => { model: string; changes: object; path?: string }]>([
    ['its file', (open, closed) => ({ model: join(closed, 'model.mjs'), changes: { cwd: open } })],
    ['its working folder', (open, closed) => ({ model: join(open, 'model.mjs'), changes: { cwd: closed } })],
  ])('is not taken for one that it can read where %s is closed to it, and is once that is open', async (_, written) => {
    const { open, closed } = await folders();
    const { model, changes } = written(open, closed);
    const spec = specOf(model, changes);
    const users = usersIn(process.env);
    const tried = () => new Inspections(process.env).of(spec, users.ownAsker(spec)!);
    expect(await tried()).toHaveProperty('error');
    expect(users.choose(spec)).toMatchObject({ uid: null });
    chmodSync(closed, 0o755);
    expect(await tried()).toEqual({ kind: 'any' });
    expect(users.take(spec)).toEqual({ uid: FIRST_UID, caution: null });
    expect(users.choose(spec)).toEqual(users.take(spec));
  });

  test('is like any other’s as long as its file, its working folder and those above are open to everybody', async () => {
    const { open } = await folders();
    const [inner, file] = [join(open, 'inner'), join(open, 'inner', 'model.mjs')];
    mkdirSync(inner, { mode: 0o755 });
    writeFileSync(file, MODEL, { mode: 0o644 });
    chownSync(file, FIRST_UID, FIRST_UID);
    const isLikeOthers = () => usersIn(process.env).ownAsker(specOf(file, { cwd: inner }))!.isLikeOthers;
    expect(isLikeOthers()).toBe(true);
    for (const [place, closed, opened] of [
      [file, 0o600, 0o644],
      [inner, 0o750, 0o755],
      [open, 0o754, 0o755],
    ] as const) {
      chmodSync(place, closed);
      expect(isLikeOthers()).toBe(false);
      chmodSync(place, opened);
      expect(isLikeOthers()).toBe(true);
    }
    const link = join(open, 'link.mjs');
    symlinkSync(join(open, 'closed', 'model.mjs'), link);
    expect(usersIn(process.env).ownAsker(specOf(link, { cwd: inner }))!.isLikeOthers).toBe(false);
  });

  test('is not inspected by another Python than the first on the PATH, which is closed to it', async () => {
    const { open, closed } = await folders();
    writeFileSync(join(open, 'model.py'), 'def invoke(input): return input\n');
    const spec = specOf(join(open, 'model.py'), { cwd: open, python: 'python3' });
    const environment = { PATH: `${closed}:${open}:${process.env['PATH']}` };
    const inspection = await new Inspections(environment).of(spec, usersIn(environment).ownAsker(spec)!);
    expect(inspection).toHaveProperty('error');
    expect(inspection).not.toHaveProperty('error', 'taken');
  });
});
