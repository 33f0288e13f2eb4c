// claimcheck captures

import { Command, Option } from 'commander';
import type { Capture } from '../../client/captures.ts';
import { ERROR_COLUMN } from '../../table/codec.ts';
import { captureDetails, captureTable, metricsText } from '../text/capture-text.ts';
import { clientOf, type ConnectionOptions, withConnection } from '../connection.ts';
import { writeContent } from '../output-file.ts';
import { checkWritable, outputFileOf, outputOption, type OutputOptions } from '../output-place.ts';
import { coloursFor, jsonText, plain, plainLine, write } from '../text/text.ts';
import { readCount } from '../values.ts';

interface ListOptions extends ConnectionOptions {
  readonly name?: string;
  readonly limit: number;
}

interface PredictionsOptions extends ConnectionOptions, OutputOptions {}

interface AddOptions extends ConnectionOptions {
  readonly target?: string;
  readonly prediction?: string;
  readonly task?: 'regression' | 'classification';
}

interface AutoOptions extends ConnectionOptions {
  readonly rows: number;
}

/** The commands about captures. */
export function capturesCommand(): Command {
  return new Command('captures')
    .summary('keep predictions under a name, and see how good they are')
    .description(
      'Predictions that the server keeps, version by version, with metrics where the target is a column of the input.',
    )
    .addCommand(listCommand())
    .addCommand(
      aboutOne('show', 'captures show abalone-rings holdout-2026')
        .summary('show a capture')
        .description('Shows where a capture comes from, its columns, its rows and its metrics.')
        .action(show),
    )
    .addCommand(
      aboutOne('metrics', 'captures metrics abalone-rings holdout-2026 3')
        .summary('show the metrics of a capture')
        .description('Shows how good the predictions are: failed rows are counted and never scored.')
        .action(metrics),
    )
    .addCommand(
      aboutOne('predictions', 'captures predictions abalone-rings holdout-2026 -o rings.csv')
        .summary('write the predictions of a capture')
        .description(
          'Writes the predictions as the run answered them to -o or standard output: byte for byte, but for a table that the ending of -o names another format for. With --json, standard output gets the capture.',
        )
        .addOption(outputOption())
        .action(predictions),
    )
    .addCommand(addCommand())
    .addCommand(autoCommand())
    .addCommand(deleteCommand());
}

/** A command about one version of a capture, or about all of them where `unsaid` says so. */
const aboutOne = (name: string, example: string, unsaid = 'the newest'): Command =>
  withConnection(new Command(name))
    .argument('<endpoint>', 'the endpoint')
    .argument('<name>', 'the name of the capture')
    .argument('[version]', `which version (default: ${unsaid})`, readCount)
    .addHelpText('after', `\nExample:\n  $ claimcheck ${example}`);

const listCommand = (): Command =>
  withConnection(new Command('list'))
    .summary('list captures')
    .description('Lists the captures of an endpoint, newest first.')
    .argument('[endpoint]', "the endpoint (default: the server's default one)")
    .option('--name <name>', 'only the versions of this name')
    .option('--limit <count>', 'how many at the most', readCount, 20)
    .addHelpText('after', '\nExample:\n  $ claimcheck captures list abalone-rings')
    .action(list);

const addCommand = (): Command =>
  withConnection(new Command('add'))
    .summary('capture a run that has succeeded')
    .description(
      'Keeps the predictions of a run under a name, as its next version. The same run under the same name is the same version, however often.',
    )
    .argument('<endpoint>', 'the endpoint')
    .argument('<name>', 'the name')
    .argument('<run>', 'the id of the run')
    .option('--target <column>', "the column of the input to compare with (default: the endpoint's)")
    .option('--prediction <column>', "the column of the output that has the prediction (default: the endpoint's)")
    .addOption(
      new Option('--task <task>', 'what is scored, where 0 and 1 are classes').choices([
        'regression',
        'classification',
      ]),
    )
    .addHelpText(
      'after',
      '\nExample:\n  $ claimcheck captures add abalone-rings holdout-2026 019aa7b2-7c1e-7a34-9f00-3b1c2d4e5f60',
    )
    .action(add);

