// What a model prints while it works on a run, told apart from what other runs of the same replica print at the same time.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Reports } from './reports.ts';

const invocation = new AsyncLocalStorage<Reports>();

/** Runs `work`; what it prints is reported, also after an `await`, and in what it has called. */
export function reportingOutput<Result>(reports: Reports, work: () => Promise<Result>): Promise<Result> {
  return invocation.run(reports, work);
}

/**
 * From now on what is printed goes to the invocation that prints it, and to the standard output or error as before.
 *
 * A stream is watched from its first use: Node sets the descriptor of a stream that it has made to never wait, and whatever writes to
 * the descriptor itself (`writeSync(1, …)`, code in C) would fail with EAGAIN as soon as the server reads more slowly than it writes.
 */
export function watchOutput(): void {
  for (const name of ['stdout', 'stderr'] as const) {
    const made = Object.getOwnPropertyDescriptor(process, name)!;
    let stream: NodeJS.WriteStream | undefined;
    Object.defineProperty(process, name, {
      ...made,
      get: () => (stream ??= watched(name, made.get!.call(process) as NodeJS.WriteStream)),
    });
  }
}

function watched(name: 'stdout' | 'stderr', stream: NodeJS.WriteStream): NodeJS.WriteStream {
  const write = stream.write.bind(stream) as (...given: readonly unknown[]) => boolean;
  stream.write = (chunk: string | Uint8Array, ...rest: readonly unknown[]): boolean => {
    invocation.getStore()?.printed(name, typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8'));
    return write(chunk, ...rest);
  };
  return stream;
}
