// What the client takes from the machine it runs on: environment variables, the clocks, randomness.
// No other file of the client reads them.

const IDEMPOTENCY_KEY_BYTES = 16;

/**
 * A variable of the process, where there is one (browsers have none); an empty one counts as unset.
 */
export function environmentVariable(name: 'CLAIMCHECK_URL' | 'CLAIMCHECK_API_KEY'): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.[name] || undefined;
}

/** Milliseconds of a clock that only goes forward; its zero means nothing. */
export const monotonicNow = (): number => performance.now();

/** Milliseconds since the Unix epoch, by the wall clock. */
export const wallClockNow = (): number => Date.now();

/** A number from 0 to 1, for spreading retries out. */
export const random = (): number => Math.random();

/**
 * A key that no other request has. Not `crypto.randomUUID`, which browsers keep from pages that
 * came without TLS.
 */
export function newIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(IDEMPOTENCY_KEY_BYTES));
  return hexOf(bytes);
}

const hexOf = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Longest time that a timer holds, in milliseconds; anything longer would be over at once. */
const TIMER_MAX = 2 ** 31 - 1;

/**
 * Resolves after so many milliseconds (at once for none or fewer); rejects with the signal's reason
 * when it aborts first.
 */
export async function sleep(pauseMs: number, signal?: AbortSignal): Promise<void> {
  let leftMs = pauseMs;
  for (; leftMs > TIMER_MAX; leftMs -= TIMER_MAX) await sleepOnce(TIMER_MAX, signal);
  await sleepOnce(leftMs, signal);
}

function sleepOnce(pauseMs: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (signal?.aborted === true) {
    reject(signal.reason as Error);
    return promise;
  }
  const stop = (): void => {
    clearTimeout(timer);
    reject(signal!.reason as Error);
  };
  const timer = setTimeout(
    () => {
      signal?.removeEventListener('abort', stop);
      resolve();
    },
    Math.max(0, pauseMs),
  );
  signal?.addEventListener('abort', stop, { once: true });
  return promise;
}

/** Standard error where there is one: browsers have none. */
export function standardError(): Output | null {
  const { process } = globalThis as { process?: { stderr?: Output } };
  return process?.stderr ?? null;
}

/** As much of standard error or standard output as is needed here. */
export interface Output {
  readonly isTTY?: boolean;
  /** Characters of a line, where it is a terminal. */
  readonly columns?: number;
  write(content: string | Uint8Array, done?: (error?: Error | null) => void): boolean;
}

/** Whether standard error is a terminal on which a line can be drawn again. */
export function isOnTerminal(): boolean {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return standardError()?.isTTY === true && process?.env?.['TERM'] !== 'dumb';
}

/** Texts that are hashed at once where the machine hashes in the background. */
const HASHED_AT_ONCE = 1_000;

/**
 * The SHA-256 of each text, as 64 lower-case hexadecimal digits.
 *
 * @throws Error on a page that came without TLS, which browsers let hash nothing
 */
export async function sha256Hex(texts: readonly string[]): Promise<string[]> {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  const { hash } = (process?.getBuiltinModule?.('node:crypto') ?? {}) as {
    hash?: (algorithm: string, text: string, encoding: string) => string;
  };
  // In the background every text costs a turn of the event loop: for 100,000 of them seconds
  // instead of a tenth of one.
  if (hash !== undefined) return texts.map((text) => hash('sha256', text, 'hex'));
  if ((globalThis.crypto as Partial<typeof crypto>).subtle === undefined)
    throw new Error('This page came without TLS, and the browser lets it hash nothing. Serve it over https.');
  const digests: string[] = [];
  for (let from = 0; from < texts.length; from += HASHED_AT_ONCE) {
    const bytes = texts.slice(from, from + HASHED_AT_ONCE).map((text) => new TextEncoder().encode(text));
    for (const digest of await Promise.all(bytes.map((one) => crypto.subtle.digest('SHA-256', one))))
      digests.push(hexOf(new Uint8Array(digest)));
  }
  return digests;
}
