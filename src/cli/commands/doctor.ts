// claimcheck doctor

import { existsSync } from 'node:fs';
import { Command } from 'commander';
import type { StoredBlob } from '../../stores/blobs/blobs.ts';
import { systemClock } from '../../system/clock.ts';
import type { Examined, Finding, Report } from '../../stores/doctor/examination.ts';
import type { StorePlace } from '../../stores/doctor/store.ts';
import { seconds, toRfc3339 } from '../../domain/time.ts';
import { timeText } from '../../client/progress/rate.ts';
import { UsageError } from '../failure.ts';
import { coloursFor, jsonText, type Output, plainLine, write } from '../text/text.ts';

interface DoctorOptions {
  readonly config?: string;
  readonly data?: string;
  readonly json?: boolean;
}

/** Where a store is, as a configuration says it. */
export interface StoreFolder {
  readonly data: string;
  readonly database: string | null;
}

/** Places shown of a broken promise; `--json` has more. */
const PLACES_SHOWN = 5;
/** An examination that is over by then needs no progress. */
const SILENT: number = seconds(2);
const REDRAW: number = seconds(0.2);

/** The command that examines a store, and changes nothing in it. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .summary('examine what a server has stored')
    .description(
      'Reads everything that is stored, holds it against every promise, and names what breaks one. Changes nothing. A server that keeps its runs in a folder must be stopped first.',
    )
    .option('-c, --config <file>', 'configuration file that says where the store is')
    .option('-d, --data <folder>', 'folder of runs and payloads, needs no configuration')
    .option('--json', 'print JSON for a program')
    .addHelpText(
      'after',
      '\nA Postgres database is named by the configuration or by CLAIMCHECK_DATABASE_URL.\nExits with 0 when every promise is kept, with 1 when one is broken, and with 2 when there is no store.\n\nExample:\n  $ claimcheck doctor --data .claimcheck',
    )
    .action(doctor);
}

async function doctor(options: DoctorOptions): Promise<void> {
  const { locateStore } = await import('../../config/config.ts');
  await examineStore(await locateStore(options), options.json === true);
}

/**
 * Examines a store and prints what was found.
 *
 * @throws Error when a promise is broken
 */
export async function examineStore(store: StoreFolder, asJson: boolean): Promise<void> {
  // Imported here, so that every other command starts without the server's code.
  const [{ examine }, { openStore }] = await Promise.all([
    import('../../stores/doctor/examination.ts'),
    import('../../stores/doctor/store.ts'),
  ]);
  const place = await placeOf(store);
  const opened = await openStore(place);
  const progress = new ProgressLine(process.stderr);
  try {
    const startedAt = systemClock.now();
    const report = await examine(opened, startedAt, (examined) => progress.show(examined));
    progress.clear();
    const took = (systemClock.now() - startedAt) / 1_000;
    const text = asJson ? jsonText(body(report)) : reportText(report, place, took, process.stdout);
    await write(process.stdout, text);
    if (!report.healthy) throw new Error(verdictOf(report.findings));
  } finally {
    progress.clear();
    await opened.close();
  }
}

async function placeOf({ data, database }: StoreFolder): Promise<StorePlace> {
  const [{ blobFolder, cacheFile, capturesFile, capturesFolder, ledgerFile, vaultFile }, { folderPlace }] =
    await Promise.all([import('../../config/config.ts'), import('../../stores/open.ts')]);
  const file = ledgerFile(data);
  if (database === null && !existsSync(file))
    throw new UsageError(`There is no ledger at ${file}. Name its folder with --data.`);
  return {
    ledger: database === null ? { file } : { url: database },
    blobs: blobFolder(data),
    captures: capturesFile(data),
    captureBlobs: capturesFolder(data),
    folder: folderPlace({ data, database }),
    vault: vaultFile(data),
    cache: cacheFile(data),
  };
}

/** The report for people. */
function reportText(report: Report, place: StorePlace, tookSeconds: number, output: Output): string {
  const { bold, dim } = coloursFor(output);
  const where = 'url' in place.ledger ? `the database and ${place.blobs}` : place.ledger.file;
  const counts = `${countsText(report.examined)}, ${timeText(tookSeconds)}`;
  return [
    `Examined ${bold(plainLine(where))}: ${counts}`,
    '',
    ...report.findings.flatMap((finding) => findingLines(finding, output)),
    ...[
      ...leftoverLines(report.leftovers, place.blobs, 'run', DELETED_NEXT),
      ...leftoverLines(report.captureLeftovers, place.captureBlobs, 'capture', fateOfCaptures(report)),
    ].map((line) => dim(line)),
    ...(report.healthy ? ['', 'Every promise is kept.'] : ['', WHAT_TO_DO]),
    '',
  ].join('\n');
}

