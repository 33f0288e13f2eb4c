// The walk in a process of Node, Bun or Deno: told on standard output.

import { walk } from './walk.ts';

console.log(JSON.stringify(await walk(process.argv[2]!)));
