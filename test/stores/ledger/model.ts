// Any sequence of calls leaves the ledger as a plain model of it (model-ledger.ts), and answers as
// the model does.
//
// Sequences are made at random, and a failing one is made smaller until nothing can be left out of
// it; its message is the story of what was asked and answered, and the seed that makes it again.
// CLAIMCHECK_MODEL_RUNS says how many sequences to try (nightly: 2000), CLAIMCHECK_MODEL_SEED which
// ones.

import fc from 'fast-check';
import { describe, test } from 'vitest';
import type { DriverUnderTest } from './drivers.ts';
import { begin, type Command, COMMANDS, type Subject } from './model-commands.ts';
import { ModelLedger } from './model-ledger.ts';
import { expectSameEverything } from './model-view.ts';

/**
 * How many sequences are tried where nobody says: what takes ten seconds or so of a busy core. Most
 * of one is the opening of the ledger.
 */
const RUNS = { SQLite: 30, Postgres: 15 } as const;
/** Commands of one sequence at the most. */
const LENGTH_MAX = 100;
/**
 * How long a failing sequence is made smaller, in milliseconds; it counts from the beginning of the
 * test.
 */
const SHRINKING_MS = 90_000;
/** A guard against a hang, generous for each sequence. */
const MS_PER_RUN = 10_000;

async function execute(driver: DriverUnderTest, commands: Iterable<Command>): Promise<void> {
  const opened = await driver.open();
  try {
    const model = new ModelLedger(opened.clock.now(), opened.ledger.isShared);
    const subject: Subject = { opened, story: [] };
    await begin(model, opened.ledger);
    await fc.asyncModelRun(() => ({ model, real: subject }), commands);
    await expectSameEverything(model, opened.ledger).catch((error: unknown) => {
      throw new Error(model.named(`${subject.story.join('\n')}\nand at the end:\n${String(error)}`), { cause: error });
    });
  } finally {
    await opened.close();
  }
}

/** Runs the state machine against a driver. */
export function describeModel(driver: DriverUnderTest): void {
  const numRuns = Number(process.env['CLAIMCHECK_MODEL_RUNS'] ?? RUNS[driver.name]);
  const seed = process.env['CLAIMCHECK_MODEL_SEED'];

  describe(`${driver.name} ledger, beside a model of it`, () => {
    test(
      'answers and keeps the same after any calls in any order',
      async () => {
        await fc.assert(
          fc.asyncProperty(fc.commands(COMMANDS, { maxCommands: LENGTH_MAX, size: 'max' }), (commands) =>
            execute(driver, commands),
          ),
          {
            numRuns,
            interruptAfterTimeLimit: SHRINKING_MS + numRuns * MS_PER_RUN,
            ...(seed === undefined ? {} : { seed: Number(seed) }),
          },
        );
      },
      2 * SHRINKING_MS + numRuns * MS_PER_RUN,
    );
  });
}
