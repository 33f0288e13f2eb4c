// The command `claimcheck`: the one place that ends the process.

import { runCommandLine } from './command-line.ts';
import { EXIT } from './failure.ts';

// The reader of the output may stop early (`claimcheck runs list | head -1`), which is no error of
// ours. Any other error reaches the command that waits for its `write`, and says what it means.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  process.exitCode = EXIT.failed;
});
// Words for people reach nobody after their terminal was closed, which is no reason to end in the
// middle of something.
process.stderr.on('error', () => {});
const exitCode = await runCommandLine();
process.exit(exitCode === EXIT.ok ? process.exitCode : exitCode);
