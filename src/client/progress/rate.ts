// How fast a run goes and how long it will take. Pure: every time comes in as a number.

/** How many rows were done at a moment. */
export interface Sample {
  readonly atMs: number;
  readonly done: number;
}

/** The rate is that of the last half minute, so that it follows replicas that come and go. */
const WINDOW_MS = 30_000;
/**
 * Samples that are kept however old they are: with chunks of minutes, half a minute may hold none.
 */
const SAMPLES_MIN = 5;

/**
 * The samples with one more, and without those that no longer count. Only a change of `done` is a
 * sample.
 */
export function withSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  if (samples.at(-1)?.done === sample.done) return samples;
  const oldest = sample.atMs - WINDOW_MS;
  const added = [...samples, sample];
  return added.filter(({ atMs }, place) => atMs >= oldest || place >= added.length - SAMPLES_MIN);
}

/**
 * Rows per second, or null while nothing has been done since the first sample. Falls while nothing
 * comes, but only once the usual time between two samples is over: what comes in steps would else
 * swing with every step.
 */
export function rateOf(samples: readonly Sample[], nowMs: number): number | null {
  const [first, last] = [samples.at(0), samples.at(-1)];
  if (first === undefined || last === undefined || last.done <= first.done || last.atMs <= first.atMs) return null;
  const usualGapMs = (last.atMs - first.atMs) / (samples.length - 1);
  const untilMs = Math.max(last.atMs, nowMs - usualGapMs);
  return ((last.done - first.done) / (untilMs - first.atMs)) * 1_000;
}

/** Seconds until the rest is done, or null where the rate says nothing. */
export function secondsLeft(left: number, rate: number | null): number | null {
  if (left <= 0) return 0;
  return rate === null || rate <= 0 ? null : left / rate;
}

/** A length of time for people: `0.4 s`, `3 s`, `31 s`, `2 min 05 s`, `3 h 20 min`, `2 d 4 h`. */
export function timeText(seconds: number): string {
  if (seconds < 9.95 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 1_440) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A rate for people, with three digits: `0.05 rows/s`, `7.3 rows/s`, `412 rows/s`. */
export function rateText(rate: number, unit: 'rows' | 'steps' = 'rows'): string {
  const digits = rate >= 99.5 ? 0 : rate >= 9.95 ? 1 : 2;
  return `${rate.toFixed(digits)} ${unit}/s`;
}

const two = (count: number): string => String(count).padStart(2, '0');
