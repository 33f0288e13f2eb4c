// What a model prints while it works on a run, told apart from what other runs of the same replica print at the same time.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Reports } from './reports.ts';

const invocation = new AsyncLocalStorage<Reports>();

/** Runs `work`; what it prints is reported, also after an `await`, and in what it has called. */
export function reportingOutput<Result>(reports: Reports, work: () => Promise<Result>): Promise<Result> {
  return invocation.run(reports, work);
}

/** From now on what is printed goes to the invocation that prints it, and to the standard output or error as before. */
export function watchOutput(): void {
  for (const stream of ['stdout', 'stderr'] as const) {
    const write = process[stream].write.bind(process[stream]) as (...given: readonly unknown[]) => boolean;
    process[stream].write = (chunk: string | Uint8Array, ...rest: readonly unknown[]): boolean => {
      invocation.getStore()?.printed(stream, typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8'));
      return write(chunk, ...rest);
    };
  }
}
