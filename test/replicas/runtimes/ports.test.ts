import { once } from 'node:events';
import { createConnection } from 'node:net';
import { expect, test } from 'vitest';
import { Ports } from '../../../src/replicas/runtimes/ports.ts';
import { until } from '../../support/until.ts';

test('a port that was given out is nobody else’s, also not in the eyes of another server of this machine, until it is released', async () => {
  const [one, other] = [new Ports(), new Ports()];
  const given = await Promise.all(Array.from({ length: 200 }, (_, index) => (index % 2 === 0 ? one : other).give()));
  expect(new Set(given.map(({ port }) => port)).size).toBe(200);
  given.forEach(({ release }) => release());
});

test.skipIf(process.platform !== 'linux')('a port that was released is another server’s for the asking', async () => {
  const { port, release } = await new Ports().give();
  /**
   * Whether some server says of the port that it is its: by a name, which goes with the server as
   * well.
   */
  const isClaimed = async (): Promise<boolean> => {
    const asked = createConnection(`\0claimcheck-port-${port}`);
    try {
      await once(asked, 'connect');
      return true;
    } catch {
      return false;
    } finally {
      asked.destroy();
    }
  };
  expect(await isClaimed()).toBe(true);
  release();
  await until('nobody claims it', async () => !(await isClaimed()));
});
