import { expect, test } from 'vitest';
import { Ports } from '../../../src/replicas/runtimes/ports.ts';

test('a port that was given out is nobody else’s, also not in the eyes of another server of this machine, until it is let go of', async () => {
  const [one, other] = [new Ports(), new Ports()];
  const given = await Promise.all(Array.from({ length: 200 }, (_, index) => (index % 2 === 0 ? one : other).give()));
  expect(new Set(given.map(({ port }) => port)).size).toBe(200);
  given.forEach(({ letGo }) => letGo());
});
