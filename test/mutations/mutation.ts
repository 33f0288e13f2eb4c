// A deliberate breakage of a room: what its tests must notice.

/** The rooms that can be broken: each ledger driver is one of its own. */
type RoomName = 'sqlite' | 'postgres' | 'engine' | 'blobs' | 'cache' | 'replicas' | 'http' | 'client' | 'webhooks';

/** One breakage. */
export interface Mutation {
  /** What is broken, as a sentence. */
  readonly breaks: string;
  /** The file, in the room's folder. */
  readonly file: string;
  /** Text that the file has once, and once only, so that the list cannot rot unseen. */
  readonly find: string;
  readonly replace: string;
  /**
   * One of the four that every driver must be tried with wherever tests run: attempt guard, state
   * guard, counter condition, lease.
   */
  readonly isClassic?: true;
  /**
   * The test files that should notice, where they are not the room's usual ones: names in the
   * room's test folder without `.test.ts`.
   */
  readonly tests?: readonly string[];
}

/** A room, and what is broken in it. */
export interface Room {
  readonly name: RoomName;
  /** Where its sources are. */
  readonly sources: string;
  /** Where its tests are. */
  readonly tests: string;
  /**
   * The test files that notice most of its breakages; null where each file has its mirror,
   * `retry.ts` in `retry.test.ts`.
   */
  readonly usual: readonly string[] | null;
  readonly mutations: readonly Mutation[];
}

/** The test files of the tree that should notice a breakage. */
export function testsOf({ tests, usual }: Room, mutation: Mutation): readonly string[] {
  const names = mutation.tests ?? usual ?? [mutation.file.replace(/\.ts$/, '')];
  return names.map((name) => `${tests}/${name}.test.ts`);
}
