// What a caller does with the client, told as plain data: every runtime is asked for it, and must
// tell the same.

import { tableFromArrays } from 'apache-arrow';
import { ClaimcheckError, connect, InferenceCache, type Row, TableError } from '../../../src/index.ts';

/** Values that a careless client changes on their way. */
export const ROWS: readonly Row[] = [
  { id: '00123', text: '1e5', odd: 'NA', none: null, number: 0.1, yes: true },
  { id: 'b,"\r\n', text: '', odd: 'größer 🧪', none: null, number: -7, yes: false },
  { id: 'c', text: ' ', odd: '\u0000', none: null, number: 1e-300, yes: true },
];
const RANKS = [5, 6, 7];
const BYTES = Uint8Array.from({ length: 256 }, (_, k) => k);
const CSV = 'id,fail\r\n1,\r\n2,throw\r\n3,\r\n';

/** What an error is to its catcher. */
async function caught(doing: Promise<unknown>): Promise<object> {
  const error = await doing.then(
    () => new Error('Nothing was thrown.'),
    (thrown: unknown) => thrown as Error,
  );
  const known = error instanceof ClaimcheckError ? { status: error.status, retryable: error.retryable } : {};
  return { name: error.name, ours: error instanceof ClaimcheckError || error instanceof TableError, ...known };
}

/**
 * Goes through what the client can do, on a server with the endpoints `rows` and `later` (both
 * careful-rows.ts, the second asynchronous) and `anything` (anything.ts). It needs a key only where
 * the client cannot read the operator's token.
 */
export async function walk(url: string, apiKey?: string): Promise<Record<string, unknown>> {
  const client = connect({ url, apiKey });
  const [rows, later, anything] = ['rows', 'later', 'anything'].map((name) => client.endpoint(name));
  const run = await later!.submit(ROWS, { batchSize: 1, metadata: { from: 'walk' } });
  const parts: Row[] = [];
  for await (const { table } of run.parts()) parts.push(...(table ?? []));
  const events: string[] = [];
  for await (const { type } of client.run(run.id).events()) events.push(type);

  const jobKey = `walk-${run.id}`;
  const jobs = await Promise.all([1, 2].map(() => later!.submit(ROWS, { jobKey })));
  const cache = new InferenceCache(rows!, { keyColumns: ['id', 'text'] });
  const keyed = ROWS.map((row) => ({ ...row, id: `${String(row['id'])} of ${run.id}` }));
  await cache.inference(keyed);
  const known = await cache.inference(keyed.toReversed());

  const hanging = await anything!.submit({ do: 'hang' });
  const stop = new AbortController();
  const waiting = caught(hanging.result({ signal: stop.signal, cancelOnAbort: true }));
  stop.abort();

  const sent = { bytes: BYTES, contentType: 'application/x-test' };
  const { stream, ...facts } = await (await anything!.submit(sent)).outputStream();
  const arrow = await later!.inference(tableFromArrays({ rank: Int32Array.from(RANKS), text: ['a', 'b', 'c'] }));

  return {
    inference: await rows!.inference(ROWS),
    asynchronous: await later!.inference(ROWS, { batchSize: 2 }),
    empty: await rows!.inference([]),
    marked: await rows!.inference([{ id: 1 }, { id: 2, fail: 'throw' }, { id: 3 }]),
    dropped: await rows!.inference([{ id: 1 }, { id: 2, fail: 'throw' }, { id: 3 }], { onRowError: 'drop' }),
    csv: new TextDecoder().decode(
      (await later!.inference({ bytes: new TextEncoder().encode(CSV), contentType: 'text/csv' })).bytes,
    ),
    arrow: { ranks: [...arrow.getChild('rank')!], texts: [...arrow.getChild('text')!] },
    json: await anything!.invoke({ do: 'say', value: { deep: [1, 'two', null] } }),
    bytes: [...(await anything!.invoke<Uint8Array>(sent))],
    blob: [...(await anything!.invoke<Uint8Array>({ ...sent, bytes: new Blob([BYTES]) }))],
    stream: { ...facts, bytes: [...new Uint8Array(await new Response(stream).arrayBuffer())] },
    parts: parts.toSorted((a, b) => String(a['id']).localeCompare(String(b['id']), 'en')),
    events: [...new Set(events)],
    attached: await client.run(run.id).result(),
    metadata: (await run.status()).metadata,
    oneJob: new Set(jobs.map(({ id }) => id)).size,
    cached: { rows: known.map((row) => row['text']), hits: (await cache.info()).hits >= ROWS.length },
    aborted: await waiting,
    cancelled: (await client.run(hanging.id).status()).status,
    missing: await caught(client.endpoint('no-such-endpoint').describe()),
    failed: await caught(anything!.invoke({ do: 'throw' })),
    mistaken: await caught(anything!.invoke(1, { timeout: -1 })),
    counts: Object.keys(await rows!.instanceCounts()),
    purged: await later!.purgeQueue({ dryRun: true }),
  };
}
