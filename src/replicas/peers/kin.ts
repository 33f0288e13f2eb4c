// Whose a socket is: a replica's own process's, one's that it has started, one's that holds a port
// for a container of its; or a stranger's.

import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { milliseconds } from '../../domain/time.ts';
import { Coalesced } from '../../system/loops.ts';
import type { Listener } from './listeners.ts';
import {
  environmentOf,
  pidNamespaceOf,
  type ProcessRow,
  processIds,
  processRow,
  socketsOf,
  userOf,
  wordsOf,
} from './processes.ts';

/**
 * Environment variable by which a process says which replica it belongs to: what a replica starts
 * inherits it.
 */
export const REPLICA_VARIABLE = 'CLAIMCHECK_REPLICA';

/** By what processes are known to be of one family. */
export interface Kin {
  readonly replicaId: string;
  /** The first one, which leads its group and its session. */
  readonly pid: number;
  /**
   * When that started, in the kernel's ticks: what is older is none of them, and need not be looked
   * into. Absent where nobody has asked.
   */
  readonly started?: number;
}

/** A replica, as far as its processes can be told by it. */
export interface Family extends Kin {
  readonly port: number;
  /** What is in its cgroup; nothing where it has none. */
  processes(): readonly number[];
}

type Processes = ReadonlyMap<number, ProcessRow>;

/**
 * Programs that listen for a container, in a process whose parent is not the process that started
 * the container. Nobody else holds a replica's port by accident under these names (the kernel keeps
 * 15 characters).
 */
const CONTAINER_DOORS = new Set([
  'docker-proxy',
  'conmon',
  'rootlessport',
  'rootlesskit',
  'pasta',
  'pasta.avx2',
  'passt',
  'slirp4netns',
]);
/** Processes that are looked at between two turns of the event loop. */
const LOOKS_IN_A_TURN = 64;
/**
 * Pause before what was killed is looked for again, and how often that is: what forks faster than
 * that is not caught.
 */
const KILL_PAUSE = milliseconds(5);
const KILLS_MAX = 100;

/** A family that is to end. */
interface Ending {
  readonly kin: Kin;
  kills: number;
  resolve(): void;
  reject(reason: unknown): void;
}

const endings = new Set<Ending>();
const looking = new Coalesced(lookForEndings);

/**
 * Kills a process and all that it has started, also what has left its group and its session; that
 * is found by what it has inherited, where the system has /proc. Resolves when none of it runs.
 * Families that end at the same time are looked for together: a look goes over every process of the
 * machine.
 */
export function endKin(kin: Kin): Promise<void> {
  return new Promise((resolve, reject) => {
    kill(-kin.pid);
    endings.add({ kin, kills: 0, resolve, reject });
    looking.wake();
  });
}

async function lookForEndings(): Promise<void> {
  // One that comes while the processes are being looked at may have had some that were passed
  // already: the next round looks for it.
  const looked = [...endings];
  try {
    const rows = await allProcesses();
    looked.forEach((ending) => endAmong(rows, ending));
  } catch (error) {
    looked.forEach((ending) => giveUp(ending, error));
  }
  if (!looked.some((ending) => endings.has(ending))) return;
  looking.wake();
  await sleep(KILL_PAUSE);
}

/** Kills what is left of a family; one that cannot be killed is no matter of another's. */
function endAmong(rows: Processes, ending: Ending): void {
  try {
    const left = [...rows.values()].filter((row) => !row.hasEnded && isKin(row, rows, ending.kin));
    if (left.length > 0 && ending.kills < KILLS_MAX) {
      ending.kills += 1;
      left.forEach(({ pid }) => kill(pid));
      return;
    }
    endings.delete(ending);
    ending.resolve();
  } catch (error) {
    giveUp(ending, error);
  }
}

