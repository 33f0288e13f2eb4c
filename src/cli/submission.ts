// The arguments that `invoke` and `submit` share: which endpoint, which input, which options.

import { type Command, Option } from 'commander';
import type { InputContent } from '../client/content.ts';
import type { SubmitOptions } from '../client/submission.ts';
import { type ConnectionOptions, withConnection } from './connection.ts';
import { readInput } from './files.ts';
import { readCount, readSeconds } from './values.ts';

/** The options of a submission, as commander reads them. */
export interface SubmissionOptions extends ConnectionOptions {
  readonly data?: string;
  readonly type?: string;
  readonly batchSize?: number;
  readonly maxInFlight?: number;
  readonly onRowError?: 'mark' | 'drop' | 'fail';
  readonly timeout?: number;
  readonly runName?: string;
  readonly concurrencyKey?: string;
  readonly callbackUrl?: string;
}

/** Adds the arguments and options of a submission to a command. */
export function withSubmission(command: Command): Command {
  return withConnection(
    command
      .argument('[endpoint]', "the endpoint (default: the server's default one)")
      .argument(
        '[file]',
        'the input: a .csv, .jsonl, .json, .arrow or .parquet file, any other file, or - for standard input',
      )
      .option('-d, --data <json>', 'the input as JSON text')
      .option(
        '--type <type>',
        "csv, jsonl, json, arrow, parquet or a content type, where the file's name does not say it",
      )
      .option('--batch-size <rows>', 'rows per chunk', readCount)
      .option('--max-in-flight <chunks>', 'chunks outstanding at once', readCount)
      .addOption(
        new Option('--on-row-error <what>', 'what to do with rows that fail alone').choices(['mark', 'drop', 'fail']),
      )
      .option('--timeout <duration>', "limit of one attempt: '90s', '10m' or a number of seconds", readSeconds)
      .option('--run-name <name>', 'a label to find the run by')
      .option('--concurrency-key <key>', 'makes no new run while one with the same key has not ended')
      .option('--callback-url <url>', 'where the end of the run is told, by a signed webhook'),
  );
}

/** What is to be submitted, and where. */
export interface ReadSubmission {
  readonly endpoint: string | undefined;
  readonly input: InputContent;
  readonly options: SubmitOptions;
}

/**
 * Reads the input that the arguments name.
 *
 * @throws UsageError when they name none, or one that cannot be read
 */
export async function readSubmission(
  first: string | undefined,
  second: string | undefined,
  options: SubmissionOptions,
): Promise<ReadSubmission> {
  // An endpoint's name has no dot and no slash, so a lone argument with one is the file, and the
  // endpoint the default one.
  const loneFile =
    second === undefined && options.data === undefined && first !== undefined && /^-$|[./\\]/.test(first);
  const [endpoint, file] = loneFile ? [undefined, first] : [first, second];
  const input = await readInput({ file, data: options.data, type: options.type });
  const { batchSize, maxInFlight, onRowError, timeout, runName, concurrencyKey, callbackUrl } = options;
  const said = { batchSize, maxInFlight, onRowError, timeout, runName, concurrencyKey, callbackUrl };
  return { endpoint, input, options: said };
}
