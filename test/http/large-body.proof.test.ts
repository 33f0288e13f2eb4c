import { expect, test } from 'vitest';
import { throughAndBack } from '../../tools/large-body.ts';
import { folderForTest } from '../support/folder.ts';
import { startServerProcess } from '../support/server-process.ts';

const WARM_UP_BYTES = 64_000_000;
const BYTES = 300_000_000;

test('a body far larger than what is held comes back byte for byte, and the server grows by less than a quarter of it', async () => {
  const { url, child } = await startServerProcess(await folderForTest(), {
    pipe: { model: ['node', 'pipe.js'], mode: 'async' },
  });
  // What a server needs once, for its code and for what the collector lets lie, it has after this
  // one.
  await throughAndBack(url, child.pid!, 'pipe', WARM_UP_BYTES);
  const { sent, whole, inRanges, grownBytes } = await throughAndBack(url, child.pid!, 'pipe', BYTES);
  expect(sent.bytes).toBe(BYTES);
  expect(whole).toEqual(sent);
  expect(inRanges).toEqual(sent);
  expect(grownBytes).toBeLessThan(BYTES / 4);
});
