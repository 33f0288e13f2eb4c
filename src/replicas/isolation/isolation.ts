// Keeps the replicas of a server apart from it and from each other, as far as the machine allows.

import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { formatBytes } from '../../domain/bytes.ts';
import type { EndpointSpec } from '../../domain/endpoint.ts';
import { reasonOf } from '../../domain/system-error.ts';
import { COMPILED_VARIABLE, compiledFolder } from '../../system/compiled.ts';
import type { Log } from '../../system/log.ts';
import { type Confinement, type ProcessLaunch, SOCKET_FOLDER } from '../runtimes/launch.ts';
import type { Users } from './choice.ts';
import { type Cgroup, createCgroup } from './cgroup.ts';
import { FOLDER_PREFIX, recordServer, sweepLeftovers } from './leftovers.ts';
import type { Machine } from './machine.ts';
import { runAs } from './user.ts';

/**
 * Environment variable with a replica's own folder, which is empty at its start and gone after its
 * end.
 */
const SCRATCH_VARIABLE = 'CLAIMCHECK_SCRATCH';

/**
 * Enters the cgroups whose doors are named before `--`, and becomes the command behind it: no
 * process of it is ever outside.
 */
const ENTER = 'ulimit -c 0; while [ "$1" != -- ]; do echo $$ > "$1" || exit 125; shift; done; shift; exec "$@"';

/**
 * Longest path of a Unix socket, in bytes: what sockaddr_un has room for, without the 0 at its end.
 */
const SOCKET_PATH_MAX = process.platform === 'linux' ? 107 : 103;

/** What the isolation needs to know. */
export interface IsolationDeps {
  /** The server's data folder. */
  readonly data: string;
  readonly machine: Machine;
  readonly users: Users;
  readonly log: Log;
}

/** The isolation of one server's replicas. Made by `openIsolation`. */
export class Isolation {
  readonly #deps: IsolationDeps;
  readonly #folder: string;

  constructor(deps: IsolationDeps, folder: string) {
    this.#deps = deps;
    this.#folder = folder;
  }

