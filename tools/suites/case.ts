// A case of a suite, and what is said of it.

import type { Ask, Outcome, Question, Runtime } from './server.ts';
import { RUNTIMES } from './server.ts';

/** The outcome of a case. */
export type Verdict =
  | { readonly kind: 'equal' }
  | { readonly kind: 'refused'; readonly why: string }
  /** Another meaning than the suite's, on purpose. */
  | { readonly kind: 'meant'; readonly why: string }
  | { readonly kind: 'wrong'; readonly why: string };

/** A case, to be run. */
export interface Case {
  readonly name: string;
  run(): Promise<Verdict>;
}

/** The cases of a suite in a folder. */
export type Cases = (folder: string, ask: Ask) => Promise<readonly Case[]>;

/** A verdict that nobody wants. */
export const wrong = (why: string): Verdict => ({ kind: 'wrong', why });

/** Equal or not, with what to say where it is not. */
export const equalIf = (isEqual: boolean, why: string): Verdict => (isEqual ? { kind: 'equal' } : wrong(why));

/**
 * One question to the models of both runtimes; `judge` looks at an answer. What is to be
 * refused has no judge.
 */
export function asked(
  ask: Ask,
  name: string,
  question: Question,
  judge: ((bytes: Uint8Array) => Verdict | Promise<Verdict>) | null,
): Case[] {
  return RUNTIMES.map((runtime: Runtime) => ({
    name: `${name} (${runtime})`,
    async run() {
      const outcome: Outcome = await ask(runtime, question);
      if (outcome.kind !== 'answer') return outcome;
      return judge === null ? wrong('is taken') : judge(outcome.bytes);
    },
  }));
}
