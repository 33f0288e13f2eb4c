// claimcheck runs

import { Command, Option } from 'commander';
import type { RunsFilter } from '../../client/connect.ts';
import type { Run } from '../../client/run.ts';
import { type AttemptEnd, attemptEndText, logLineText, logText } from '../../domain/log-line.ts';
import { RUN_STATUSES } from '../../domain/run.ts';
import type { DeliveryBody } from '../../wire/deliveries.ts';
import type { AttemptBody, RunBody, RunLine } from '../../wire/runs.ts';
import { asCalled } from '../called-as.ts';
import { clientOf, comeBack, type ConnectionOptions, serverOption, withConnection } from '../connection.ts';
import { UsageError } from '../failure.ts';
import { explained } from '../failed-run.ts';
import { follow } from '../follow.ts';
import { deliveryList } from '../text/delivery-text.ts';
import { writeContent, writeOutput } from '../output-file.ts';
import { checkWritable, outputFileOf, outputOption, type OutputOptions } from '../output-place.ts';
import { partsCommand } from './parts.ts';
import { printSubmitted } from '../submitted.ts';
import { runDetails, runTable } from '../text/run-text.ts';
import { coloursFor, jsonLine, jsonText, plainLine, write } from '../text/text.ts';
import { readCount } from '../values.ts';

const LIST_DEFAULT = 20;
const UNANSWERED = 'No answer from the server yet; still trying. Ctrl-C stops that.\n';

interface ListOptions extends ConnectionOptions, Pick<RunsFilter, 'endpoint' | 'status' | 'runName'> {
  readonly parent?: string;
  readonly limit?: number;
}

/** The commands about runs that exist already. */
export function runsCommand(): Command {
  return new Command('runs')
    .summary('list, show, wait for, fetch, read the logs of, cancel and retry runs, and see what was told of them')
    .description('Runs that the server has, in any state.')
    .addCommand(listCommand())
    .addCommand(
      byId(
        'show',
        'show a run and its attempts',
        'Shows all that is known of a run; of a batch that is at work also how many chunks are, and which of them has been longest.',
        show,
      ),
    )
    .addCommand(
      byId(
        'wait',
        'wait for a run to end',
        'Waits with progress and shows the run as it ended. Exits with 0 only when it succeeded. Ctrl-C stops waiting, a second one cancels the run.',
        wait,
      ),
    )
    .addCommand(outputCommand())
    .addCommand(partsCommand())
    .addCommand(
      byId(
        'logs',
        'show what the model wrote',
        'Shows the lines that the model logged or printed while it worked on a run. A batch has none: its chunks do (runs list --parent).',
        logs,
      ).option('-f, --follow', 'show further lines as they come, until the run has ended'),
    )
    .addCommand(
      byId('cancel', 'cancel a run', 'Cancels a run that is queued or running; it can never succeed any more.', cancel),
    )
    .addCommand(
      byId(
        'deliveries',
        'show how its webhooks were delivered',
        "Shows every webhook about a run's end and every attempt at it.",
        deliveries,
      ),
    )
    .addCommand(
      byId(
        'redeliver',
        'deliver its webhooks again',
        'Delivers the webhooks about a run again, each under the id that it had: a new series of attempts, regardless of how the last one ended.',
        redeliver,
      ),
    )
    .addCommand(
      byId(
        'retry',
        'hand the input of a run in again',
        "Makes a new run of the input and the options of a run that has ended, and prints the new run's id. How to come back for it goes to standard error.",
        retry,
      ),
    );
}

function listCommand(): Command {
  return withConnection(new Command('list'))
    .summary('list runs, newest first')
    .description('Lists runs, newest first.')
    .option('--endpoint <name>', 'only runs of this endpoint')
    .addOption(new Option('--status <status>', 'only runs that stand so').choices([...RUN_STATUSES]))
    .option('--run-name <name>', 'only runs with this label')
    .option('--parent <id>', 'only the chunks of this batch run')
    .option('--limit <count>', `how many at most (default: ${LIST_DEFAULT})`, readCount)
    .addHelpText('after', '\nExample:\n  $ claimcheck runs list --endpoint smiles-to-3d --status failed')
    .action(list);
}

type ById<Options extends ConnectionOptions = ConnectionOptions> = (id: string, options: Options) => Promise<void>;

function outputCommand(): Command {
  return byId(
    'output',
    "fetch a run's output",
    'Writes the output of a run that has succeeded to -o or standard output: byte for byte, but for a table that the ending of -o names another format for.',
    output,
  )
    .addOption(outputOption())
    .option('--partial', 'of a batch that failed, was cancelled or goes on: the rows that are done, the others marked');
}

function byId(name: string, summary: string, description: string, action: ById): Command {
  return withConnection(new Command(name))
    .summary(summary)
    .description(description)
    .argument('<id>', 'id of the run')
    .addHelpText(
      'after',
      `\nExample:\n  $ claimcheck runs ${name} 0199f4a2-6f2e-7cc1-9d2b-0a1b2c3d4e5f${name === 'output' ? ' -o result.csv' : ''}`,
    )
    .action(action);
}

