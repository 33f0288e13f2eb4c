// Whether this machine has a Python that works: a contributor's need not, and tests that need one
// are skipped there.

import { whyNot } from './optional.ts';

const reason = whyNot('python3', ['-c', 'import http.server, json, sys; print(sys.version_info >= (3, 8))'], {
  prints: 'True',
});

/** Whether `python3` runs what a model in Python needs. */
export const hasPython = reason === null;

/** Why tests are skipped that need one. */
export const NO_PYTHON = reason ?? 'python3 works';
