// The progress of runs on a stream: a line for each that is drawn again on a terminal; now and then
// a plain line anywhere else. Not the progress bar of @clack/prompts: its total is fixed before
// anything is known, it puts the keyboard into raw mode and ends the process on Ctrl-C by itself,
// and in a log it prints a line for every change.

import { monotonicNow, standardError } from '../environment.ts';
import { type InFlight, plainProgressLine, progressLine, type ProgressView, summaryLine } from './line.ts';
import { rateOf, type Sample, withSample } from './rate.ts';
import { coloursFor, type Output, plainLine } from './terminal.ts';

const REDRAW_MS = 200;
/**
 * Where there is no terminal, lines are kept (in logs), so there is one at the start, one at the
 * end and few between.
 */
const PLAIN_LINE_MS = 30_000;
const DEFAULT_COLUMNS = 80;
/**
 * Lines that are drawn at once: more would scroll away on a small terminal, and could not be drawn
 * over.
 */
const LINES_MAX = 12;

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
  /**
   * Why nothing moves, in words: "starting a replica". null while it does. Time spent waiting does
   * not count for the rate.
   */
  readonly waiting?: string | null;
  /** What keeps a batch whose end is near, or null. */
  readonly inFlight?: InFlight | null;
}

/** A progress line that is shown until it is ended. */
export interface ProgressBar {
  update(change: ProgressUpdate): void;
  /**
   * Removes the line, or replaces it by a last plain one that says how it went; `facts` are what
   * nobody was shown before.
   */
  end(last: 'summary' | 'nothing', facts?: ProgressUpdate & { readonly tookSeconds?: number }): void;
}

/** How progress is shown. */
export interface ProgressOptions {
  /** Standard error. */
  readonly output?: Output;
  /** Milliseconds of a clock that only goes forward; for tests, which move their own. */
  readonly now?: () => number;
}

/**
 * Starts to show progress on a stream. Nothing is printed before the first update. Bars on one
 * terminal stand below each other.
 */
export function showProgress(
  label: string,
  { output = standardError()!, now = monotonicNow }: ProgressOptions = {},
): ProgressBar {
  return new Progress(plainLine(label), output, now);
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
    inFlight: null,
  };
  #samples: readonly Sample[] = [];
  #firstSample: Sample | null = null;
  #lastLineAt = Number.NEGATIVE_INFINITY;

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
    if (this.#output.isTTY === true) screenOf(this.#output).show(this);
    else if (now - this.#lastLineAt >= PLAIN_LINE_MS) this.#printLine(now);
  }

  end(last: 'summary' | 'nothing', { tookSeconds, ...change }: Parameters<ProgressBar['end']>[1] = {}): void {
    this.#state = { ...this.#state, ...change };
    const rate = overallRate(this.#firstSample, this.#samples.at(-1) ?? null);
    const view = this.#view(rate);
    const elapsedSeconds = tookSeconds ?? view.elapsedSeconds;
    const summary = last === 'summary' ? `${summaryLine({ ...view, elapsedSeconds })}\n` : '';
    if (this.#output.isTTY === true) screenOf(this.#output).remove(this, summary);
    else if (summary !== '') this.#output.write(summary);
  }

  /** The line of a terminal, as it now is. */
  line(): string {
    const rate = rateOf(this.#samples, this.#now());
    return progressLine(this.#view(rate), this.#output.columns || DEFAULT_COLUMNS, coloursFor(this.#output));
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

const screens = new WeakMap<Output, Screen>();

function screenOf(output: Output): Screen {
  const screen = screens.get(output) ?? new Screen(output);
  screens.set(output, screen);
  return screen;
}

/** The bars of one terminal, below each other, with the cursor at the end of the last. */
class Screen {
  readonly #output: Output;
  readonly #bars = new Set<Progress>();
  #drawn: readonly string[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(output: Output) {
    this.#output = output;
  }

  show(bar: Progress): void {
    this.#bars.add(bar);
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.#draw(), REDRAW_MS);
      // Where timers are objects: what is shown keeps no process alive.
      (this.#timer as { unref?: () => void }).unref?.();
    }
    this.#draw();
  }

  /** Takes a bar away, and writes what is to stay above the others. */
  remove(bar: Progress, last: string): void {
    this.#bars.delete(bar);
    if (this.#bars.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    if (this.#drawn.length > 0)
      this.#output.write(`${this.#toTop()}${this.#drawn.length > 1 ? '\u001b[J' : '\u001b[K'}`);
    this.#drawn = [];
    if (last !== '') this.#output.write(last);
    this.#draw();
  }

  #draw(): void {
    const lines = [...this.#bars].slice(0, LINES_MAX).map((bar) => bar.line());
    const hidden = this.#bars.size - lines.length;
    if (hidden > 0) lines.push(`and ${hidden} more`);
    if (lines.length === 0 || lines.join('\n') === this.#drawn.join('\n')) return;
    const text = lines.map((line) => `${line}\u001b[K`).join('\n');
    this.#output.write(`${this.#toTop()}${text}`);
    this.#drawn = lines;
  }

  /**
   * Lines only become fewer when all are removed, so drawing from the first one leaves none behind.
   */
  #toTop(): string {
    return this.#drawn.length > 1 ? `\r\u001b[${this.#drawn.length - 1}A` : '\r';
  }
}
