// What processes cost, read from /proc (Linux).

import { readdirSync, readFileSync } from 'node:fs';

/** Length of a clock tick in microseconds: USER_HZ is 100 on every Linux that Node runs on. */
const TICK_US = 10_000;

/**
 * Microseconds of processor time that a process and all its descendants have used; those that have
 * ended are counted by who waited for them.
 */
export function processorTime(pid: number): number {
  const children = new Map<number, number[]>();
  const ticks = new Map<number, number>();
  for (const entry of readdirSync('/proc')) {
    const stat = /^\d+$/.test(entry) ? readStat(Number(entry)) : null;
    if (stat === null) continue;
    ticks.set(Number(entry), stat.ticks);
    children.set(stat.parent, [...(children.get(stat.parent) ?? []), Number(entry)]);
  }
  const sum = (id: number): number =>
    (children.get(id) ?? []).reduce((total, child) => total + sum(child), ticks.get(id) ?? 0);
  return sum(pid) * TICK_US;
}

/** The fields of /proc/<pid>/stat that are needed here; null for a process that is gone. */
function readStat(pid: number): { parent: number; ticks: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name stands in brackets and may hold anything, so what is counted starts behind the last
    // one.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return {
      parent: Number(fields[1]),
      ticks: fields.slice(11, 15).reduce((total, field) => total + Number(field), 0),
    };
  } catch {
    // It ended between the listing and the look.
    return null;
  }
}

/**
 * The value that a variable had when the processes below a process were started, where any of them
 * had one.
 */
export function variableBelow(pid: number, name: string): string | null {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry) || readStat(Number(entry))?.parent !== pid) continue;
    const found = environmentOf(Number(entry)).find((variable) => variable.startsWith(`${name}=`));
    if (found !== undefined) return found.slice(name.length + 1);
  }
  return null;
}

function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    // It ended, or is somebody else's.
    return [];
  }
}

/** Most memory that a process has had resident since it started, in bytes. */
export function peakMemory(pid: number): number {
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kibibytes) * 1_024;
}

/** How many files this process and its children may have open, sockets included. */
export function openFilesMax(): number {
  return Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
}