async function list(options: ListOptions): Promise<void> {
  const { endpoint, status, runName, parent, limit = LIST_DEFAULT } = options;
  const runs: RunLine[] = [];
  for await (const run of clientOf(options).runs({ endpoint, status, runName, parentId: parent, limit }))
    runs.push(run);
  await write(process.stdout, options.json === true ? jsonText(runs) : runTable(runs, coloursFor(process.stdout)));
}

async function show(id: string, options: ConnectionOptions): Promise<void> {
  const client = clientOf(options);
  const body = await client.run(id).status();
  const isAtWork = body.batch !== null && body.status === 'running' && options.json !== true;
  // As many as a server answers in one page: a batch rarely has more in flight.
  const running = isAtWork ? client.runs({ parentId: id, status: 'running', limit: 500 }) : [];
  await print(body, options, await Array.fromAsync(running));
}

async function wait(id: string, options: ConnectionOptions): Promise<void> {
  const run = clientOf(options).run(id);
  const ended = await follow(run, options);
  await print(ended, options);
  if (ended.status !== 'succeeded') throw await explained(run, ended, options);
}

async function output(
  id: string,
  options: ConnectionOptions & OutputOptions & { readonly partial?: true },
): Promise<void> {
  const file = outputFileOf(options);
  if (file !== undefined) await checkWritable(file);
  const run = clientOf(options).run(id);
  if (options.partial === true) return writeContent(await run.partialOutput(), file);
  // The run has an id, so a server had it: one that is being started again is waited for.
  const body = await run.status({ onUnanswered: sayOnce(UNANSWERED) });
  if (!body.done)
    throw new UsageError(
      `Run ${id} is ${body.status} and has no output yet. Wait for it with: ${comeBack('wait', id, options)}`,
    );
  if (body.status === 'failed') throw await explained(run, body, options);
  await writeOutput(run, file, options);
  if (options.json === true && file !== undefined) await write(process.stdout, jsonText(body));
}

function sayOnce(sentence: string): () => void {
  let isSaid = false;
  return () => {
    if (!isSaid) process.stderr.write(sentence);
    isSaid = true;
  };
}

/**
 * With --json, a JSON object a line; else text, in which each attempt's lines are followed by how
 * it ended.
 */
async function logs(id: string, options: ConnectionOptions & { readonly follow?: true }): Promise<void> {
  const run = clientOf(options).run(id);
  const { batch } = await run.status();
  if (batch !== null) await write(process.stderr, noLogOfItsOwn(id, options));
  const follow = options.follow === true;
  if (options.json === true) {
    for await (const line of follow ? run.followLogs() : await run.logs()) await write(process.stdout, jsonLine(line));
    return;
  }
  for await (const text of follow ? followedText(run) : await textUntilNow(run))
    await write(process.stdout, `${plainLine(text)}\n`);
}

async function textUntilNow(run: Run): Promise<Iterable<string>> {
  const lines = await run.logs();
  // Asked for afterwards, so that no attempt has lines here whose forerunner's end is not known.
  const { attempts } = await run.status();
  return logText(lines, attempts.map(attemptEnd));
}

async function* followedText(run: Run): AsyncGenerator<string, void> {
  for await (const event of run.events()) {
    if (event.type === 'log') yield logLineText(event.data);
    const text = event.type === 'attempt' ? attemptEndText(attemptEnd(event.data)) : null;
    if (text !== null) yield text;
  }
}

const attemptEnd = ({ attempt, finished_at: at, outcome, error }: AttemptBody): AttemptEnd => ({
  attempt,
  at,
  outcome,
  error,
});

function noLogOfItsOwn(id: string, connection: ConnectionOptions): string {
  const server = serverOption(connection);
  return asCalled(
    [
      `Run ${id} is a batch and has no log of its own: its chunks do.`,
      `List its chunks:  claimcheck runs list --parent ${id}${server}`,
      `Show one's lines: claimcheck runs logs <id>${server}`,
      '',
    ].join('\n'),
  );
}

async function cancel(id: string, options: ConnectionOptions): Promise<void> {
  const body = await clientOf(options).run(id).cancel();
  await write(process.stdout, options.json === true ? jsonText(body) : `Cancelled run ${plainLine(body.run_id)}.\n`);
}

async function retry(id: string, options: ConnectionOptions): Promise<void> {
  await printSubmitted(await clientOf(options).run(id).retry(), options);
}

async function deliveries(id: string, options: ConnectionOptions): Promise<void> {
  const told = await clientOf(options).run(id).deliveries();
  await write(process.stdout, options.json === true ? jsonText(told) : deliveryList(told, coloursFor(process.stdout)));
}

async function redeliver(id: string, options: ConnectionOptions): Promise<void> {
  const run = clientOf(options).run(id);
  const told = await run.deliveries();
  if (told.length === 0)
    throw new UsageError(`Run ${id} has no webhooks: it has not ended, or was submitted without a callback_url.`);
  const again: DeliveryBody[] = [];
  for (const { delivery_id: deliveryId } of told) again.push(await run.redeliver(deliveryId));
  const text = again.map((one) => `Delivering ${plainLine(one.event)} to ${plainLine(one.url)} again.\n`).join('');
  await write(process.stdout, options.json === true ? jsonText(again) : text);
}

function print(body: RunBody, options: ConnectionOptions, running: readonly RunLine[] = []): Promise<void> {
  const text = options.json === true ? jsonText(body) : runDetails(body, coloursFor(process.stdout), running);
  return write(process.stdout, text);
}