  /**
   * A folder for one replica: the server's, with folders of the replica's user in it, which nobody
   * else can look into.
   */
  folderFor(spec: EndpointSpec, replicaId: string): string {
    const folder = join(this.#folder, replicaId.slice(-12));
    const uid = this.#deps.users.of(spec);
    mkdirSync(folder, { mode: 0o700 });
    for (const path of ['scratch', SOCKET_FOLDER].map((name) => join(folder, name))) {
      mkdirSync(path, { mode: 0o700 });
      if (uid !== null) chownSync(path, uid, uid);
    }
    if (uid !== null) chmodSync(folder, 0o711);
    return folder;
  }

  /** The same launch behind all that keeps it apart; `folder` is what `folderFor` answered. */
  confine(launch: ProcessLaunch, spec: EndpointSpec, replicaId: string, folder: string): ProcessLaunch {
    const { machine, users } = this.#deps;
    const uid = users.of(spec);
    const { memory, pids } = spec.replicas;
    const name = `${basename(this.#folder)}-${replicaId.slice(-12)}`;
    const cgroup = createCgroup(machine.cgroups, name, { memory, pids });
    const scratch = join(folder, 'scratch');
    // The server's home is closed to another user, and nothing of one replica should be another's
    // to find.
    const places = {
      TMPDIR: scratch,
      // What Node has compiled for one replica, the next one of its endpoint need not: about 90 of
      // the 210 ms of a start.
      [COMPILED_VARIABLE]: this.#compiledFolderOf(spec),
      ...(uid === null ? {} : { HOME: scratch }),
    };
    const chosen = Object.entries(places).filter(([variable]) => !(variable in spec.env));
    return {
      ...launch,
      ...('port' in launch.address ? {} : { address: { ...launch.address, uid } }),
      argv: ['/bin/sh', '-c', ENTER, 'sh', ...cgroup.doors, '--', ...(uid === null ? [] : runAs(uid)), ...launch.argv],
      env: { ...launch.env, ...Object.fromEntries(chosen), [SCRATCH_VARIABLE]: scratch },
      confinement: this.#confinement(cgroup, folder, memory),
    };
  }

  /**
   * A folder that all replicas of an endpoint share, and nobody else: what one user has compiled,
   * another does not run. Those of the server's user have the server's, where it has one.
   */
  #compiledFolderOf(spec: EndpointSpec): string {
    const uid = this.#deps.users.of(spec);
    const own = uid === null ? compiledFolder() : null;
    if (own !== null) return own;
    const folder = join(this.#folder, `${spec.name}.${uid ?? 'server'}`);
    if (existsSync(folder)) return folder;
    mkdirSync(folder, { mode: 0o700 });
    if (uid !== null) chownSync(folder, uid, uid);
    return folder;
  }

  /** Removes what is left of the replicas' folders, once they have all ended. */
  async close(): Promise<void> {
    await this.wipe(this.#folder);
  }

  #confinement(cgroup: Cgroup, folder: string, memory: number | null): Confinement {
    return {
      processes: () => cgroup.processes(),
      outOfMemory: () => {
        if (cgroup.oomKills() === 0) return null;
        return memory === null
          ? 'out of memory (the whole machine, or what the server itself may have).'
          : `out of memory (limit ${formatBytes(memory)}).`;
      },
      end: async () => {
        const hasEnded = await cgroup.end().catch((error: unknown) => {
          this.#deps.log.warn({ err: error, folder }, 'the cgroup of a replica cannot be ended');
          return true;
        });
        if (!hasEnded) this.#deps.log.warn({ folder }, 'a process of a replica does not die');
        await this.wipe(folder);
      },
    };
  }

  /** Removes the folder of a replica that has ended, or was never started. Never rejects. */
  async wipe(folder: string): Promise<void> {
    if (!existsSync(folder)) return;
    try {
      // Closed first to processes that share its user: what is removed with the server's rights
      // must not be swapped for something else meanwhile.
      chmodSync(folder, 0o700);
      await rm(folder, { recursive: true, force: true });
    } catch (error) {
      this.#deps.log.warn({ err: error, folder }, 'the folder of a replica cannot be removed');
    }
  }
}

/**
 * Clears away what dead servers of the same data folder left, and makes the folder for this one's
 * replicas.
 */
export async function openIsolation(deps: IsolationDeps): Promise<Isolation> {
  assertUsable(resolve(tmpdir()));
  await sweepLeftovers(deps.data);
  const folder = mkdtempSync(join(resolve(tmpdir()), FOLDER_PREFIX));
  // Others may pass through it to a folder of theirs, and see nothing on the way.
  chmodSync(folder, 0o711);
  recordServer(folder, deps.data, deps.machine.cgroups);
  return new Isolation(deps, folder);
}

/**
 * Replicas have their folders there: a server that can make none would be ready, and every start
 * would fail.
 */
function assertUsable(temporary: string): void {
  const remedy = 'Start the server with a TMPDIR that is a folder of this machine, such as /tmp.';
  try {
    rmdirSync(mkdtempSync(join(temporary, FOLDER_PREFIX)));
  } catch (cause) {
    throw new Error(`Replicas can have no folder in ${temporary} (TMPDIR): ${reasonOf(cause)}. ${remedy}`, { cause });
  }
  const longest = Buffer.byteLength(join(temporary, `${FOLDER_PREFIX}XXXXXX`, 'x'.repeat(12), SOCKET_FOLDER, 'socket'));
  if (longest > SOCKET_PATH_MAX)
    throw new Error(
      `${temporary} (TMPDIR) is too long: the sockets of replicas lie in it, and their paths would have ${longest} bytes, of which ` +
        `${SOCKET_PATH_MAX} are allowed. Start the server with a TMPDIR that is ${longest - SOCKET_PATH_MAX} bytes shorter, such as /tmp.`,
    );
}
