import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../../src/client/connect.ts';
import { databaseEnvironment } from '../../support/database.ts';
import { answering, badHookForTest } from '../../support/bad-hook.ts';
import { startTestService, type TestService } from '../../support/service.ts';
import { until } from '../../support/until.ts';
import { commandHere } from '../command-here.ts';

let server: TestService;
beforeAll(async () => {
  server = await startTestService({ endpoints: { jobs: { model: './anything.ts', mode: 'async', default: true } } });
});
afterAll(() => server.stop());

const claimcheck = async (args: readonly string[]) =>
  commandHere(server.url, args, '', await databaseEnvironment(server.data));

describe('what was told of a run', () => {
  test('is shown attempt by attempt, and told again', async () => {
    const hook = await badHookForTest(answering(200));
    const submitted = await claimcheck(['submit', 'jobs', '-d', '{}', '--callback-url', `${hook.url}/hook`]);
    const id = submitted.stdout.trim();
    await until(
      'it is told of',
      async () => (await connect({ url: server.url }).run(id).deliveries())[0]?.status === 'delivered',
    );
    const shown = await claimcheck(['runs', 'deliveries', id]);
    expect(shown.stdout).toMatch(`run.succeeded to ${hook.url}/hook: delivered\n`);
    expect(shown.stdout).toMatch(/^ {2}1 +\d{4}-\S+Z +\S+ ?\S* +200$/m);
    const again = await claimcheck(['runs', 'redeliver', id]);
    expect(again).toMatchObject({ code: 0, stdout: `Delivering run.succeeded to ${hook.url}/hook again.\n` });
    await until('it has come again', () => hook.requests.length === 2);
  });

  test('is nothing where nobody asked', async () => {
    const { stdout } = await claimcheck(['submit', 'jobs', '-d', '{}']);
    const id = stdout.trim();
    expect((await claimcheck(['runs', 'deliveries', id])).stdout).toBe('No webhooks.\n');
    expect(await claimcheck(['runs', 'redeliver', id])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('without a callback_url'),
    });
  });
});

describe('a client', () => {
  test('asks to be told of some ends, beside JSON and beside raw bytes', async () => {
    const hook = await badHookForTest(answering(200));
    const endpoint = connect({ url: server.url }).endpoint('jobs');
    const told = { callbackUrl: hook.url, callbackEvents: ['run.failed'] } as const;
    const quiet = await endpoint.submit({}, told);
    const raw = await endpoint.submit({ bytes: new Uint8Array([1]), contentType: 'application/octet-stream' }, told);
    const loud = await endpoint.submit({ do: 'throw' }, told);
    await until('the failure is told of', () => hook.requests.length === 1);
    await Promise.all([quiet.wait(), raw.wait()]);
    expect([await quiet.deliveries(), await raw.deliveries()]).toEqual([[], []]);
    const [delivery] = await loud.deliveries();
    expect(delivery).toMatchObject({ delivery_id: `${loud.id}_failed`, event: 'run.failed', url: `${hook.url}/` });
    expect(await loud.redeliver(delivery!.delivery_id)).toMatchObject({ status: 'pending' });
    await expect(loud.redeliver('another')).rejects.toMatchObject({ name: 'DeliveryNotFoundError' });
  });
});

describe('the secret of an endpoint', () => {
  const secret = (...args: string[]) => claimcheck(['webhooks', 'secret', 'jobs', '--data', server.data, ...args]);

  test('stays the same until it is rotated, and then goes on beside the new one for a while', async () => {
    const first = await secret();
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/^whsec_[\w+/]{43}=\n$/), stderr: '' });
    expect((await secret()).stdout).toBe(first.stdout);
    const second = await secret('--rotate', '--keep', '7d');
    expect(second.stdout).not.toBe(first.stdout);
    expect(second.stderr).toMatch(/^Webhooks of jobs are signed with an older secret as well, until \S+Z\.\n$/);
    const listed = JSON.parse((await secret('--json')).stdout) as { secret: string; expires_at: string | null }[];
    expect(listed).toMatchObject([
      { endpoint: 'jobs', secret: second.stdout.trim(), expires_at: null },
      { endpoint: 'jobs', secret: first.stdout.trim(), expires_at: expect.any(String) },
    ]);
  });

  test('is not made for an endpoint that there is not: those that there are are named', async () => {
    for (const rotate of [[], ['--rotate']]) {
      const refused = await claimcheck(['webhooks', 'secret', 'nosuch', '--data', server.data, ...rotate]);
      expect(refused).toMatchObject({ code: 2, stdout: '' });
      expect(refused.stderr).toContain('No endpoint is called nosuch: there is jobs');
    }
    const deployed = await server.send('PUT', '/endpoints/nosuch', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: './anything.ts', mode: 'async' }),
    });
    expect(deployed.status).toBe(201);
    expect(await claimcheck(['webhooks', 'secret', 'nosuch', '--data', server.data])).toMatchObject({ code: 0 });
  });

  test('is of an endpoint with a name, and kept only where another takes its place', async () => {
    expect(await secret('--keep', '1d')).toMatchObject({ code: 2, stderr: expect.stringContaining('--rotate') });
    expect(await claimcheck(['webhooks', 'secret', '../jobs', '--data', server.data])).toMatchObject({ code: 2 });
  });
});
