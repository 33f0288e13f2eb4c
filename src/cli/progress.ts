// The progress of a run: one line that is drawn again on a terminal; now and then a plain line anywhere else.
// Not the progress bar of @clack/prompts: its total is fixed before anything is known, it puts the keyboard into raw mode and ends
// the process on Ctrl-C by itself, and in a log it prints a line for every change.

import { systemClock } from '../clock.ts';
import { rateOf, rateText, type Sample, secondsLeft, timeText, withSample } from './rate.ts';
import { coloursFor, type Output, plainLine } from './text.ts';

const REDRAW_MS = 200;
/** Where there is no terminal, lines are kept (in logs), so there is one at the start, one at the end and few between. */
const PLAIN_LINE_MS = 30_000;
const BAR_WIDTH = 24;
const DEFAULT_COLUMNS = 80;

/** What is known of a run; what an update leaves out stays as it was. */
export interface ProgressUpdate {
  readonly done?: number;
  /** null where nobody knows, as in a run that is no table and says nothing. */
  readonly total?: number | null;
  readonly failed?: number;
  /** What is counted; rows, where nothing is said. */
  readonly unit?: 'rows' | 'steps';
  /** What the model says beside, or null. */
  readonly message?: string | null;
  /** Replicas that are ready, and that there shall be. */
  readonly replicas?: { readonly current: number; readonly desired: number } | null;
  /** Why nothing moves, in words: "starting a replica". null while it does. Time spent waiting does not count for the rate. */
  readonly waiting?: string | null;
}

/** A progress line that is shown until it is ended. */
export interface ProgressBar {
  update(change: ProgressUpdate): void;
  /** Removes the line, or replaces it by a last plain one that says how it went. */
  end(last: 'summary' | 'nothing'): void;
}

/** All that a progress line says. */
export interface ProgressView {
  readonly label: string;
  readonly done: number;
  readonly total: number | null;
  readonly failed: number;
  readonly unit: 'rows' | 'steps';
  readonly message: string | null;
  readonly replicas: { readonly current: number; readonly desired: number } | null;
  readonly waiting: string | null;
  /** Rows or steps per second. */
  readonly rate: number | null;
  readonly elapsedSeconds: number;
}

/**
 * Starts to show progress on a stream. Nothing is printed before the first update.
 *
 * @param clock for tests, which move their own
 */
export function showProgress(
  label: string,
  output: Output = process.stderr,
  clock: Pick<typeof systemClock, 'now'> = systemClock,
): ProgressBar {
  return new Progress(plainLine(label), output, () => clock.now());
}

class Progress implements ProgressBar {
  readonly #label: string;
  readonly #output: Output;
  readonly #now: () => number;
  readonly #started: number;
  #state: Required<ProgressUpdate> = {
    done: 0,
    total: null,
    failed: 0,
    unit: 'rows',
    message: null,
    replicas: null,
    waiting: null,
  };
  #samples: readonly Sample[] = [];
  #firstSample: Sample | null = null;
  #lastLineAt = Number.NEGATIVE_INFINITY;
  #drawn = '';
  #timer: NodeJS.Timeout | null = null;

  constructor(label: string, output: Output, now: () => number) {
    this.#label = label;
    this.#output = output;
    this.#now = now;
    this.#started = now();
  }

  update(change: ProgressUpdate): void {
    const now = this.#now();
    this.#state = { ...this.#state, ...change };
    const { done, waiting } = this.#state;
    if (waiting === null || done > 0) this.#samples = withSample(this.#samples, { atMs: now, done });
    this.#firstSample ??= this.#samples[0] ?? null;
    if (this.#output.isTTY) this.#draw();
    else if (now - this.#lastLineAt >= PLAIN_LINE_MS) this.#printLine(now);
  }

  end(last: 'summary' | 'nothing'): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#drawn !== '') this.#output.write('\r\u001b[K');
    this.#drawn = '';
    if (last === 'summary')
      this.#output.write(`${summaryLine(this.#view(overallRate(this.#firstSample, this.#samples.at(-1) ?? null)))}\n`);
  }

  #draw(): void {
    this.#timer ??= setInterval(() => this.#draw(), REDRAW_MS).unref();
    const line = progressLine(
      this.#view(rateOf(this.#samples, this.#now())),
      this.#output.columns || DEFAULT_COLUMNS,
      coloursFor(this.#output),
    );
    if (line === this.#drawn) return;
    this.#drawn = line;
    this.#output.write(`\r${line}\u001b[K`);
  }

  #printLine(now: number): void {
    this.#lastLineAt = now;
    this.#output.write(`${plainProgressLine(this.#view(rateOf(this.#samples, now)))}\n`);
  }

  #view(rate: number | null): ProgressView {
    return { ...this.#state, label: this.#label, rate, elapsedSeconds: (this.#now() - this.#started) / 1_000 };
  }
}

function overallRate(first: Sample | null, last: Sample | null): number | null {
  return first === null || last === null ? null : rateOf([first, last], last.atMs);
}

/** The line of a terminal, never longer than its width. */
export function progressLine(view: ProgressView, width: number, colours: ReturnType<typeof coloursFor>): string {
  const texts = [...countTexts(view), ...paceTexts(view)];
  const fixed = [view.label, ...texts].join('  ');
  const room = Math.min(BAR_WIDTH, width - fixed.length - 3);
  // A bar of a few characters says nothing; then the numbers have to do.
  if (view.total === null || view.total === 0 || room < 8) return fixed.slice(0, width - 1);
  const filled = Math.floor((Math.min(view.done, view.total) / view.total) * room);
  const bar = `${colours.green('━'.repeat(filled))}${colours.dim('─'.repeat(room - filled))}`;
  return [view.label, bar, ...texts].join('  ');
}

/** The line of a log. */
export function plainProgressLine(view: ProgressView): string {
  return `${view.label}: ${[...countTexts(view), ...paceTexts(view)].join(', ')}`;
}

/** The last line: what was done, and how fast in all. */
export function summaryLine(view: ProgressView): string {
  const rate = view.rate === null ? [] : [rateText(view.rate, view.unit)];
  return `${view.label}: ${[...countTexts(view), timeText(view.elapsedSeconds), ...rate].join(', ')}`;
}

function countTexts({ done, total, failed, unit, message }: ProgressView): string[] {
  const counted = total === null ? (done === 0 ? [] : [`${done} ${unit}`]) : [`${done}/${total} ${unit}`];
  return [...counted, ...(failed === 0 ? [] : [`${failed} failed`]), ...(message === null ? [] : [message])];
}

function paceTexts({ done, total, unit, rate, replicas, waiting, elapsedSeconds }: ProgressView): string[] {
  const left = total === null ? null : secondsLeft(total - done, rate);
  return [
    ...(waiting === null ? [] : [waiting]),
    ...(waiting === null && rate !== null ? [rateText(rate, unit)] : []),
    // Without an estimate, the time that has passed shows at least that something is alive.
    ...(left === null || waiting !== null
      ? [timeText(Math.floor(elapsedSeconds))]
      : left > 0
        ? [`ETA ${timeText(Math.ceil(left))}`]
        : []),
    ...(replicas === null ? [] : [`replicas ${replicasText(replicas)}`]),
  ];
}

/** `2`, or `1→3` while they become more or fewer. */
export function replicasText({ current, desired }: { readonly current: number; readonly desired: number }): string {
  return current === desired ? String(current) : `${current}→${desired}`;
}
