// A real store whose next calls of a verb fail, as they do when a disk or a network has a bad moment.

/** A store, and how its calls are made to fail. */
export interface Faulty<Store> {
  readonly store: Store;
  /** The next calls of a verb, one unless told, reject and change nothing. */
  failNext(verb: keyof Store, calls?: number): void;
  /** How many of those calls have not come yet. */
  failuresLeft(verb: keyof Store): number;
}

/** Wraps a store. */
export function faulty<Store extends object>(real: Store): Faulty<Store> {
  const failing = new Map<PropertyKey, number>();
  const store = new Proxy(real, {
    get(target, verb) {
      const value: unknown = Reflect.get(target, verb, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        const left = failing.get(verb) ?? 0;
        if (left === 0) return Reflect.apply(value, target, args) as unknown;
        failing.set(verb, left - 1);
        return Promise.reject(new Error(`The test lets ${String(verb)} fail.`));
      };
    },
  });
  return {
    store,
    failNext: (verb, calls = 1) => void failing.set(verb, calls),
    failuresLeft: (verb) => failing.get(verb) ?? 0,
  };
}
