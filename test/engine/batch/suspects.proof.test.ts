import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LOST_SERVERS_MAX } from '../../../src/engine/batch/lost-servers.ts';
import { SUSPECT_AFTER } from '../../../src/engine/batch/suspects.ts';
import { minutes } from '../../../src/domain/time.ts';
import { onPostgres } from '../../support/database.ts';
import { folderForTest } from '../../support/folder.ts';
import { send } from '../../support/http.ts';
import { type ServerProcess, startServerProcess } from '../../support/server-process.ts';
import { until } from '../../support/until.ts';

/**
 * Its replicas never become ready, so that nothing of a table is ever done, and no chunk is lost in
 * its place.
 */
const NEVER_READY = `export const model = { load: () => new Promise(() => setInterval(() => {}, 1_000)), predict: (rows) => rows };`;
const READY = `export const model = { predict: (rows) => rows };`;

// On Postgres a killed server is noticed after its lease, half a minute each time; the rule is the
// engine's, and the same.
test.skipIf(onPostgres)(
  'a batch that takes down every server fails after ten, and takes none down with it that was at work beside it',
  { timeout: minutes(3) },
  async () => {
    const folder = await folderForTest();
    writeFileSync(join(folder, 'never.mjs'), NEVER_READY);
    writeFileSync(join(folder, 'ready.mjs'), READY);
    const start = (): Promise<ServerProcess> =>
      startServerProcess(folder, {
        culprit: { model: join(folder, 'never.mjs'), mode: 'async' },
        innocent: { model: join(folder, 'ready.mjs'), mode: 'async' },
      });
    let server = await start();
    const run = async (id: string) => (await send(server.url, 'GET', `/runs/${id}`)).json;
    const submit = async (endpoint: string): Promise<string> =>
      (await server.submit(endpoint, [{ id: 1 }]))!.json.run_id as string;
    const culprit = await submit('culprit');
    const innocent = await submit('innocent');
    // The test is what the table does to its server: kills it as soon as the batch is at work,
    // which as a suspect it is alone.
    for (let lost = 0; lost < LOST_SERVERS_MAX; lost += 1) {
      await until(`the culprit is at work, after ${lost} servers`, async () => {
        const [one, other] = [await run(culprit), await run(innocent)];
        return one.status === 'running' && (lost < SUSPECT_AFTER || other.status !== 'running');
      });
      server.child.kill('SIGKILL');
      await server.ended();
      server = await start();
    }
    const ended = (id: string) =>
      until('it has ended', async () => ((await run(id)).done === true ? await run(id) : null));
    expect(await ended(culprit)).toMatchObject({
      status: 'failed',
      error: { type: 'replica-crashed', detail: expect.stringContaining('10 times in a row') as string },
    });
    const { status, attempts } = await ended(innocent);
    const outcomes = (attempts as { outcome: string }[]).map(({ outcome }) => outcome);
    expect({ status, wasHandedBack: outcomes.includes('released') }).toEqual({
      status: 'succeeded',
      wasHandedBack: true,
    });
    // Two before it was a suspect; one more where the server was killed between its claim and its
    // being handed back.
    expect(outcomes.filter((outcome) => outcome === 'lost').length).toBeLessThan(LOST_SERVERS_MAX / 2);
  },
);
