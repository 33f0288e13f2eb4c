// Processes as Linux shows them in /proc (proc(5)): whose they are, what they hold open, and what
// they were told.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What the kernel says of a process. */
export interface ProcessRow {
  readonly pid: number;
  readonly name: string;
  /** Whether it has ended, and was not waited for yet. */
  readonly hasEnded: boolean;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** When it started, in the kernel's ticks since the machine did. */
  readonly started: number;
}

/** A process; null where it is gone, or the system has no /proc. */
export function processRow(pid: number): ProcessRow | null {
  const text = read(`/proc/${pid}/stat`);
  if (text === null) return null;
  // The program's name stands in brackets, and may hold anything.
  const [open, close] = [text.indexOf('('), text.lastIndexOf(')')];
  const fields = text.slice(close + 2).split(' ');
  const [parent, group, session, started] = [1, 2, 3, 19].map((index) => Number(fields[index]));
  return {
    pid,
    name: text.slice(open + 1, close),
    hasEnded: ['Z', 'X'].includes(fields[0]!),
    parent: parent!,
    group: group!,
    session: session!,
    started: started!,
  };
}

/** All processes that can be seen from here; none on a system without /proc. */
export function processIds(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** The inodes of the sockets that a process holds; null where this user may not look. */
export function socketsOf(pid: number): ReadonlySet<string> | null {
  try {
    const links = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
    return new Set(links.flatMap((link) => (link === null ? [] : (/^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []))));
  } catch (error) {
    if (isGone(error)) return new Set();
    if (isForbidden(error)) return null;
    throw error;
  }
}

/** Whom a process runs as; null where it is gone. */
export function userOf(pid: number): number | null {
  const uid = /^Uid:\s+(?:\d+)\s+(\d+)/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1];
  return uid === undefined ? null : Number(uid);
}

/**
 * The variables that a process was started with, as `NAME=value`; none where this user may not
 * look.
 */
export const environmentOf = (pid: number): readonly string[] => read(`/proc/${pid}/environ`)?.split('\0') ?? [];

/** The words that a process was started with. */
export const wordsOf = (pid: number): readonly string[] => read(`/proc/${pid}/cmdline`)?.split('\0') ?? [];

/**
 * Which namespace of process ids it is in: that of a container, or this machine's; null where this
 * user may not look.
 */
export const pidNamespaceOf = (pid: number | 'self'): string | null => linkOf(`/proc/${pid}/ns/pid`);

function read(file: string): string | null {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    if (isGone(error) || isForbidden(error)) return null;
    throw error;
  }
}

function linkOf(file: string): string | null {
  try {
    return readlinkSync(file);
  } catch (error) {
    if (isGone(error) || isForbidden(error)) return null;
    throw error;
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';
const isGone = (error: unknown): boolean => ['ENOENT', 'ESRCH', 'ENOTDIR'].includes(codeOf(error));
const isForbidden = (error: unknown): boolean => ['EACCES', 'EPERM'].includes(codeOf(error));
