// The command `claimcheck`: the one place that ends the process.

import { CommanderError } from 'commander';
import { asCalled } from './called-as.ts';
import { EXIT, reportOf } from './failure.ts';
import { program } from './program.ts';
import { write } from './text/text.ts';

async function main(): Promise<number> {
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

// Whoever reads the output may stop early (`claimcheck runs list | head -1`), which is no error of
// ours. Any other error reaches the command that waits for its `write`, and says what it means.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  process.exitCode = EXIT.failed;
});
// Words for people reach nobody after their terminal was closed, which is no reason to end in the
// middle of something.
process.stderr.on('error', () => {});
const exitCode = await main();
process.exit(exitCode === EXIT.ok ? process.exitCode : exitCode);
