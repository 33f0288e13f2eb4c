// What a progress line says, as text. Pure.

import { cellsOf, cutToCells } from './cells.ts';
import { rateText, secondsLeft, timeText } from './rate.ts';
import type { coloursFor } from './terminal.ts';

const BAR_WIDTH = 24;

/** Chunks that are at work, and for how many seconds the one that has been longest. */
export interface InFlight {
  readonly chunks: number;
  readonly oldestSeconds: number;
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
  /** What keeps a batch whose end is near; null before that. */
  readonly inFlight: InFlight | null;
  /** Rows or steps per second. */
  readonly rate: number | null;
  readonly elapsedSeconds: number;
}

/**
 * The line of a terminal, always shorter than its width in cells: one that wraps could not be drawn
 * over.
 */
export function progressLine(view: ProgressView, width: number, colours: ReturnType<typeof coloursFor>): string {
  const texts = [...countTexts(view), ...paceTexts(view)];
  const fixed = [view.label, ...texts].join('  ');
  const room = Math.min(BAR_WIDTH, width - cellsOf(fixed) - 3);
  // A bar of a few characters says nothing; then the numbers have to do.
  if (view.total === null || view.total === 0 || room < 8) return cutToCells(fixed, width - 1);
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

function paceTexts({ done, total, unit, rate, replicas, waiting, inFlight, elapsedSeconds }: ProgressView): string[] {
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
    ...(inFlight === null ? [] : [inFlightText(inFlight)]),
    ...(replicas === null ? [] : [`replicas ${replicasText(replicas)}`]),
  ];
}

/** `2`, or `1→3` while they become more or fewer. */
export function replicasText({ current, desired }: { readonly current: number; readonly desired: number }): string {
  return current === desired ? String(current) : `${current}→${desired}`;
}

/** `3 chunks left, the oldest for 31 s`. */
function inFlightText({ chunks, oldestSeconds }: InFlight): string {
  const age = timeText(Math.floor(oldestSeconds));
  return chunks === 1 ? `1 chunk left, for ${age}` : `${chunks} chunks left, the oldest for ${age}`;
}
