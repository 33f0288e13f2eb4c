// How a replica's process is started, for every runtime: what to run, where it answers, and what
// it gets to see.

import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { EndpointSpec } from '../../domain/endpoint.ts';
import type { ReplicaLog } from '../../domain/log-line.ts';
import { REPORTS_DESCRIPTOR, REPORTS_VARIABLE, SOCKET_VARIABLE } from '../../model/protocol.ts';
import { isLack } from '../../domain/system-error.ts';
import type { SocketPlace } from '../peers/socket.ts';
import type { Ports } from './ports.ts';

/** Where a replica answers. */
export type Address = SocketPlace | { readonly port: number };

/** Where a replica is started, and with what. */
export interface LaunchSite {
  /**
   * A folder of its own, which is the server's; its path must be short, for a Unix socket's has 107
   * bytes at the most.
   */
  readonly folder: string;
  /** The server's own environment. */
  readonly environment: NodeJS.ProcessEnv;
  readonly ports: Ports;
}

/** The folder in a replica's folder in which it makes its socket. */
export const SOCKET_FOLDER = 'bind';

/**
 * Everything needed to start one replica: a process, or connections to a server that somebody else
 * runs.
 */
export type Launch = ProcessLaunch | RemoteLaunch;

/** A server that somebody else runs, by its origin. */
interface RemoteLaunch {
  readonly url: string;
}

/** A process of ours. */
export interface ProcessLaunch {
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly address: Address;
  /**
   * Whether it is a runner of ours, which says on a descriptor of its own which run a line is of.
   */
  readonly reports?: boolean;
  /**
   * Keeps what is printed; without it no more than the last lines are kept, for the message of a
   * crash.
   */
  readonly log?: ReplicaLog;
  /** What holds its processes beyond their group; absent where nothing does. */
  readonly confinement?: Confinement;
  /** Called once nothing of it is left. */
  readonly release: () => void;
}

/** What holds the processes of one replica. */
export interface Confinement {
  /** The processes that it holds, as far as it can say. */
  processes(): readonly number[];
  /**
   * Whether the kernel ended one of them because there was no memory left: the end of a sentence
   * about it, or null.
   */
  outOfMemory(): string | null;
  /**
   * Ends all that is left of the replica, in any group, and wipes its folder. Never rejects.
   */
  end(): Promise<void>;
}

/**
 * Variables of the server that a replica sees; all else is the server's own business (it may hold
 * keys and passwords).
 */
const PASSED_ON = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR'] as const;

/**
 * A replica's environment: the short fixed list, what the endpoint's configuration gives, and what
 * the protocol needs.
 */
export function cleanEnvironment(
  server: NodeJS.ProcessEnv,
  ...given: readonly Readonly<Record<string, string>>[]
): Record<string, string> {
  const passed = PASSED_ON.flatMap((name) => (server[name] === undefined ? [] : [[name, server[name]] as const]));
  return Object.assign(Object.fromEntries(passed), ...given) as Record<string, string>;
}

/** How to start a runner of ours, which answers on a Unix socket. */
export function launchRunner(
  argv: readonly [string, ...string[]],
  spec: EndpointSpec,
  { folder, environment }: LaunchSite,
): ProcessLaunch {
  mkdirSync(join(folder, SOCKET_FOLDER), { recursive: true, mode: 0o700 });
  const boundAt = join(folder, SOCKET_FOLDER, 'socket');
  return {
    argv: dieWithServer(argv),
    env: cleanEnvironment(environment, spec.env, {
      [SOCKET_VARIABLE]: boundAt,
      [REPORTS_VARIABLE]: String(REPORTS_DESCRIPTOR),
    }),
    reports: true,
    cwd: spec.cwd,
    address: { boundAt, socketPath: join(folder, 'socket'), uid: null },
    release: () => {},
  };
}

/**
 * Prefixes a command so that the kernel kills it when the server dies, also by `kill -9`, where
 * nobody is left to do it; and so that no program that it starts, such as sudo, has more rights
 * than it.
 * Without `setpriv` (it is part of Linux's util-linux) the command is left as it is, and only our
 * own runner, which watches its standard input, is sure to go with the server.
 */
export function dieWithServer(argv: readonly [string, ...string[]]): readonly [string, ...string[]] {
  return hasSetpriv() ? ['setpriv', '--pdeathsig', 'KILL', '--no-new-privs', '--', ...argv] : argv;
}

/**
 * Whether a command can be run here and succeeds. Throws where this process lacks what it takes to
 * find out: the answer is kept.
 */
export function succeeds([command, ...rest]: readonly [string, ...string[]]): boolean {
  const { status, error } = spawnSync(command, rest);
  if (isLack(error)) throw error as Error;
  return status === 0;
}

let setpriv: boolean | undefined;

/** Whether this machine can tie a child's life to the server's. Asked of the machine once. */
export function hasSetpriv(): boolean {
  setpriv ??= succeeds(['setpriv', '--pdeathsig', 'KILL', '--no-new-privs', '--', 'true']);
  return setpriv;
}
