// The real calls to files, written down in their order; and one of them, where a test says so, that
// fails or does less than it was asked.

import fs from 'node:fs';
import promises, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { onTestFinished, vi } from 'vitest';

const WATCHED = ['read', 'write', 'writeFile', 'datasync', 'sync'] as const;
/** A call to an open file. */
type FileCall = (typeof WATCHED)[number];

/** What was called, and how the next call is changed. */
export interface WatchedDisk {
  /** `datasync`, `rename`, … in the order in which they were begun. */
  readonly calls: readonly string[];
  /** Has the next call of a method do something else; `original` does what it would have done. */
  next<Result>(
    method: FileCall,
    change: (original: (...args: unknown[]) => Promise<Result>, args: unknown[]) => unknown,
  ): void;
  /** Has the next stream that reads a file fail before its first byte. */
  failNextStream(error: Error): void;
}

/** Watches every file of this process until the test is over. */
export async function watchDisk(): Promise<WatchedDisk> {
  const calls: string[] = [];
  const handle = await promises.open(new URL(import.meta.url).pathname);
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const originals = new Map(WATCHED.map((method) => [method, prototype[method] as (...args: unknown[]) => unknown]));
  const spies = new Map(
    WATCHED.map((method) => [
      method,
      vi.spyOn(prototype, method).mockImplementation(function (this: FileHandle, ...args: unknown[]) {
        calls.push(method);
        return originals.get(method)!.apply(this, args) as never;
      }),
    ]),
  );
  const { rename: renameFile, mkdir: makeFolder } = promises;
  const rename = vi.spyOn(promises, 'rename').mockImplementation(writtenDown('rename', renameFile));
  const mkdir = vi.spyOn(promises, 'mkdir').mockImplementation(writtenDown('mkdir', makeFolder));
  const { createReadStream } = fs;
  const streams = vi.spyOn(fs, 'createReadStream');
  syncBuiltinESMExports();
  onTestFinished(() => {
    for (const spy of [...spies.values(), rename, mkdir, streams]) spy.mockRestore();
    syncBuiltinESMExports();
  });
  return {
    calls,
    next(method, change) {
      spies.get(method)!.mockImplementationOnce(function (this: FileHandle, ...args: unknown[]) {
        calls.push(method);
        return change((...given) => originals.get(method)!.apply(this, given) as never, args) as never;
      });
    },
    failNextStream: (error) =>
      void streams.mockImplementationOnce((path, options) => createReadStream(path, options).destroy(error)),
  };

  function writtenDown<Args extends unknown[], Result>(name: string, original: (...args: Args) => Result) {
    return (...args: Args): Result => {
      calls.push(name);
      return original(...args);
    };
  }
}
