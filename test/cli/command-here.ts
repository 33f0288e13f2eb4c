// The command in the process of the test: to start one costs more than most commands do. What it is
// given and what it prints belong to its asynchronous context, so that several can run at once and
// the server beside them keeps what is its own. What is about a process itself (signals, closed
// pipes, folders, locks of files) is tested with `startCommand`.

import { AsyncLocalStorage } from 'node:async_hooks';
import { Readable, Writable } from 'node:stream';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { MAIN } from './command.ts';

/** What a command sees of its process. */
interface Surroundings {
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** How a command ended. */
export interface EndedCommand {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const running = new AsyncLocalStorage<Surroundings>();

for (const name of ['argv', 'env', 'stdin', 'stdout', 'stderr'] as const) {
  const own = Object.getOwnPropertyDescriptor(process, name)!;
  Object.defineProperty(process, name, {
    ...(own.set && { set: own.set }),
    configurable: true,
    enumerable: true,
    get: () => running.getStore()?.[name] ?? (own.get === undefined ? (own.value as unknown) : own.get.call(process)),
  });
}

/** Runs `claimcheck` with arguments, against a server. */
export async function commandHere(
  url: string,
  args: readonly string[],
  input = '',
  environment: NodeJS.ProcessEnv = {},
): Promise<EndedCommand> {
  const [stdout, stderr] = [new Printed(), new Printed()];
  const code = await running.run(
    {
      argv: [process.execPath, MAIN, ...args],
      env: { ...process.env, ...environment, CLAIMCHECK_URL: url, NO_COLOR: '1' },
      stdin: Readable.from(input === '' ? [] : [Buffer.from(input)]),
      stdout,
      stderr,
    },
    runCommandLine,
  );
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

/** Keeps what is printed. */
class Printed extends Writable {
  readonly #chunks: Buffer[] = [];

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }
}
