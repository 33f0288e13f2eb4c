// One command line, from its words to how the process should end.

import { CommanderError } from 'commander';
import { asCalled } from './called-as.ts';
import { EXIT, reportOf } from './failure.ts';
import { program } from './program.ts';
import { write } from './text/text.ts';

/**
 * Does what the arguments of this process ask for, and says on its error output why it could not.
 *
 * @returns the exit code
 */
export async function runCommandLine(): Promise<number> {
  try {
    await (await program(process.argv[2])).parseAsync();
    return EXIT.ok;
  } catch (error) {
    // Commander has already printed its help, its version, or what is wrong with the arguments.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const { text, exitCode } = reportOf(error);
    // How it ended is told by the exit code also where nobody is left to read why.
    if (text !== '') await write(process.stderr, `${asCalled(text)}\n`).catch(() => {});
    return exitCode;
  }
}
