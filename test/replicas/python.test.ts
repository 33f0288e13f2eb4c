import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FIXTURES } from '../support/service.ts';
import { fleetForTest, told } from './fleet.ts';

// The machine of a contributor need not have Python: the command runtime itself is tested with a program in Node (replica.test.ts).
const hasPython = spawnSync('python3', ['--version']).status === 0;

test.skipIf(!hasPython)('a program in Python is a model', async () => {
  const { slot } = await fleetForTest({ model: ['python3', join(FIXTURES, 'program.py')], replicas: { min: 1 } });
  expect(await told(await slot(), { x: 21 })).toMatchObject({ double: 42 });
  expect(await told(await slot(), { x: 1 })).toMatchObject({ double: 2 });
});
