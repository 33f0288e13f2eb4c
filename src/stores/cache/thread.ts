// A file with answers in a thread of its own: a look for many keys, and an eviction, must not hold
// a server's requests up.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { StorageFull, StorageUnavailable } from '../../domain/errors.ts';
import type { CacheStore } from '../../cache/port.ts';
import type { CacheCall, CacheMessage, CacheOrders } from './worker.ts';

/**
 * Opens answers in a file, and answers a store whose work is done elsewhere.
 *
 * @throws Error as `openSqliteCache` does
 */
export async function openCacheThread(file: string, ledger: string | null = null): Promise<CacheStore> {
  const worker = new Worker(new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url), {
    workerData: { file, ledger } satisfies CacheOrders,
  });
  const [message] = (await once(worker, 'message')) as [CacheMessage];
  if (message.kind !== 'refused') return new CacheThread(worker).store();
  await worker.terminate();
  throw new Error(message.reason);
}

class CacheThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #calls = 0;
  #closed: Error | null = null;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('message', (message: CacheMessage) => this.#settle(message));
    worker.on('error', (cause) => this.#end(new Error('The thread of the cache has failed.', { cause })));
    worker.on('exit', () => this.#end(new Error('The cache is closed.')));
  }

  store(): CacheStore {
    const verb = <V extends keyof CacheStore>(name: V): CacheStore[V] =>
      ((...args: readonly unknown[]) => this.#ask(name, args)) as CacheStore[V];
    return {
      lookUp: verb('lookUp'),
      keep: verb('keep'),
      renew: verb('renew'),
      release: verb('release'),
      info: verb('info'),
      clear: verb('clear'),
      deleteEntries: verb('deleteEntries'),
      evict: verb('evict'),
      compact: verb('compact'),
      close: () => this.#close(),
    };
  }

  #ask(verb: CacheCall['verb'], args: readonly unknown[]): Promise<unknown> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    const id = (this.#calls += 1);
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    this.#worker.postMessage({ id, verb, args } satisfies CacheCall);
    return waiting.promise;
  }

  #settle(message: CacheMessage): void {
    if (message.kind !== 'done' && message.kind !== 'failed') return;
    const waiting = this.#waiting.get(message.id)!;
    this.#waiting.delete(message.id);
    if (message.kind === 'done') return waiting.resolve(message.value);
    if (message.full) return waiting.reject(new StorageFull(message.reason));
    const why = `The cache failed: ${message.reason}`;
    waiting.reject(message.away ? new StorageUnavailable(why) : new Error(why));
  }

  #end(error: Error): void {
    this.#closed ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  async #close(): Promise<void> {
    if (this.#closed !== null) return;
    const exited = once(this.#worker, 'exit');
    await this.#ask('close', []);
    await exited;
  }
}
