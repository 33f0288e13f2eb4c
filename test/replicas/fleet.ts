// A supervisor under test, and how to ask its replicas for something.

import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Clock, systemClock } from '../../src/system/clock.ts';
import type { EndpointFile } from '../../src/config/config-file.ts';
import type { Reply } from '../../src/replicas/contract.ts';
import type { Launch } from '../../src/replicas/runtimes/launch.ts';
import { launchReplica } from '../../src/replicas/runtimes/runtime.ts';
import { type ReservedSlot, Supervisor } from '../../src/replicas/supervisor.ts';
import { Ports } from '../../src/replicas/runtimes/ports.ts';
import { folderForTest, type WhenDone } from '../support/folder.ts';
import { FIXTURES, specsOf } from '../support/service.ts';
import { until } from '../support/until.ts';

/** The model whose input says what it does. */
export const ANYTHING = './anything.ts';
/** The same, roughly, as a program that knows nothing of us. */
export const PROGRAM: string[] = [process.execPath, join(FIXTURES, 'obeying-program.js')];

/** A supervisor, closed with its test, and a note of every replica that was started. */
export interface Fleet {
  readonly supervisor: Supervisor;
  readonly launched: readonly string[];
  /** How often the supervisor has said that something changed. */
  changes(): number;
  /** A slot, once one is free. */
  slot(): Promise<ReservedSlot>;
}

/** What a test may choose beside the endpoint. */
export interface FleetOptions {
  readonly clock?: Clock;
  readonly environment?: NodeJS.ProcessEnv;
  readonly whenDone?: WhenDone;
}

/** Starts a supervisor for one endpoint. */
export async function fleetForTest(written: EndpointFile, options: FleetOptions = {}): Promise<Fleet> {
  const [spec] = specsOf({ tested: written });
  const whenDone = options.whenDone ?? onTestFinished;
  const sockets = await folderForTest(whenDone);
  const environment = options.environment ?? process.env;
  const ports = new Ports();
  const launched: string[] = [];
  let changes = 0;
  const launch = (id: string): Promise<Launch> => {
    launched.push(id);
    return launchReplica(spec!, id, { folder: join(sockets, id.slice(-12)), environment, ports });
  };
  const supervisor = new Supervisor({
    policy: spec!.replicas,
    launch,
    clock: options.clock ?? systemClock,
    onChange: () => void (changes += 1),
    onStart: () => {},
  });
  whenDone(() => supervisor.close());
  return {
    supervisor,
    launched,
    changes: () => changes,
    slot: () =>
      until('a slot is free', () => {
        // Asked for again and again, as the engine does: a first start may fail, as when somebody
        // else takes its port.
        supervisor.demand(1);
        return supervisor.reserve(1)[0];
      }),
  };
}

/** Asks a replica for something in JSON. */
export function ask(slot: ReservedSlot, wish: unknown, signal = new AbortController().signal): Promise<Reply> {
  return slot.invoke(
    { headers: { 'content-type': 'application/json' }, body: new TextEncoder().encode(JSON.stringify(wish)) },
    signal,
  );
}

/** The JSON that a replica answered. */
export async function told(slot: ReservedSlot, wish: unknown): Promise<unknown> {
  const reply = await ask(slot, wish);
  if (reply.kind !== 'output') throw new Error(`The replica answered ${JSON.stringify(reply)}.`);
  return JSON.parse(new TextDecoder().decode(reply.bytes));
}
