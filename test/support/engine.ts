// An engine without a transport, with real stores and replicas, on a clock that stands still until
// the test moves it.

import { join } from 'node:path';
import { type BlobStore } from '../../src/stores/blobs/blobs.ts';
import { openBlobDirectory } from '../../src/stores/blobs/directory.ts';
import type { EndpointFile } from '../../src/config/config-file.ts';
import { ANYBODY } from '../../src/domain/access.ts';
import type { RunId } from '../../src/domain/ids.ts';
import { isEnded } from '../../src/domain/run.ts';
import { Egress } from '../../src/egress/egress.ts';
import type { Deployed } from '../../src/engine/deployment.ts';
import { Engine } from '../../src/engine/engine.ts';
import type { Submission } from '../../src/engine/intake.ts';
import type { RunView } from '../../src/engine/views.ts';
import type { Ledger } from '../../src/stores/ledger/ledger.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite/driver.ts';
import { openLog } from '../../src/system/log.ts';
import { instant } from '../../src/domain/time.ts';
import { RunLogs } from '../../src/stores/run-logs/run-logs.ts';
import { openCallbacks } from '../../src/replicas/callbacks.ts';
import { Ports } from '../../src/replicas/runtimes/ports.ts';
import { launchReplica } from '../../src/replicas/runtimes/runtime.ts';
import { DiskRoom } from '../../src/stores/disk/disk-room.ts';
import { Tracing } from '../../src/system/tracing.ts';
import { ManualClock } from '../stores/ledger/manual-clock.ts';
import { type Faulty, faulty } from './faulty.ts';
import { folderForTest, type WhenDone } from './folder.ts';
import { specsOf } from './service.ts';
import { until } from './until.ts';

/** See the head of this file. */
export interface TestEngine {
  readonly engine: Engine;
  readonly ledger: Ledger;
  readonly clock: ManualClock;
  /** Lets the next calls of a verb of the ledger fail. */
  readonly failNext: Faulty<Ledger>['failNext'];
  /** Lets the next call of a verb of the ledger do its work without an answer. */
  readonly loseNext: Faulty<Ledger>['loseNext'];
  readonly failuresLeft: Faulty<Ledger>['failuresLeft'];
  /** Has the answer to the next call of a verb of the ledger come late. */
  readonly holdNext: Faulty<Ledger>['holdNext'];
  readonly blobs: Faulty<BlobStore>;
  /** What the endpoints were started with. */
  readonly deployed: readonly Deployed[];
  submit(wish: unknown, changes?: Partial<Submission>): Promise<RunId>;
  ended(runId: RunId): Promise<RunView>;
}

/** Starts an engine for endpoints of the model whose input says what it does. */
export async function engineForTest(
  whenDone: WhenDone,
  endpoints: Record<string, Omit<EndpointFile, 'model'>>,
  sweeps: 'with-sweeps' | 'without-sweeps' = 'with-sweeps',
): Promise<TestEngine> {
  const clock = new ManualClock();
  const data = await folderForTest(whenDone);
  const {
    store: ledger,
    failNext,
    loseNext,
    holdNext,
    failuresLeft,
  } = faulty(await openSqliteLedger(':memory:', clock));
  const blobs = faulty(await openBlobDirectory(join(data, 'blobs')));
  const written = Object.entries(endpoints).map(
    ([name, endpoint]) => [name, { ...endpoint, model: './anything.ts' }] as const,
  );
  const specs = specsOf(Object.fromEntries(written));
  const deployed = specs.map((spec): Deployed => ({
    spec,
    version: 1,
    takes: 'any',
    inputSchema: null,
    outputSchema: null,
  }));
  for (const { name, queueLimit, concurrencyLimit } of specs)
    await ledger.deploy({ name, fingerprint: 'a', spec: 'null', source: 'config', queueLimit, concurrencyLimit });
  const log = openLog('silent');
  const callbacks = await openCallbacks();
  const engine = new Engine({
    folder: { since: () => instant(0), isCopied: () => false },
    ledger,
    blobs: blobs.store,
    logs: new RunLogs(join(data, 'logs'), clock, log),
    callbacks,
    room: new DiskRoom(data, log),
    clock,
    log,
    observers: [],
    tracing: new Tracing('0'),
    endpoints: deployed,
    launch: ({ spec }, id) =>
      launchReplica(spec, id, { folder: join(data, id), environment: process.env, ports: new Ports() }),
    egress: new Egress({ settings: { httpsOnly: false, allow: [] }, ownPort: () => null }),
    inputBytesMax: 1_024,
    onDelivery: () => {},
  });
  whenDone(async () => {
    await engine.stop(AbortSignal.abort());
    await callbacks.close();
    await ledger.close();
  });
  if (sweeps === 'with-sweeps') await engine.start();
  return {
    engine,
    ledger,
    clock,
    failNext,
    loseNext,
    holdNext,
    failuresLeft,
    blobs,
    deployed,
    async submit(wish, changes = {}) {
      const accepted = await engine.submit({
        principal: ANYBODY,
        deployed: deployed[0]!,
        input: { bytes: new TextEncoder().encode(JSON.stringify(wish)), contentType: 'application/json' },
        inputPointer: '/input',
        accept: null,
        batch: 'auto',
        runName: null,
        timeout: null,
        queueTtl: null,
        priority: 0,
        metadata: '{}',
        idempotencyKey: null,
        concurrencyKey: null,
        retryOf: null,
        trace: null,
        callback: null,
        ...changes,
      });
      return accepted.kind === 'new' ? accepted.run.runId : accepted.runId;
    },
    ended: (runId) =>
      until('the run has ended', async () => {
        const view = await engine.runs.view(runId, ANYBODY);
        return isEnded(view.run.status) ? view : null;
      }),
  };
}
