#!/usr/bin/env -S node --max-semi-space-size=16
// The command. Plain JavaScript of any age, so that an old Node says what it lacks and not where it
// stumbled. The flag bounds what V8 keeps for new objects: a server under load would let it grow to
// 130 MB, and be no faster.
import { existsSync } from 'node:fs';
import * as module from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

const NODE_MIN = 24;

if (Number(process.versions.node.split('.')[0]) < NODE_MIN) {
  process.stderr.write(`claimcheck needs Node ${NODE_MIN} or newer; this is Node ${process.versions.node}.\n`);
  process.exit(1);
}
// What Node has compiled is kept, which saves two thirds of a command's time. In the user's own
// folder: in a shared one somebody else could put code.
module.enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'claimcheck'));
const source = new URL('../src/cli/main.ts', import.meta.url);
// A checkout runs its sources; an installed package has them compiled.
await import(existsSync(source) ? source.href : new URL('../dist/cli/main.js', import.meta.url).href);
