// What a model prints while it works on a run, callback apart from what other runs of the same
// replica print at the same time.

import { AsyncLocalStorage } from 'node:async_hooks';
import { type Readable, Writable } from 'node:stream';
import type { ReportWriter } from './reports.ts';

interface Invocation {
  readonly reports: ReportWriter;
  /** Ends the wait for its work. */
  readonly fail: (reason: unknown) => void;
}

const invocation = new AsyncLocalStorage<Invocation>();
/** Invocations that are worked on now. */
let atWork = 0;

/**
 * Runs `work`; what it prints is reported, also after an `await`, and in what it has called.
 *
 * @throws what `work` throws, or what was thrown for it where nobody catches it
 */
export function reportingOutput<Result>(reports: ReportWriter, work: () => Promise<Result>): Promise<Result> {
  const { promise, reject } = Promise.withResolvers<never>();
  atWork += 1;
  return invocation.run({ reports, fail: reject }, () => Promise.race([work(), promise])).finally(() => (atWork -= 1));
}

/** Fails the invocation that this very code works for, if there is one that is not over. */
export function failInvocation(reason: unknown): void {
  invocation.getStore()?.fail(reason);
}

/**
 * The reports of the invocation that this very code works for; undefined where there is none, or it
 * is over.
 */
function currentReports(): ReportWriter | undefined {
  const reports = invocation.getStore()?.reports;
  return reports?.isOver === true ? undefined : reports;
}

/**
 * From now on what is printed goes to the invocation that prints it, and else to the standard
 * output or error as before.
 *
 * A stream is watched from its first use: Node sets the descriptor of a stream that it has made to
 * never wait, and code that writes to the descriptor itself (`writeSync(1, …)`, code in C)
 * would fail with EAGAIN as soon as the server reads more slowly than it writes.
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

type WriteCallback = (error?: Error | null) => void;

function watched(name: 'stdout' | 'stderr', stream: NodeJS.WriteStream): NodeJS.WriteStream {
  const write = stream.write.bind(stream) as (...given: readonly unknown[]) => boolean;
  stream.write = (chunk: string | Uint8Array, ...rest: readonly unknown[]): boolean => {
    const reports = currentReports();
    // What is neither text nor bytes, Node refuses in its own words.
    if (reports === undefined || !(typeof chunk === 'string' || chunk instanceof Uint8Array))
      return write(chunk, ...rest);
    reports.printed(name, typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8'));
    const callback = rest.findLast((given): given is WriteCallback => typeof given === 'function');
    if (callback !== undefined) process.nextTick(callback);
    return true;
  };
  stream.on('pipe', (source: Readable) => {
    source.unpipe(stream);
    source.pipe(fromElsewhere((chunk) => (atWork > 1 ? write(chunk) : stream.write(chunk))));
  });
  return stream;
}

/**
 * What a worker thread or a process prints, which comes in the name of the invocation that has
 * started it, also where it works for another: where there are others it is of none of them for
 * certain.
 */
const fromElsewhere = (print: (chunk: Uint8Array) => boolean): Writable =>
  new Writable({
    write(chunk: Uint8Array, _, done) {
      print(chunk);
      done();
    },
  });