function findingLines({ promise, kept, places }: Finding, output: Output): string[] {
  const { green, red, yellow, dim } = coloursFor(output);
  if (kept === null) return [`${yellow('?')} ${dim(promise)}`];
  if (kept) return [`${green('✓')} ${promise}`];
  const shown = places.slice(0, PLACES_SHOWN).map((place) => `    ${plainLine(place)}`);
  // The audit stops looking at some number, so nobody knows how many there are in all.
  const more = places.length > PLACES_SHOWN ? [`    and at least ${places.length - PLACES_SHOWN} more`] : [];
  return [`${red('✗')} ${promise}`, ...shown, ...more];
}

/** What a reader of broken promises does next. */
const WHAT_TO_DO =
  'What to do: copy the store as it is before anything else changes it, and look at the disk. Put back a backup of before (claimcheck restore), or what is named above of it; runs that are named here alone can be submitted again. docs/doctor.md says more.';

/** What leaves blobs behind that nothing names. */
const LEFT_BEHIND = {
  run: 'when a server dies while it stores one',
  capture: 'when a server dies while it captures a run or deletes a capture',
} as const;

const DELETED_NEXT = 'The next server deletes such blobs.';
/** What will be done with blobs that no capture names. */
const fateOfCaptures = ({ examined }: Report): string =>
  examined.captures > 0
    ? DELETED_NEXT
    : 'They stay while there is no capture at all: they may belong to another store.';

function leftoverLines(
  leftovers: readonly StoredBlob[],
  folder: string,
  owner: keyof typeof LEFT_BEHIND,
  fate: string,
): string[] {
  if (leftovers.length === 0) return [];
  const bytes = leftovers.reduce((sum, blob) => sum + blob.bytes, 0);
  const shown = leftovers.slice(0, PLACES_SHOWN).map(({ key }) => `    ${key}`);
  const more = leftovers.length > PLACES_SHOWN ? [`    and ${leftovers.length - PLACES_SHOWN} more`] : [];
  const named = `${leftovers.length === 1 ? 'is' : 'are'} named by no ${owner}`;
  return [
    '',
    `${counted(leftovers.length, 'blob')} (${bytesText(bytes)}) in ${plainLine(folder)} ${named}: what is left ${LEFT_BEHIND[owner]}. ${fate}`,
    ...shown,
    ...more,
  ];
}

function verdictOf(findings: readonly Finding[]): string {
  const broken = findings.filter(({ kept }) => kept === false).length;
  const unknown = findings.filter(({ kept }) => kept === null).length;
  const beside = unknown === 0 ? '' : `, and ${unknown} cannot be told, because a file cannot be read to its end`;
  return `${broken} of ${counted(findings.length, 'promise')} ${broken === 1 ? 'is' : 'are'} broken${beside}.`;
}

function body({ healthy, findings, examined, leftovers, captureLeftovers }: Report) {
  const { runs, captures, blobs, blobBytes } = examined;
  return {
    healthy,
    promises: findings,
    examined: { runs, captures, blobs, blob_bytes: blobBytes },
    leftovers: leftovers.map(leftoverBody),
    capture_leftovers: captureLeftovers.map(leftoverBody),
  };
}

const leftoverBody = ({ key, bytes, storedAt }: StoredBlob) => ({ key, bytes, stored_at: toRfc3339(storedAt) });

function countsText({ runs, captures, blobs, blobBytes }: Examined): string {
  const kept = captures === 0 ? [] : [counted(captures, 'capture')];
  return [counted(runs, 'run'), ...kept, `${counted(blobs, 'blob')} (${bytesText(blobBytes)})`].join(', ');
}

const counted = (count: number, noun: string): string =>
  `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'] as const;

/** A number of bytes for people: `812 bytes`, `4.1 kB`, `37 MB`. */
export function bytesText(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(bytes, 1)) / 3)));
  const count = bytes / 1_000 ** power;
  return `${count < 9.95 && power > 0 ? count.toFixed(1) : Math.round(count)} ${UNITS[power]}`;
}

/** How far the examination is, on a terminal and once it takes long. */
class ProgressLine {
  readonly #output: Output;
  #next = systemClock.now() + SILENT;
  #isShown = false;

  constructor(output: Output) {
    this.#output = output;
  }

  show(examined: Examined): void {
    const now = systemClock.now();
    if (!this.#output.isTTY || now < this.#next) return;
    this.#next = now + REDRAW;
    this.#isShown = true;
    this.#output.write(`\rExamining: ${countsText(examined)}\u001b[K`);
  }

  clear(): void {
    if (this.#isShown) this.#output.write('\r\u001b[K');
    this.#isShown = false;
  }
}
