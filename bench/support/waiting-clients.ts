// Clients that wait for runs, in a process of their own: node waiting-clients.ts <url> <file with a
// run's id on every line> Prints a line once all of them wait, and goes on until it is ended. Plain
// sockets, so that ten thousand of them cost little.

import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

/** Seconds of one poll, the longest there is. */
const WAIT_SECONDS = 60;
/**
 * Connections that are made at the same time: more would not fit the server's queue of new ones.
 */
const AT_ONCE = 100;

const { hostname, port, host } = new URL(process.argv[2]!);
const runIds = readFileSync(process.argv[3]!, 'utf8').trim().split('\n');

/** Polls for good; resolves when the first poll is on its way. */
function wait(runId: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) });
    const poll = (seconds: number): void =>
      void socket.write(`GET /runs/${runId}?wait=${seconds} HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
    socket.on('connect', () => {
      // Of any length the first time, so that the polls end one after the other and not all at
      // once.
      poll(1 + Math.floor(Math.random() * WAIT_SECONDS));
      resolve();
    });
    // An answer fits one packet on the loopback interface, and the run goes on: it is asked for
    // again.
    socket.on('data', (bytes) => {
      if (!bytes.toString('latin1').startsWith('HTTP/1.1 200'))
        throw new Error(`A poll was answered with ${bytes.toString()}`);
      poll(WAIT_SECONDS);
    });
    socket.on('error', (error) => {
      throw error;
    });
  });
}

for (let first = 0; first < runIds.length; first += AT_ONCE)
  await Promise.all(runIds.slice(first, first + AT_ONCE).map(wait));
process.stdout.write('waiting\n');
