// The options that every command which talks to a server has.

import type { Command } from 'commander';
import { type Claimcheck, connect } from '../client/connect.ts';
import { asCalled } from './called-as.ts';
import { UsageError } from './failure.ts';

/** What `withConnection` adds to a command. */
export interface ConnectionOptions {
  readonly url?: string;
  readonly json?: boolean;
}

/**
 * Adds `--url` and `--json`. The API key is no option, since every user of a machine can read
 * arguments.
 */
export function withConnection(command: Command): Command {
  return command
    .option('--url <url>', 'where the server is (default: CLAIMCHECK_URL, else http://127.0.0.1:4242)')
    .option('--json', 'print JSON for a program');
}

/** The client of the server that the options name. */
export function clientOf({ url }: ConnectionOptions): Claimcheck {
  try {
    return connect({ url });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/**
 * The command that comes back to a run, with the server where it was named, and the file that its
 * output goes to.
 */
export function comeBack(
  command: 'wait' | 'show' | 'output',
  runId: string,
  connection: ConnectionOptions,
  file?: string,
): string {
  const target = file === undefined ? '' : ` -o ${shellWord(file)}`;
  return asCalled(`claimcheck runs ${command} ${runId}${serverOption(connection)}${target}`);
}

/**
 * How a command that is to be called next names the server, where this one was told it: the end of
 * that command.
 */
export const serverOption = ({ url }: ConnectionOptions): string => (url === undefined ? '' : ` --url ${url}`);

/** Text as one word of a shell. */
const shellWord = (text: string): string =>
  /^[\w./:@%+,=-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
