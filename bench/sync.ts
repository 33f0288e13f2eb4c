// sync: what the server adds to a synchronous invocation, over asking the very same replica on its
// socket, in turn within one run.

import { Pool } from 'undici';
import { SOCKET_VARIABLE } from '../src/model/protocol.ts';
import type { BenchOptions } from './support/options.ts';
import { BODY } from './support/load.ts';
import { ms, print } from './support/print.ts';
import { variableBelow } from './support/processes.ts';
import { startClaimcheck } from './support/program.ts';
import { median, percentile } from './support/statistics.ts';
import { folderFor } from './support/stores.ts';

const CONNECTIONS = 8;
/** Many short slices, so that what else the machine does hits both alike. */
const ROUNDS = 12;
const WARM_UP_SECONDS = 3;
const HEADERS = { 'content-type': 'application/json' };
/** What the server says to a replica beside the input. */
const INVOCATION_HEADERS = {
  ...HEADERS,
  'claimcheck-run-id': '0199f4a2-6f2e-7cc1-9d2b-0a1b2c3d4e5f',
  'claimcheck-attempt': '1',
  'claimcheck-deadline': '2100-01-01T00:00:00.000Z',
};
const INPUT = JSON.stringify((JSON.parse(BODY) as { input: unknown }).input);

/** Asks once, and throws where the answer is not what it should be. */
type Ask = () => Promise<void>;

/** Runs the bench and prints its figures. */
export async function sync({ short }: BenchOptions): Promise<void> {
  const seconds = short ? 1 : 3;
  await using cleanUp = new AsyncDisposableStack();
  // The model and its replica are those of `noop`, but the caller waits for the answer.
  const { url, pid, kill } = await startClaimcheck({
    data: await folderFor(cleanUp),
    database: null,
    model: {
      noop: {
        model: new URL('./support/noop-model.ts', import.meta.url).pathname,
        mode: 'sync',
        replicas: { min: 1, max: 1, concurrency: 64 },
      },
    },
  });
  cleanUp.defer(kill);
  const server = cleanUp.adopt(new Pool(url, { connections: CONNECTIONS }), (pool) => pool.destroy());
  const throughServer = asker(server, '/endpoints/noop/invoke', HEADERS, BODY);
  await throughServer();
  const socketPath = variableBelow(pid, SOCKET_VARIABLE)!;
  const replica = cleanUp.adopt(new Pool('http://replica', { connections: CONNECTIONS, socketPath }), (pool) =>
    pool.destroy(),
  );
  const direct = asker(replica, '/invocations', INVOCATION_HEADERS, INPUT);
  for (const ask of [direct, throughServer]) await askFor(ask, WARM_UP_SECONDS);
  const rounds: { direct: number[]; server: number[] }[] = [];
  for (let round = 0; round < ROUNDS; round += 1)
    rounds.push({ direct: await askFor(direct, seconds), server: await askFor(throughServer, seconds) });
  const all = { direct: rounds.flatMap((round) => round.direct), server: rounds.flatMap((round) => round.server) };
  for (const share of [0.5, 0.99])
    print(
      `  p${share * 100}: ${ms(percentile(all.direct, share))} asked directly, ${ms(percentile(all.server, share))} through the server`,
    );
  const added = (share: number): number => percentile(all.server, share) - percentile(all.direct, share);
  const ofRounds = (share: number): number =>
    median(rounds.map((round) => percentile(round.server, share) - percentile(round.direct, share)));
  print(
    `sync: the server adds ${ms(added(0.5))} at p50 and ${ms(added(0.99))} at p99 (medians of ${ROUNDS} rounds ${ms(ofRounds(0.5))} and ${ms(ofRounds(0.99))}), ${CONNECTIONS} connections`,
  );
}

function asker(connections: Pool, path: string, headers: Record<string, string>, body: string): Ask {
  return async () => {
    const answer = await connections.request({ method: 'POST', path, headers, body });
    const text = await answer.body.text();
    // Through the server it stands inside its run.
    if (answer.statusCode !== 200 || !text.includes(INPUT))
      throw new Error(`${path} answered ${answer.statusCode}: ${text}`);
  };
}

/** Milliseconds that each answer took, of clients that ask again as soon as they are answered. */
async function askFor(ask: Ask, seconds: number): Promise<number[]> {
  const times: number[] = [];
  const endsAt = performance.now() + seconds * 1_000;
  const client = async (): Promise<void> => {
    while (performance.now() < endsAt) {
      const startedAt = performance.now();
      await ask();
      times.push(performance.now() - startedAt);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
  return times;
}
