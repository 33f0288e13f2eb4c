// A file far larger than what the command holds.

import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { expect, test } from 'vitest';
import { folderForTest } from '../support/folder.ts';
import { startServerProcess } from '../support/server-process.ts';
import { startCommand } from './command.ts';

const BYTES = 300_000_000;
const PIECE = 1_000_000;

test.skipIf(!existsSync('/proc/self/status'))(
  'a file goes through the command line and comes back byte for byte, and the command never holds much of it',
  async () => {
    const folder = await folderForTest();
    const [sent, got] = [join(folder, 'sent.bin'), join(folder, 'got.bin')];
    await writePieces(sent);
    const { url } = await startServerProcess(folder, { pipe: { model: ['node', 'pipe.js'], mode: 'async' } });
    const { child, ended } = startCommand(url, ['invoke', 'pipe', sent, '-o', got]);
    let peak = 0;
    const watching = setInterval(() => (peak = Math.max(peak, peakOf(child.pid!))), 20);
    const { code } = await ended();
    clearInterval(watching);
    expect(code).toBe(0);
    expect(await digestOf(got)).toBe(await digestOf(sent));
    // Node itself takes about 75 MB, and the collector lets some of what flowed through lie for a
    // while.
    expect(peak).toBeGreaterThan(0);
    expect(peak).toBeLessThan(BYTES / 1.5);
  },
);

async function writePieces(file: string): Promise<void> {
  const handle = await open(file, 'w');
  for (let piece = 0; piece < BYTES / PIECE; piece += 1) await handle.write(Buffer.alloc(PIECE, `${piece} `));
  await handle.close();
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** The most memory that a process has had, in bytes; 0 once it is gone. */
function peakOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1_024;
  } catch {
    // It has ended since.
    return 0;
  }
}
