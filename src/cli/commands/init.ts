// Process 1 of a container is who must wait for every process whose parent has gone. Node waits for
// its own children alone, so a server that is process 1 gives its place to a shell, which waits for
// all, and goes on as the shell's child.

import { existsSync } from 'node:fs';

const SHELL = '/bin/sh';

/**
 * Runs the command behind it, hands signals on, and ends as that does. A terminal sends SIGINT to
 * both by itself. Every process that ends while the shell waits is waited for, also those that
 * others have started.
 */
const INIT = `
"$@" <&0 &
server=$!
trap 'kill -TERM "$server" 2>/dev/null' TERM
trap 'kill -HUP "$server" 2>/dev/null' HUP
trap '[ -t 0 ] || kill -INT "$server" 2>/dev/null' INT
while :; do
  wait "$server"
  code=$?
  kill -0 "$server" 2>/dev/null || exit "$code"
done`;

/**
 * Gives the place of process 1 to a shell, where this is process 1: then this process begins anew
 * as its child.
 */
export function leaveProcessOne(): void {
  if (process.pid !== 1 || process.execve === undefined || !existsSync(SHELL)) return;
  const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  process.execve(SHELL, ['sh', '-c', INIT, 'claimcheck', ...command], process.env);
}
