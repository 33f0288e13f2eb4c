// A real store whose next calls of a verb fail, as they do when a disk or a network has a bad
// moment.

/** A store, and how its calls are made to fail. */
export interface Faulty<Store> {
  readonly store: Store;
  /**
   * The next calls of a verb, one unless told, reject and change nothing; with an error of the
   * test's own unless told.
   */
  failNext(verb: keyof Store, calls?: number, error?: Error): void;
  /**
   * The next call of a verb does what it does, and its answer is lost: it rejects with an error.
   */
  loseNext(verb: keyof Store, error: Error): void;
  /** The next call of a verb does what it does, and its answer comes when it is released. */
  holdNext(verb: keyof Store): HeldAnswer;
  /** How many of those calls have not come yet. */
  failuresLeft(verb: keyof Store): number;
  /** How often a verb was called. */
  calls(verb: keyof Store): number;
}

/** An answer that does not come before it is released. */
interface HeldAnswer {
  /** Whether the call has come, and done what it does. */
  isHeld(): boolean;
  release(): void;
}

/** Wraps a store. */
export function faulty<Store extends object>(real: Store): Faulty<Store> {
  const failing = new Map<PropertyKey, { left: number; readonly error: Error }>();
  const losing = new Map<PropertyKey, Error>();
  const called = new Map<PropertyKey, number>();
  const holding = new Map<PropertyKey, (answer: unknown) => Promise<unknown>>();
  const store = new Proxy(real, {
    get(target, verb) {
      const value: unknown = Reflect.get(target, verb, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        called.set(verb, (called.get(verb) ?? 0) + 1);
        const fault = failing.get(verb);
        if (fault !== undefined && fault.left > 0) {
          fault.left -= 1;
          return Promise.reject(fault.error);
        }
        const answer = Reflect.apply(value, target, args) as unknown;
        const hold = holding.get(verb);
        if (hold !== undefined) {
          holding.delete(verb);
          return hold(answer);
        }
        const lost = losing.get(verb);
        if (lost === undefined) return answer;
        losing.delete(verb);
        return Promise.resolve(answer).then(() => Promise.reject(lost));
      };
    },
  });
  return {
    store,
    failNext: (verb, calls = 1, error = new Error(`The test lets ${String(verb)} fail.`)) =>
      void failing.set(verb, { left: calls, error }),
    loseNext: (verb, error) => void losing.set(verb, error),
    holdNext(verb) {
      const { promise: release, resolve } = Promise.withResolvers<void>();
      let isHeld = false;
      holding.set(verb, async (answer) => {
        const held = await answer;
        isHeld = true;
        await release;
        return held;
      });
      return { isHeld: () => isHeld, release: resolve };
    },
    calls: (verb) => called.get(verb) ?? 0,
    failuresLeft: (verb) => failing.get(verb)?.left ?? 0,
  };
}
