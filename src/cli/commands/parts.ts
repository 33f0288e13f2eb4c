// claimcheck runs parts

import { Command } from 'commander';
import type { Content } from '../../client/content.ts';
import type { Part } from '../../client/parts.ts';
import { tableFormatOf } from '../../table/format.ts';
import { clientOf, type ConnectionOptions, withConnection } from '../connection.ts';
import { harmlessJson, jsonLine, write } from '../text/text.ts';

/** The command that prints the parts of a batch as they end. */
export function partsCommand(): Command {
  return withConnection(new Command('parts'))
    .summary('print the parts of a batch as they end')
    .description(
      'Prints every part of a batch as soon as it has ended, those of before first, as a JSON object a line: rows.from and rows.to (counted from 0), run_id of its chunk, table with its rows, and error, null where there is none. No value is changed; those of a CSV are strings. Goes on until the batch has ended, and exits with 0 only when it succeeded.',
    )
    .argument('<id>', 'id of the run')
    .addHelpText('after', '\nExample:\n  $ claimcheck runs parts 0199f4a2-6f2e-7cc1-9d2b-0a1b2c3d4e5f > parts.jsonl')
    .action(parts);
}

async function parts(id: string, options: ConnectionOptions): Promise<void> {
  for await (const part of clientOf(options).run(id).parts()) await write(process.stdout, partLine(part));
}

function partLine({ rows, runId, table, content, error }: Part): string {
  const failure = error === null ? null : { type: error.slug, detail: error.detail };
  const facts = jsonLine({ rows, run_id: runId, error: failure }).trimEnd();
  const text = content === null ? 'null' : harmlessJson(tableText(content, table));
  return `${facts.slice(0, -1)},"table":${text}}\n`;
}

/** The rows as JSON: what is JSON stays as it is written, so that its numbers do. */
function tableText({ bytes, contentType }: Content, table: Part['table']): string {
  const format = tableFormatOf(contentType);
  const text = new TextDecoder().decode(bytes);
  if (format === 'json') return text.replaceAll(/[\r\n]+/g, ' ');
  if (format === 'jsonl') return `[${text.split('\n').filter(isFilled).join(',')}]`;
  return JSON.stringify(table);
}

const isFilled = (line: string): boolean => line.trim() !== '';
