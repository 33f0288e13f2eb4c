// Whether this machine has a Python: a contributor's need not, and tests that need one are skipped there.

import { spawnSync } from 'node:child_process';

/** Whether `python3` can be started. */
export const hasPython = spawnSync('python3', ['--version']).status === 0;

/** Why tests are skipped that need one. */
export const NO_PYTHON = 'there is no python3 on the PATH';
