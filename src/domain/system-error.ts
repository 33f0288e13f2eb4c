// What an operating system refuses, in words.

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'this user may not',
  EPERM: 'this user may not',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is no folder',
  EEXIST: 'it is a file',
  ELOOP: 'its links lead in a circle',
  ENOSPC: 'the disk is full',
  EDQUOT: "this user's share of the disk is full",
  EROFS: 'the disk can be read alone',
  EIO: 'the disk does not work',
  EMFILE: 'this process has as many files and connections open as it may (see `ulimit -n`)',
  ENFILE: 'this machine has as many files open as it may',
  ESTALE: 'the folder is mounted from elsewhere, and is another one by now',
  EPIPE: 'nobody reads it any more',
};

/**
 * Whether an error comes from the operating system: a file, a folder or a disk is what is wrong.
 */
export const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'syscall' in error;

/** Codes by which this machine says that a process has as many descriptors or threads as it may. */
const LACKS: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE', 'ERR_WORKER_INIT_FAILED']);

/**
 * Whether an error says that this process lacks what it needs to open anything at all: a file, a
 * connection, a thread.
 */
export const isLack = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && LACKS.has(error.code);

/** Why something could not be done, as the end of a sentence without its full stop. */
export function reasonOf(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? message;
}