function giveUp(ending: Ending, reason: unknown): void {
  endings.delete(ending);
  ending.reject(reason);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * Null where all of the listeners are the replica's; else what the first that is not is, as a
 * sentence.
 */
export async function strangerAmong(listeners: readonly Listener[], family: Family): Promise<string | null> {
  const near = [family.pid, ...family.processes()];
  if (without(listeners, near).length === 0) return null;
  const rows = await allProcesses();
  const kin = [...rows.values()].filter((row) => isKin(row, rows, family)).map(({ pid }) => pid);
  const others = without(listeners, [...near, ...kin]);
  const [strange] = withoutDoors(others, family, rows);
  return strange === undefined ? null : describe(strange, family, rows);
}

/**
 * Those that none of the processes holds. One whose processes cannot be looked into is known by its
 * user, which no other endpoint has.
 */
function without(listeners: readonly Listener[], pids: readonly number[]): readonly Listener[] {
  const held = pids.map((pid) => ({ pid, sockets: socketsOf(pid) }));
  return listeners.filter(
    ({ inode, uid }) => !held.some(({ pid, sockets }) => (sockets === null ? userOf(pid) === uid : sockets.has(inode))),
  );
}

/** Those that are not held for the replica by a process that is not of its kin either. */
function withoutDoors(listeners: readonly Listener[], family: Family, rows: Processes): readonly Listener[] {
  const left = new Set(listeners);
  const born = rows.get(family.pid)?.started ?? Infinity;
  // What listened before the replica was there is nothing that it has brought about.
  const younger = [...rows.values()].filter(({ started }) => started >= born);
  for (const row of younger) {
    if (left.size === 0) return [];
    const sockets = socketsOf(row.pid);
    const held = [...left].filter(({ inode }) => sockets?.has(inode) === true);
    if (held.length > 0 && isDoor(row, family)) held.forEach((one) => left.delete(one));
  }
  // Docker's proxy is root's, and closed to others: what it was told is not.
  const isPublished = younger.some(({ name, pid }) => name === 'docker-proxy' && publishes(pid, family.port));
  if (isPublished) [...left].filter(({ uid }) => uid === 0).forEach((one) => left.delete(one));
  return [...left];
}

/**
 * Whether a process is the replica's: it says so, it is in its session or group, or one of those is
 * above it.
 */
function isKin(row: ProcessRow, rows: Processes, { pid, replicaId, started = 0 }: Kin): boolean {
  if (row.started < started) return false;
  const seen = new Set<number>();
  for (let one: ProcessRow | undefined = row; one !== undefined && !seen.has(one.pid); one = rows.get(one.parent)) {
    if (one.pid === pid || one.session === pid || one.group === pid) return true;
    // They were looked at one after the other, and ids are used again.
    seen.add(one.pid);
  }
  return environmentOf(row.pid).includes(`${REPLICA_VARIABLE}=${replicaId}`);
}

/** Whether a process listens for a container, or is in one that was told to listen there. */
function isDoor({ pid, name }: ProcessRow, { port }: Family): boolean {
  if (CONTAINER_DOORS.has(name)) return true;
  const [theirs, ours] = [pidNamespaceOf(pid), pidNamespaceOf('self')];
  return theirs !== null && theirs !== ours && environmentOf(pid).includes(`PORT=${port}`);
}

function publishes(pid: number, port: number): boolean {
  const words = wordsOf(pid);
  return words[words.indexOf('-host-port') + 1] === String(port);
}

function describe({ inode, uid }: Listener, { port }: Family, rows: Processes): string {
  const holder = [...rows.values()].find(({ pid }) => socketsOf(pid)?.has(inode) === true);
  const who =
    holder === undefined ? 'a process that cannot be seen from here' : `process ${holder.pid} (${holder.name})`;
  return `port ${port}, which PORT told it to listen on, is held by ${who} of user ${uid}, which is none of the replica's own`;
}

async function allProcesses(): Promise<Processes> {
  const rows = new Map<number, ProcessRow>();
  for (const [index, pid] of processIds().entries()) {
    if (index % LOOKS_IN_A_TURN === 0) await turn();
    const row = processRow(pid);
    if (row !== null) rows.set(pid, row);
  }
  return rows;
}
