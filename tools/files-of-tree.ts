// The files of the repository.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The files of a checkout that Git does not ignore, also those that are not committed yet, as paths
 * from its root.
 *
 * @param patterns as `git ls-files` takes them, such as `*.py`; none for every file
 */
export function filesOfTree(root: string, ...patterns: readonly string[]): string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', ...patterns], {
    cwd: root,
    encoding: 'utf8',
  });
  return listed.split('\n').filter((path) => path !== '' && existsSync(join(root, path)));
}
