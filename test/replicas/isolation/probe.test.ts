// What a model sees of the machine, the server and other models: asked of a real one, in a whole
// server.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { hasSetpriv } from '../../../src/replicas/runtimes/launch.ts';
import { FIRST_UID } from '../../../src/replicas/isolation/user.ts';
import { thisMachine } from '../../../src/replicas/isolation/machine.ts';
import { startTestService, type TestService } from '../../support/service.ts';
import { until } from '../../support/until.ts';

const { users } = thisMachine();
const WITHOUT_USERS = users ? '' : ' (skipped: the server of this test is not root)';

// oxlint-disable-next-line typescript/no-explicit-any -- what a model said, as it came
type Anything = any;

let server: TestService;

beforeAll(async () => {
  const endpoint = { model: './probe.ts', replicas: { min: 1 } };
  server = await startTestService({
    endpoints: {
      first: endpoint,
      second: { ...endpoint, env: { HOME: '/home/given' } },
      trusted: { ...endpoint, isolation: { user: 'server' } },
    },
    environment: { ...process.env, DATABASE_PASSWORD: 'hunter2' },
  });
});
afterAll(() => server.stop());

async function probe(endpoint: string, paths: readonly string[] = [], write?: string): Promise<Anything> {
  const runId = await server.submit(endpoint, { paths, write });
  expect(await server.ended(runId)).toMatchObject({ status: 'succeeded' });
  return (await server.get(`/runs/${runId}/output`)).json;
}

describe.skipIf(!users)(`a model with a user of its own${WITHOUT_USERS}`, () => {
  test('has an id that no other endpoint has, no groups and no capabilities', async () => {
    const [first, second] = [await probe('first'), await probe('second')];
    expect(first).toMatchObject({ groups: '', capabilities: [0, 0, 0, 0, 0], hasNoNewPrivileges: true });
    expect(new Set([...first.uids, ...first.gids])).toEqual(new Set([FIRST_UID]));
    expect(new Set([...second.uids, ...second.gids])).toEqual(new Set([FIRST_UID + 1]));
  });

  test("can read neither the server's environment nor its data", async () => {
    const { parent } = await probe('first');
    const paths = [
      `/proc/${parent}/environ`,
      `/proc/${parent}/fd`,
      server.data,
      join(server.data, 'ledger.sqlite'),
      join(server.data, 'blobs'),
    ];
    const { looks } = await probe('first', paths);
    expect(parent).toBe(process.pid);
    expect(looks).toEqual(Object.fromEntries(paths.map((path) => [path, 'EACCES'])));
  });

  test("can reach its own folder, and no other replica's, nor its environment", async () => {
    const other = await probe('second');
    const theirs = dirname(other.environment.CLAIMCHECK_SCRATCH);
    const own = await probe('first', [
      theirs,
      other.environment.CLAIMCHECK_SCRATCH,
      `/proc/${other.pid}/environ`,
      dirname(theirs),
    ]);
    expect(Object.values(own.looks)).toEqual(['EACCES', 'EACCES', 'EACCES', 'EACCES']);
    const { looks } = await probe('first', [own.environment.CLAIMCHECK_SCRATCH]);
    expect(Object.values(looks)).toEqual(['open']);
  });

  test('has its own folder for a home, unless it is given one', async () => {
    const { environment } = await probe('first');
    expect(environment.HOME).toBe(environment.CLAIMCHECK_SCRATCH);
    expect((await probe('second')).environment.HOME).toBe('/home/given');
  });
});

test("a model that is trusted has the server's user, and the rest all the same", async () => {
  const told = await probe('trusted');
  expect(new Set(told.uids)).toEqual(new Set([process.getuid!()]));
  expect(told).toMatchObject({ hasNoNewPrivileges: hasSetpriv(), coreLimit: '0' });
});

test("a model has none of the server's files open, and sees none of its secrets", async () => {
  const { files, environment } = await probe('first');
  expect(files).toEqual([]);
  expect(JSON.stringify(environment)).not.toContain('hunter2');
});

test('a replica has an empty folder of its own, which is gone when it is', async () => {
  const { environment, scratch } = await probe('first', [], 'first.txt');
  expect(scratch).toEqual(['first.txt']);
  expect(environment.TMPDIR).toBe(environment.CLAIMCHECK_SCRATCH);
  const other = await startTestService({ endpoints: { alone: { model: './probe.ts' } } });
  onTestFinished(() => other.stop());
  const run = await other.ended(await other.submit('alone', { paths: [], write: 'trace.txt' }));
  const said = (await other.get(`/runs/${run.run_id}/output`)).json;
  expect(said.scratch).toEqual(['trace.txt']);
  process.kill(said.pid, 'SIGKILL');
  await until('its folder is gone', () => !existsSync(dirname(said.environment.CLAIMCHECK_SCRATCH)));
});
