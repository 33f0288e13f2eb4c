// Group commit: calls that arrive together, or while others are being written, are written
// together.

import { StorageFull } from '../../../domain/errors.ts';
import type { Payload } from '../../../domain/payload.ts';
import { OutcomeUnknown, Unreachable } from '../../postgres/errors.ts';

/** How a lane writes. */
export interface GroupPlan<Item, Answer> {
  /**
   * Writes items and answers each at its place. An item that comes again is alone, and its first
   * group failed at least in part.
   */
  readonly write: (items: readonly Item[], time: 'first' | 'again') => Promise<readonly Answer[]>;
  /** How many rows an item is; see `weightOf` for what is heavy. */
  readonly weigh: (item: Item) => number;
  /** Whether an item may be written together with the first one of its group; unset, all may. */
  readonly together?: (first: Item, item: Item) => boolean;
  /**
   * Groups that are written at the same time; with one, groups are written in the order in which
   * they were asked for.
   */
  readonly underwayMax: number;
}

/**
 * Rows of one group at the most, so that the first caller does not wait for a very long statement.
 */
const GROUP_ROWS_MAX = 1_000;
/** Bytes of a payload that weigh as much as a row. */
const BYTES_PER_ROW = 1_024;

/** How many rows a payload weighs, beside the row it belongs to. */
export const weightOf = (payload: Payload | null): number =>
  payload !== null && 'inline' in payload.body ? Math.floor(payload.body.inline.length / BYTES_PER_ROW) : 0;

interface Waiting<Item, Answer> {
  readonly item: Item;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/** Gathers calls of one kind. */
export class GroupCommit<Item, Answer> {
  readonly #plan: GroupPlan<Item, Answer>;
  #waiting: Waiting<Item, Answer>[] = [];
  #underway = 0;
  #scheduled = false;
  #calls = 0;
  #whenIdle: (() => void)[] = [];

  constructor(plan: GroupPlan<Item, Answer>) {
    this.#plan = plan;
  }

  /** Calls so far. */
  get calls(): number {
    return this.#calls;
  }

  ask(item: Item): Promise<Answer> {
    this.#calls += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      this.#schedule();
    });
  }

  /** Resolves when everything that was asked is answered. */
  async idle(): Promise<void> {
    if (this.#waiting.length + this.#underway > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  /**
   * Waits for the end of the event loop's turn, so that everything that arrived with this call
   * shares its commit.
   */
  #schedule(): void {
    if (this.#scheduled || this.#underway >= this.#plan.underwayMax || this.#waiting.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const group = this.#takeGroup();
      this.#underway += 1;
      void this.#write(group).then(() => {
        this.#underway -= 1;
        this.#schedule();
        if (this.#waiting.length + this.#underway === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
      });
      this.#schedule();
    });
  }

  #takeGroup(): Waiting<Item, Answer>[] {
    const { weigh, together } = this.#plan;
    const first = this.#waiting[0]!.item;
    let rows = 0;
    const end = this.#waiting.findIndex(({ item }, place) => {
      rows += weigh(item);
      return place > 0 && (rows > GROUP_ROWS_MAX || together?.(first, item) === false);
    });
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : end);
  }

  /**
   * Where a group fails, each of its calls is written alone, so that only the one to blame fails.
   */
  async #write(group: readonly Waiting<Item, Answer>[], time: 'first' | 'again' = 'first'): Promise<void> {
    try {
      const items = group.map(({ item }) => item);
      const answers = await this.#plan.write(items, time);
      group.forEach(({ resolve }, place) => resolve(answers[place]!));
    } catch (error) {
      const blamesOne = !(
        error instanceof OutcomeUnknown ||
        error instanceof Unreachable ||
        error instanceof StorageFull
      );
      if (blamesOne && group.length > 1) for (const one of group) await this.#write([one], 'again');
      else for (const { reject } of group) reject(error);
    }
  }
}
