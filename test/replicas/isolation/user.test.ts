import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { chooseUser, FIRST_UID } from '../../../src/replicas/isolation/user.ts';
import { thisMachine } from '../../../src/replicas/isolation/machine.ts';
import { folderForTest } from '../../support/folder.ts';
import { FIXTURES } from '../../support/service.ts';

const { users } = thisMachine();
const WITHOUT_USERS = users ? '' : ' (skipped: this test is not run by root)';
const echo = { name: 'echo', model: { runtime: 'node', file: join(FIXTURES, 'echo.ts') }, cwd: FIXTURES } as const;

test('an endpoint that asks for the server’s user gets it, without a word', () => {
  expect(chooseUser({ ...echo, user: 'server' }, FIRST_UID, true, process.env)).toEqual({ uid: null, caution: null });
});

test('where there is no other user, the server’s own is taken, unless another was asked for', () => {
  expect(chooseUser({ ...echo, user: null }, FIRST_UID, false, process.env)).toEqual({ uid: null, caution: null });
  expect(chooseUser({ ...echo, user: 'own' }, FIRST_UID, false, process.env)).toHaveProperty('mistake');
});

describe.skipIf(!users)(`where there are other users${WITHOUT_USERS}`, () => {
  test('an endpoint whose files they can read has one of its own', () => {
    const program = { ...echo, model: { runtime: 'command', argv: ['sh', 'program.py'] } } as const;
    for (const spec of [echo, program])
      expect(chooseUser({ ...spec, user: null }, FIRST_UID + 3, true, process.env)).toEqual({
        uid: FIRST_UID + 3,
        caution: null,
      });
  });

  test.each([
    ['a model file', (folder: string) => ({ model: { runtime: 'node' as const, file: join(folder, 'model.ts') } })],
    [
      'a script',
      (folder: string) => ({ model: { runtime: 'command' as const, argv: ['sh', join(folder, 'model.ts')] as const } }),
    ],
    ['a working folder', (folder: string) => ({ cwd: folder })],
    [
      'a command',
      (folder: string) => ({ model: { runtime: 'command' as const, argv: [join(folder, 'model.ts')] as const } }),
    ],
  ])(
    '%s that they cannot read is named: as a caution, or as a mistake where a user was asked for',
    async (_, changes) => {
      const folder = await folderForTest();
      writeFileSync(join(folder, 'model.ts'), '');
      chmodSync(join(folder, 'model.ts'), 0o755);
      const spec = { ...echo, ...changes(folder) };
      expect(chooseUser({ ...spec, user: null }, FIRST_UID, true, process.env)).toEqual({
        uid: null,
        caution: expect.stringContaining(`cannot read ${folder}`) as string,
      });
      expect(chooseUser({ ...spec, user: 'own' }, FIRST_UID, true, process.env)).toEqual({
        mistake: expect.stringContaining(`cannot read ${folder}`) as string,
      });
      chmodSync(folder, 0o755);
      expect(chooseUser({ ...spec, user: null }, FIRST_UID, true, process.env)).toEqual({
        uid: FIRST_UID,
        caution: null,
      });
    },
  );

  describe('a Python', () => {
    const python = (program: string) =>
      ({ ...echo, model: { runtime: 'python', python: program, file: echo.model.file } }) as const;

    test('that stands on the PATH in a closed folder is not taken for the next one that they can see', async () => {
      const folder = await folderForTest();
      writeFileSync(join(folder, 'python3'), '#!/bin/sh\n');
      chmodSync(join(folder, 'python3'), 0o755);
      const environment = { PATH: `${folder}:${process.env['PATH']}` };
      expect(chooseUser({ ...python('python3'), user: null }, FIRST_UID, true, environment)).toEqual({
        uid: null,
        caution: expect.stringContaining(`cannot read ${folder}/python3`) as string,
      });
    });

    test('that they can start, and whose own files they cannot read, is named', async () => {
      const [open, closed] = [await folderForTest(), await folderForTest()];
      chmodSync(open, 0o755);
      writeFileSync(join(open, 'python3'), `#!/bin/sh\nexec ${closed}/real "$@"\n`);
      writeFileSync(join(closed, 'real'), '#!/bin/sh\n');
      for (const file of [join(open, 'python3'), join(closed, 'real')]) chmodSync(file, 0o755);
      const chosen = () => chooseUser({ ...python(join(open, 'python3')), user: null }, FIRST_UID, true, process.env);
      expect(chosen()).toHaveProperty('caution', expect.stringContaining(`cannot read ${open}/python3`));
      chmodSync(closed, 0o755);
      expect(chosen()).toEqual({ uid: FIRST_UID, caution: null });
    });
  });
});
