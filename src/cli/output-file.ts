// Outputs to files or standard output, while they come.

import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { chmod, rename, rm } from 'node:fs/promises';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Content } from '../client/content.ts';
import type { OutputStream } from '../client/download.ts';
import { ConnectionError } from '../client/errors.ts';
import type { Run } from '../client/run.ts';
import { sha256 } from '../domain/digest.ts';
import { isSystemError, reasonOf } from '../domain/system-error.ts';
import { TableError, tableFormatOf } from '../table/format.ts';
import { comeBack, type ConnectionOptions } from './connection.ts';
import { contentTypeByName } from './files.ts';
import { fileBytes, isConverted } from './table-files.ts';
import { Interrupted, UsageError } from './failure.ts';
import { Interrupts } from './interrupts.ts';
import { placeOf } from './output-place.ts';
import { plain, write } from './text/text.ts';

/**
 * Writes the output of a run that has succeeded to a file, or to standard output: as it is into a
 * pipe, as harmless text on a terminal. A file is there when all of it is.
 *
 * @throws Interrupted after Ctrl-C and other signals; UsageError where it cannot be written, or a
 *   terminal should not get it; ConnectionError. All say how to come back
 */
export async function writeOutput(run: Run, file: string | undefined, connection: ConnectionOptions): Promise<void> {
  const interrupts = new Interrupts();
  try {
    await writeStream(await run.outputStream({ signal: interrupts.first }), file, interrupts.first);
  } catch (error) {
    if (interrupts.first.aborted)
      throw new Interrupted(
        `Stopped fetching the output. Come back with: ${comeBack('output', run.id, connection, file)}`,
        interrupts.signal,
      );
    if (error instanceof ConnectionError) process.stderr.write(howToFetch(run, file, connection));
    if (!(error instanceof UsageError)) throw error;
    const kept = `Run ${run.id} has succeeded and its output is kept`;
    const elsewhere = `Fetch it elsewhere with: ${comeBack('output', run.id, connection)} -o <file>`;
    throw new UsageError(`${error.message} ${kept}. ${elsewhere}`, { cause: error });
  } finally {
    interrupts.stop();
  }
}

const howToFetch = (run: Run, file: string | undefined, connection: ConnectionOptions): string =>
  `Run ${run.id} has ended and goes on being kept. Fetch its output with: ${comeBack('output', run.id, connection, file)}\n`;

/**
 * As `writeOutput`, of bytes in hand. Throws UsageError where they cannot be written, or a terminal
 * should not get them.
 */
export const writeContent = (content: Content, file: string | undefined): Promise<void> =>
  writeStream(asStream(content), file);

type Output = Pick<OutputStream, 'stream' | 'contentType' | 'sha256'>;

const asStream = ({ bytes, contentType }: Content): Output => ({
  stream: new Blob([new Uint8Array(bytes)]).stream(),
  contentType,
  sha256: sha256(bytes),
});

async function writeStream(output: Output, file: string | undefined, signal?: AbortSignal): Promise<void> {
  try {
    if (file !== undefined) await writeToFile(output, file, signal);
    else if (process.stdout.isTTY) await writeToTerminal(output);
    else await pipeline(Readable.fromWeb(output.stream), toStandardOutput(), { signal });
  } catch (cause) {
    const reason = reasonAgainst(cause);
    if (reason === null) throw cause;
    throw new UsageError(`${file ?? 'Standard output'} cannot be written: ${reason}`, { cause });
  }
}

/**
 * Why an output cannot be where it was to go; null for an error that has to do with its way here.
 */
function reasonAgainst(error: unknown): string | null {
  if (isSystemError(error)) return `${reasonOf(error)}.`;
  return error instanceof TableError ? `the output is no table that it could hold. ${error.message}` : null;
}

const bytesOf = async ({ stream }: Output): Promise<Uint8Array> =>
  new Uint8Array(await new Response(stream).arrayBuffer());

/** As it comes, but for a table that the file's name wants in another form: that is held. */
async function writeToFile(output: Output, file: string, signal: AbortSignal | undefined): Promise<void> {
  const { contentType } = output;
  const named = contentTypeByName(file);
  if (named === null || !isConverted(contentType, named)) return writeFile(output, file, signal);
  const bytes = await fileBytes({ bytes: await bytesOf(output), contentType }, file, named);
  await writeFile(asStream({ bytes, contentType }), file, signal);
}

async function writeFile(
  { stream, sha256: wanted }: Output,
  file: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const place = await placeOf(file);
  const hash = createHash('sha256');
  const parts = async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    for await (const part of source) {
      hash.update(part);
      yield part;
    }
  };
  try {
    await pipeline(Readable.fromWeb(stream), parts, createWriteStream(place.written), { signal });
    if (hash.digest('hex') !== wanted)
      throw new Error(
        `The bytes that came are not the output that the server has. ${file} was not written; try again.`,
      );
    if (place.mode !== null) await chmod(place.written, place.mode);
    if (place.written !== place.target) await rename(place.written, place.target);
  } catch (error) {
    if (place.written !== place.target) await rm(place.written, { force: true });
    throw error;
  }
}

/**
 * Standard output as a stream that can be given up: a reader that has stopped reading keeps nobody
 * waiting.
 */
const toStandardOutput = (): Writable =>
  new Writable({ write: (part: Uint8Array, _encoding, done) => process.stdout.write(part, done) });

async function writeToTerminal(output: Output): Promise<void> {
  const { contentType } = output;
  if (!isText(contentType))
    throw new UsageError(`The output is ${contentType}, which is no text. Write it to a file with -o, or into a pipe.`);
  const text = plain(new TextDecoder().decode(await bytesOf(output)));
  await write(process.stdout, text.endsWith('\n') ? text : `${text}\n`);
}

function isText(contentType: string): boolean {
  return (
    contentType.startsWith('text/') ||
    tableFormatOf(contentType) !== null ||
    /^application\/(?:.+\+)?json\b/.test(contentType)
  );
}