const autoCommand = (): Command =>
  withConnection(new Command('auto'))
    .summary('try an endpoint on rows of its evaluation data')
    .description(
      'Runs rows of the evaluation data that the model was not trained on, the same ones every time, captures their predictions as auto_inference, and shows the metrics. Where every row fails, it exits with 1.',
    )
    .argument('[endpoint]', "the endpoint (default: the server's default one)")
    .option('--rows <count>', 'how many rows', readCount, 10)
    .addHelpText('after', '\nExample:\n  $ claimcheck captures auto abalone-rings --rows 100')
    .action(auto);

const deleteCommand = (): Command =>
  aboutOne('delete', 'captures delete abalone-rings holdout-2026 3', 'all of them')
    .summary('delete a version of a capture, or all of them')
    .description(
      'Deletes a version of a capture with its predictions, or all versions of the name where none is named, and says how many. A number is never given again.',
    )
    .action(deleteCapture);

async function list(endpoint: string | undefined, options: ListOptions): Promise<void> {
  const { name, limit } = options;
  const captures = await clientOf(options).endpoint(endpoint).captures({ name, limit });
  await print(options, captures, () => captureTable(captures, coloursFor(process.stdout)));
}

async function show(
  endpoint: string,
  name: string,
  version: number | undefined,
  options: ConnectionOptions,
): Promise<void> {
  await printCapture(options, await clientOf(options).endpoint(endpoint).capture(name, version));
}

async function metrics(
  endpoint: string,
  name: string,
  version: number | undefined,
  options: ConnectionOptions,
): Promise<void> {
  const { body } = await clientOf(options).endpoint(endpoint).capture(name, version);
  const { metrics: numbers, metrics_missing, rows } = body;
  await print(options, { metrics: numbers, metrics_missing, rows }, () =>
    metricsText(body, coloursFor(process.stdout)),
  );
}

async function predictions(
  endpoint: string,
  name: string,
  version: number | undefined,
  options: PredictionsOptions,
): Promise<void> {
  const file = outputFileOf(options);
  if (file !== undefined) await checkWritable(file);
  const capture = await clientOf(options).endpoint(endpoint).capture(name, version);
  if (options.json === true) await write(process.stdout, jsonText(capture.body));
  if (options.json === true && file === undefined) return;
  await writeContent(await capture.output(), file);
}

async function add(endpoint: string, name: string, run: string, options: AddOptions): Promise<void> {
  const { target, prediction, task } = options;
  const capture = await clientOf(options).endpoint(endpoint).captureRun(run, { name, target, prediction, task });
  await printCapture(options, capture);
}

async function auto(endpoint: string | undefined, options: AutoOptions): Promise<void> {
  const { rows, capture } = await clientOf(options).endpoint(endpoint).testInference(options.rows);
  await printCapture(options, capture);
  const [reason] = rows.flatMap(({ [ERROR_COLUMN]: error }) =>
    typeof error === 'string' && error !== '' ? [error] : [],
  );
  if (reason === undefined) return;
  const { failed, total } = capture.body.rows;
  const sentence = `${failed} of ${total} rows failed, the first of them with: ${reason}`;
  if (failed === total) throw new Error(sentence);
  await write(process.stderr, `${plain(sentence)}\n`);
}

async function deleteCapture(
  endpoint: string,
  name: string,
  version: number | undefined,
  options: ConnectionOptions,
): Promise<void> {
  const deleted = await clientOf(options).endpoint(endpoint).deleteCapture(name, version);
  const versions =
    version === undefined ? `${deleted} ${deleted === 1 ? 'version' : 'versions'}` : `version ${version}`;
  await print(options, { deleted }, () => `Deleted ${versions} of ${plainLine(name)}.\n`);
}

const printCapture = (options: ConnectionOptions, { body }: Capture): Promise<void> =>
  print(options, body, () => captureDetails(body, coloursFor(process.stdout)));

const print = ({ json }: ConnectionOptions, value: unknown, text: () => string): Promise<void> =>
  write(process.stdout, json === true ? jsonText(value) : text());
