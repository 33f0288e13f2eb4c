// Whether this machine has a Python with the libraries that models hand tables over with.

import { orWhy, whyNot } from './optional.ts';

/** An interpreter that has pandas, numpy, pyarrow and polars. */
export const PYTHON = process.env['CLAIMCHECK_TEST_PYTHON'] ?? 'python3';

const reason = whyNot(PYTHON, ['-c', 'import pandas, numpy, pyarrow, polars']);

/** Whether it has them. */
export const hasPandas = reason === null;

/** Why tests are skipped that need them. */
export const NO_PANDAS = orWhy(hasPandas ? null : `${reason}; CLAIMCHECK_TEST_PYTHON names another interpreter`);
