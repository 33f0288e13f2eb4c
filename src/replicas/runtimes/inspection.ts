// Inspecting a model file: a process of its own sees what a replica would, and says on a descriptor
// of its own what the file takes. It lives as long as a replica may take to start, and ends with
// all that the file has started, regardless of what that prints or leaves behind.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { startTimer } from '../../system/clock.ts';
import type { EndpointSpec, ReplicaPolicy } from '../../domain/endpoint.ts';
import { isLack, reasonOf } from '../../domain/system-error.ts';
import { inSeconds } from '../../domain/time.ts';
import type { Inspection } from '../../model/inspect.ts';
import { REPORTS_DESCRIPTOR, REPORTS_VARIABLE } from '../../model/protocol.ts';
import { afterLastWords } from '../last-words.ts';
import { OutputTail } from '../output-tail.ts';
import { endKin, REPLICA_VARIABLE } from '../peers/kin.ts';
import { processRow } from '../peers/processes.ts';
import { cleanEnvironment } from './launch.ts';

/** Longest answer, in characters: schemas of a megabyte, and then some. */
const ANSWER_MAX = 16 * 1_024 * 1_024;

/** What of an endpoint its model is inspected with. */
export type InspectedSpec = Pick<EndpointSpec, 'env' | 'cwd'> & {
  readonly replicas: Pick<ReplicaPolicy, 'startTimeout'>;
};

/**
 * Runs a program that inspects a model file, behind a `prefix` such as the one that changes the
 * user; anything that goes wrong is an error in its last words. Rejects where this machine has no
 * room for the process.
 */
export async function inspectWith(
  argv: readonly [string, ...string[]],
  { env, cwd, replicas }: InspectedSpec,
  serverEnvironment: NodeJS.ProcessEnv,
  prefix: readonly string[],
): Promise<Inspection> {
  const [program, ...rest] = [...prefix, ...argv] as [string, ...string[]];
  const id = randomUUID();
  const told = { [REPORTS_VARIABLE]: String(REPORTS_DESCRIPTOR), [REPLICA_VARIABLE]: id };
  const child = spawn(program, rest, {
    env: cleanEnvironment(serverEnvironment, env, told),
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  try {
    await once(child, 'spawn');
  } catch (error) {
    if (isLack(error)) throw error;
    return { error: cannotStart(error as NodeJS.ErrnoException, argv[0], cwd) };
  }
  const pid = child.pid!;
  const started = processRow(pid)?.started ?? 0;
  const late = Promise.withResolvers<Inspection>();
  const { startTimeout } = replicas;
  const isLate = `Importing ${argv.at(-1)} has taken longer than ${inSeconds(startTimeout)} s (replicas.startTimeout).`;
  // A server that was busy when the time was over reads what has been said first.
  const stopTimer = startTimer(startTimeout, () => setImmediate(() => late.resolve({ error: isLate })));
  try {
    return await Promise.race([answerOf(child, argv.at(-1)!), late.promise]);
  } finally {
    stopTimer();
    await endKin({ replicaId: id, pid, started });
    child.stdio.forEach((stream) => stream?.destroy());
  }
}

function cannotStart(error: NodeJS.ErrnoException, program: string, cwd: string): string {
  if (error.code !== 'ENOENT') return `${program} cannot be started: ${reasonOf(error)}.`;
  return existsSync(cwd)
    ? `There is no program ${program} on the PATH; install it, or name another in the configuration.`
    : `There is no folder ${cwd}, which cwd names.`;
}

/** What it says, or its last words where it ends without having said anything. */
async function answerOf(child: ChildProcess, file: string): Promise<Inspection> {
  const [, stdout, stderr, reports] = child.stdio as unknown as [null, Readable, Readable, Readable];
  const [printed, complained] = [new OutputTail(), new OutputTail()];
  stdout.on('data', (bytes: Buffer) => printed.add(bytes)).on('error', () => {});
  stderr.on('data', (bytes: Buffer) => complained.add(bytes)).on('error', () => {});
  const ending = Promise.withResolvers<Inspection>();
  child.on('exit', (code, signal) => {
    const how = signal === null ? `exit code ${code}` : `killed by ${signal}`;
    const silent = `${file} has ended its process while it was imported (${how}), and has said nothing.`;
    const ended = (): void => ending.resolve({ error: complained.last(3) || printed.last(3) || silent });
    child.on('close', ended);
    afterLastWords(ended);
  });
  return Promise.race([lineOf(reports), ending.promise]);
}

/** The one line that is written there; never settles without it. */
function lineOf(stream: Readable): Promise<Inspection> {
  return new Promise((resolve) => {
    let text = '';
    stream
      .setEncoding('utf8')
      .on('data', (piece: string) => {
        text += piece;
        if (piece.includes('\n') || text.length > ANSWER_MAX) resolve(read(text.split('\n')[0]!));
      })
      .on('error', () => {});
  });
}

/** A model's own code can write there as well. */
function read(line: string): Inspection {
  try {
    return JSON.parse(line) as Inspection;
  } catch {
    return { error: `It has written to descriptor ${REPORTS_DESCRIPTOR}, on which it is told what the file takes.` };
  }
}
