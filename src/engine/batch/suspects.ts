// Batches that have lost servers without getting anything done are taken up one at a time, so that
// only the one which takes its servers down goes on losing them: another one that was lost beside
// it gets a turn without it, gets something done, and is counted anew.

import { type Duration, minutes } from '../../domain/time.ts';

/**
 * After how many servers that were lost in a row a batch may be the cause. One is lost to a crash
 * or to an operator, and then everything goes on at once; far fewer than those after which a batch
 * is given up.
 */
export const SUSPECT_AFTER = 2;

/**
 * How long a turn lasts that comes to nothing, as where no replica starts: others must not wait for
 * that.
 */
const TURN_MAX: Duration = minutes(5);

/**
 * The suspects among the batches that a server has claimed, of all its endpoints: what takes a
 * server down takes all of them down.
 */
export class Suspects {
  #atWork: Turn | null = null;
  readonly #undecided = new Set<Turn>();

  /**
   * A batch was claimed. Those that are claimed together must all have said so before any of them
   * goes on.
   */
  arrive(): Turn {
    const turn: Turn = new Turn({
      begin: () => {
        if (this.#atWork !== null) return null;
        this.#atWork = turn;
        this.#undecided.delete(turn);
        return [...this.#undecided].map(({ decided }) => decided);
      },
      decide: () => void this.#undecided.delete(turn),
      end: () => {
        if (this.#atWork === turn) this.#atWork = null;
      },
    });
    this.#undecided.add(turn);
    return turn;
  }
}

/** What a turn does to those of the others. */
interface TurnDeps {
  /** What has yet to be decided of others; null where another suspect is at work. */
  readonly begin: () => readonly Promise<void>[] | null;
  readonly decide: () => void;
  readonly end: () => void;
}

/** What one batch may do while others are suspects. */
export class Turn {
  /** Resolves when the batch is at work, or has been handed back. */
  readonly decided: Promise<void>;
  readonly #deps: TurnDeps;
  #timer: NodeJS.Timeout | undefined;
  readonly #resolve: () => void;

  constructor(deps: TurnDeps) {
    this.#deps = deps;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.decided = promise;
    this.#resolve = resolve;
  }

  /** For a batch that is no suspect, which waits for nobody. */
  pass(): void {
    this.#deps.decide();
    this.#resolve();
  }

  /**
   * For a suspect: whether it may go to work now; otherwise it is to be handed back, so that its
   * attempt does not count. It begins once those that were claimed with it have been, since its
   * beginning may be the end of the server.
   */
  async take(): Promise<boolean> {
    const others = this.#deps.begin();
    if (others === null) return false;
    this.#timer = setTimeout(() => this.done(), TURN_MAX).unref();
    this.#resolve();
    await Promise.all(others);
    return true;
  }

  /**
   * Something of the batch is done, or its time is over: the next suspect may go to work beside it.
   */
  done(): void {
    clearTimeout(this.#timer);
    this.#deps.end();
  }

  /** The batch has ended or was handed back, and that is written down. */
  over(): void {
    this.pass();
    this.done();
  }
}
