// A gigabyte through the server and back: what it costs in memory, and how long it takes.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { throughAndBack } from '../tools/large-body.ts';
import { serve, serveCommand } from '../tools/serve.ts';
import type { BenchOptions } from './support/options.ts';

const FIXTURES = fileURLToPath(new URL('../test/fixtures/', import.meta.url));

/** See the head of this file. */
export async function large({ short }: BenchOptions): Promise<void> {
  const bytes = short ? 100_000_000 : 1_000_000_000;
  const folder = await mkdtemp(join(tmpdir(), 'cc-large-'));
  const config = join(folder, 'claimcheck.config.json');
  const endpoint = { model: ['node', 'pipe.js'], cwd: FIXTURES, mode: 'async' };
  await writeFile(config, JSON.stringify({ endpoints: { pipe: endpoint } }));
  const served = await serve(serveCommand(config, join(folder, 'data')));
  try {
    const began = performance.now();
    const { sent, whole, inRanges, grownBytes } = await throughAndBack(served.url, served.child.pid!, 'pipe', bytes);
    const seconds = (performance.now() - began) / 1_000;
    if (whole.sha256 !== sent.sha256 || inRanges.sha256 !== sent.sha256) throw new Error('Other bytes came back.');
    process.stdout.write(
      `large: ${bytes / 1e6} MB in, through a model and out twice (whole, and in three ranges), byte for byte, in ${seconds.toFixed(1)} s; the server grew by ${(grownBytes / 1e6).toFixed(0)} MB at the most\n`,
    );
  } finally {
    await served.end('SIGTERM');
    await rm(folder, { recursive: true, force: true });
  }
}
