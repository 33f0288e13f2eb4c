// claimcheck cache

import { Command } from 'commander';
import type { AnswerStore } from '../../cache/port.ts';
import { serverAnswers } from '../../client/cache/answer-store.ts';
import { Endpoint } from '../../client/endpoint.ts';
import { formatBytes } from '../../domain/bytes.ts';
import { clientOf, type ConnectionOptions, withConnection } from '../connection.ts';
import { columns, jsonText, plainLine, write } from '../text/text.ts';

/** The commands about answers that a server keeps. */
export function cacheCommand(): Command {
  return new Command('cache')
    .summary('see and clear the answers that a server keeps')
    .description('Answers that were computed for tables that came through an InferenceCache of the SDK.')
    .addCommand(infoCommand())
    .addCommand(clearCommand())
    .addCommand(compactCommand());
}

function infoCommand(): Command {
  return withConnection(new Command('info'))
    .summary('show how much is kept of an endpoint, and of what use it is')
    .argument('<endpoint>', 'the endpoint')
    .addHelpText('after', '\nExample:\n  $ claimcheck cache info smiles-to-3d')
    .action(info);
}

function clearCommand(): Command {
  return withConnection(new Command('clear'))
    .summary('forget every answer of an endpoint')
    .argument('<endpoint>', 'the endpoint')
    .addHelpText('after', '\nExample:\n  $ claimcheck cache clear smiles-to-3d')
    .action(clear);
}

function compactCommand(): Command {
  return withConnection(new Command('compact'))
    .summary('give room that is no longer needed back to the disk')
    .argument('<endpoint>', 'an endpoint; they share the room')
    .addHelpText('after', '\nExample:\n  $ claimcheck cache compact smiles-to-3d')
    .action(compact);
}

const answersOf = (endpoint: string, options: ConnectionOptions): AnswerStore =>
  serverAnswers(Endpoint.transportOf(clientOf(options).endpoint(endpoint)), endpoint);

async function info(endpoint: string, options: ConnectionOptions): Promise<void> {
  const found = await answersOf(endpoint, options).info();
  const { hits, misses, versions } = found;
  if (options.json === true) return write(process.stdout, jsonText(found));
  const asked = hits + misses;
  const use = asked === 0 ? 'nobody has asked yet' : `${hits} of ${asked} keys that were asked for were known`;
  const lines = versions.map(({ version, rows, bytes }) => [`version ${version}`, rowsText(rows), formatBytes(bytes)]);
  await write(process.stdout, `${plainLine(endpoint)}: ${use}\n${lines.length === 0 ? '' : columns(lines)}`);
}

async function clear(endpoint: string, options: ConnectionOptions): Promise<void> {
  const deleted = await answersOf(endpoint, options).clear();
  const text = `Forgot ${rowsText(deleted)} of ${plainLine(endpoint)}.\n`;
  await write(process.stdout, options.json === true ? jsonText({ deleted }) : text);
}

async function compact(endpoint: string, options: ConnectionOptions): Promise<void> {
  const freed = await answersOf(endpoint, options).compact();
  const text = `Gave ${formatBytes(freed)} back to the disk.\n`;
  await write(process.stdout, options.json === true ? jsonText({ freed_bytes: freed }) : text);
}

const rowsText = (count: number): string => `${count} ${count === 1 ? 'row' : 'rows'}`;
