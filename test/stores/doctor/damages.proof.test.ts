// Damages that the doctor must name, each with its place: one healthy store is made once, copied,
// damaged and examined. Those of rows are done to both ledgers.

import {
  appendFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inputKey, outputKey } from '../../../src/stores/blobs/blobs.ts';
import { captureKey } from '../../../src/stores/captures/captures.ts';
import { newRunId, systemClock } from '../../../src/system/clock.ts';
import {
  blobFolder,
  cacheFile,
  capturesFile,
  capturesFolder,
  ledgerFile,
  vaultFile,
} from '../../../src/config/config.ts';
import { newKey } from '../../../src/http/access/key-format.ts';
import { sha256 } from '../../../src/domain/digest.ts';
import type { RunId } from '../../../src/domain/ids.ts';
import type { Payload } from '../../../src/domain/payload.ts';
import { seconds } from '../../../src/domain/time.ts';
import { examine } from '../../../src/stores/doctor/examination.ts';
import { openStore } from '../../../src/stores/doctor/store.ts';
import { openLog } from '../../../src/system/log.ts';
import { folderPlace, openStores, type Stores } from '../../../src/stores/open.ts';
import { newCapture } from '../captures/conformance.ts';
import { answered, batch, call, chunk, deployment, inline } from '../ledger/runs.ts';
import { onPostgres } from '../../support/database.ts';
import { folderForTest, newFolder, removeFolder } from '../../support/folder.ts';
import { ask, type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { testConfig } from '../../support/service.ts';
import { changeFile } from '../../support/store-files.ts';

const BYTES = Buffer.alloc(50_000, 'payload ');
const FACTS = { contentType: 'text/plain', bytes: BYTES.length, sha256: sha256(BYTES) };
const PLACE = { tenant: 'acme', endpoint: 'echo' };
const LOG = openLog('silent');
const CALLBACK = { url: 'https://example.com/hook', events: ['run.succeeded'] as const };

/** Runs by what they are in the tests; `large` has both payloads in the blob store. */
type Names = Readonly<Record<'large' | 'small' | 'batch' | 'chunk' | 'queued', RunId>>;

/** Has every kind of record written. */
async function fill({ ledger, blobs, vault, captures, cache }: Stores): Promise<Names> {
  const stored = async (key: ReturnType<typeof inputKey>): Promise<Payload> => {
    await blobs.put(key, BYTES);
    return { ...FACTS, body: { blob: key } };
  };
  const claim = async (lane: 'replica' | 'engine') => {
    const slots = [{ replica: lane === 'engine' ? null : 'r', coldStart: null }];
    const request = { endpoint: 'echo', version: 1, lane, slots, alone: false, owner: 'me', lease: seconds(30) };
    return (await ledger.claim(request))[0]!.claim;
  };
  const succeed = async (output: (runId: RunId) => Promise<Payload> | Payload): Promise<RunId> => {
    const held = await claim('replica');
    const result = { kind: 'succeeded', output: await output(held.runId) } as const;
    await ledger.finish([{ claim: held, result, progress: null }]);
    return held.runId;
  };
  await ledger.deploy(deployment({ spec: '{}' }));
  const large = newRunId();
  const input = await stored(inputKey(large));
  await ledger.enqueue([
    call({ runId: large, input, idempotency: { key: 'k', fingerprint: 'f' }, callback: CALLBACK }),
  ]);
  await succeed((runId) => stored(outputKey(runId, 1)));
  const small = call({ trace: '{"traceparent":"00"}' });
  await ledger.enqueue([small]);
  await succeed(() => inline('{"y":2}'));
  const [delivery] = await ledger.claimDeliveries(1, seconds(30));
  await ledger.finishDeliveries([{ claim: delivery!.claim, result: { kind: 'delivered', ...answered(200) } }]);
  const table = batch();
  await ledger.enqueue([table]);
  const part = chunk(await claim('engine'), 0, 3);
  await ledger.enqueue([part]);
  await succeed((runId) => stored(outputKey(runId, 1)));
  const queued = call();
  await ledger.enqueue([queued]);
  for (const name of ['one', 'two']) {
    const one = newCapture({ ...PLACE, name, predictions: FACTS, ids: { column: 'id', list: FACTS } });
    for (const blob of ['predictions', 'ids'] as const) await captures.blobs.put(captureKey(one, blob), BYTES);
    await captures.store.add(one);
  }
  const { keyId, digest } = newKey();
  const now = systemClock.now();
  const times = { createdAt: now, expiresAt: null, revokedAt: null };
  await vault.addKey({ keyId, digest, name: 'ci', tenant: 'acme', scopes: ['invoke'], endpoints: ['echo'], ...times });
  await vault.signingSecrets('echo', now);
  const entries = [1, 2, 3].map((one) => ({ key: `${one}`.padStart(32, '0'), answer: '{"y":1}' }));
  await cache.keep(PLACE, { version: 1, caller: 'somebody', entries: entries as never });
  return { large, small: small.runId, batch: table.runId, chunk: part.runId, queued: queued.runId };
}

async function makeStore(data: string, database: string | null): Promise<Names> {
  await using undo = new AsyncDisposableStack();
  return await fill(await openStores(testConfig({ data, database, endpoints: {} }), undo, LOG));
}

/** Everything that the doctor says is wrong, one a line; empty where all is well. */
async function diagnosis(data: string, database: string | null): Promise<string> {
  const place = {
    ledger: database === null ? { file: ledgerFile(data) } : { url: database },
    blobs: blobFolder(data),
    captures: capturesFile(data),
    captureBlobs: capturesFolder(data),
    folder: folderPlace({ data, database }),
    vault: vaultFile(data),
    cache: cacheFile(data),
  };
  try {
    const store = await openStore(place);
    try {
      const { findings, healthy } = await examine(store, systemClock.now(), () => {});
      const broken = findings.filter(({ kept }) => kept === false);
      expect(healthy).toBe(broken.length === 0);
      return broken.map(({ promise, places }) => `${promise} ${places.join(' ')}`).join('\n');
    } finally {
      await store.close();
    }
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * Statements for both ledgers: {ended} and {open} are the tables of such runs, {t:name} is any
 * other.
 */
const inSqlite = (sql: string): string =>
  sql.replaceAll(/\{(?:ended|open)\}/g, 'runs').replaceAll(/\{t:(\w+)\}/g, '$1');
const inPostgres = (sql: string): string =>
  sql.replaceAll(/\{(ended|open)\}/g, 'claimcheck.$1_runs').replaceAll(/\{t:(\w+)\}/g, 'claimcheck.$1');

const LARGE = `run_id = 'LARGE'`;
const ROWS: readonly (readonly [what: string, sql: string, words: RegExp])[] = [
  [
    'metadata that nobody can read',
    `UPDATE {ended} SET metadata = '{oops' WHERE ${LARGE}`,
    /can be read.*LARGE: its metadata/,
  ],
  [
    'metadata that are a list',
    `UPDATE {ended} SET metadata = '[]' WHERE ${LARGE}`,
    /LARGE: its metadata are no JSON object/,
  ],
  ['a trace that nobody can read', `UPDATE {ended} SET trace = 'x' WHERE run_id = 'SMALL'`, /SMALL: its trace/],
  [
    'options of a batch that nobody can read',
    `UPDATE {open} SET batch = '{' WHERE run_id = 'BATCH'`,
    /BATCH: the options of its batch/,
  ],
  [
    'options of a batch without its rows',
    `UPDATE {open} SET batch = '{}' WHERE run_id = 'BATCH'`,
    /BATCH: the options of its batch/,
  ],
  [
    'a batch with fewer rows than its chunk',
    `UPDATE {open} SET batch = '{"rows":2}' WHERE run_id = 'BATCH'`,
    /CHUNK: it is rows 0 to 3 of a table with 2/,
  ],
  [
    'more rows done than there are',
    `UPDATE {open} SET progress_done = 9, progress_total = 3, progress_failed = 0 WHERE run_id = 'BATCH'`,
    /BATCH: it says 9 rows done/,
  ],
  [
    'another total',
    `UPDATE {open} SET progress_done = 1, progress_total = 7, progress_failed = 0 WHERE run_id = 'BATCH'`,
    /BATCH: it counts 7 rows and has 3/,
  ],
  [
    'a specification that nobody can read',
    `UPDATE {t:deployments} SET spec = 'oops'`,
    /version 1 of echo: its specification/,
  ],
  ['a run of a version that there is not', `UPDATE {ended} SET version = 9 WHERE ${LARGE}`, /Every version.*LARGE/],
  ['a run of version 0', `UPDATE {ended} SET version = 0 WHERE ${LARGE}`, /Every version.*LARGE/],
  [
    'an endpoint with a version that there is not',
    `UPDATE {t:endpoints} SET version = 4`,
    /Every version.*endpoint echo/,
  ],
  ['an endpoint of another fingerprint', `UPDATE {t:endpoints} SET fingerprint = 'zz'`, /Every version.*endpoint echo/],
  ['a version that is gone', `DELETE FROM {t:deployments}`, /Every version.*endpoint echo/],
  [
    'an end before the beginning',
    `UPDATE {ended} SET finished_at_ms = started_at_ms - 1000 WHERE ${LARGE}`,
    /begins with its first attempt.*LARGE/,
  ],
  [
    'a beginning after the end',
    `UPDATE {ended} SET started_at_ms = finished_at_ms + 1000 WHERE ${LARGE}`,
    /begins with its first attempt.*LARGE/,
  ],
  [
    'an attempt that begins after its end',
    `UPDATE {t:attempts} SET started_at_ms = finished_at_ms + 1000 WHERE run_seq = 1`,
    /begins with its first attempt.*LARGE/,
  ],
  [
    'an attempt that ends at another time',
    `UPDATE {t:attempts} SET finished_at_ms = finished_at_ms + 1 WHERE run_seq = 1`,
    /begins with its first attempt.*LARGE/,
  ],
  [
    'an arrival long after the end',
    `UPDATE {ended} SET created_at_ms = finished_at_ms + 864000000 WHERE ${LARGE}`,
    /nothing ends before it begins.*LARGE/,
  ],
  [
    'payloads that go too soon',
    `UPDATE {ended} SET kept_until_ms = finished_at_ms WHERE ${LARGE}`,
    /begins with its first attempt.*LARGE/,
  ],
  [
    'a delivery of another time',
    `UPDATE {t:deliveries} SET created_at_ms = created_at_ms + 5`,
    /its delivery is made then.*LARGE/,
  ],
  [
    'a length below zero',
    `UPDATE {ended} SET input_bytes = -1 WHERE ${LARGE}`,
    /What is said of a payload is whole.*LARGE/,
  ],
  [
    'a sha-256 that is none',
    `UPDATE {ended} SET input_sha256 = 'abc' WHERE ${LARGE}`,
    /What is said of a payload is whole.*LARGE/,
  ],
  [
    'a payload without a type',
    `UPDATE {ended} SET output_type = NULL WHERE ${LARGE}`,
    /What is said of a payload is whole.*LARGE/,
  ],
  [
    'the blob of another run',
    `UPDATE {ended} SET output_blob = 'CHUNK.output.1' WHERE ${LARGE}`,
    /What is said of a payload is whole.*LARGE/,
  ],
  [
    'the sha-256 of another blob',
    `UPDATE {ended} SET input_sha256 = '${'0'.repeat(64)}' WHERE ${LARGE}`,
    /input of LARGE: .*other bytes/,
  ],
  [
    'the length of another blob',
    `UPDATE {ended} SET input_bytes = 7 WHERE ${LARGE}`,
    /input of LARGE: .*has 50000 bytes; 7 were stored/,
  ],
  ['bytes of a small payload', `UPDATE {t:outputs} SET body = 'BYTES'`, /Every output that is kept.*SMALL/],
  ['a small payload that is gone', `DELETE FROM {t:outputs}`, /Every output that is kept.*SMALL/],
  ['a counter', `UPDATE {t:endpoints} SET queued = 99`, /as many queued runs as its counter says.*echo/],
  ['an attempt that is gone', `DELETE FROM {t:attempts} WHERE run_seq = 1`, /attempts of a run are counted.*LARGE/],
  [
    'an attempt of another number',
    `UPDATE {t:attempts} SET attempt = 5 WHERE run_seq = 1`,
    /attempts of a run are counted.*LARGE/,
  ],
  [
    'another count of attempts',
    `UPDATE {ended} SET attempt = 2 WHERE ${LARGE}`,
    /attempts of a run are counted.*LARGE/,
  ],
  [
    'an attempt that succeeded and says otherwise',
    `UPDATE {t:attempts} SET outcome = 'failed' WHERE run_seq = 1`,
    /Only the last attempt.*LARGE/,
  ],
  [
    'a delivery that is gone',
    `DELETE FROM {t:delivery_attempts}; DELETE FROM {t:deliveries}`,
    /asked to hear of a run’s end.*LARGE/,
  ],
  ['an attempt at a delivery that is gone', `DELETE FROM {t:delivery_attempts}`, /every attempt at it in its log/],
  [
    'a delivery of another end',
    `UPDATE {t:deliveries} SET event = 'run.failed'`,
    /Whoever asked to hear of a run’s end.*LARGE/,
  ],
  [
    'a delivery to somebody else',
    `UPDATE {t:deliveries} SET url = 'https://example.org/hook'`,
    /Whoever asked to hear of a run’s end.*LARGE/,
  ],
  [
    'a key of another tenant’s run',
    `UPDATE {t:idempotency_keys} SET tenant = 'another'`,
    /An idempotency key stands for a run that is there.*LARGE/,
  ],
  [
    'a key that stands for no run',
    `UPDATE {t:idempotency_keys} SET run_id = 'nobody'`,
    /idempotency key stands for a run.*nobody/,
  ],
  [
    'an end of which nobody lets go',
    `UPDATE {ended} SET kept_until_ms = NULL WHERE ${LARGE}`,
    /let go of some time.*LARGE/,
  ],
  [
    'a chunk without its batch',
    `UPDATE {ended} SET parent_seq = 999 WHERE run_id = 'CHUNK'`,
    /A chunk’s batch is there.*CHUNK/,
  ],
  [
    'a turn that nobody drew',
    `UPDATE {open} SET turn = 1000 WHERE run_id = 'QUEUED'`,
    /has a turn that the tenant has not drawn.*QUEUED/,
  ],
  ['a ledger of another folder', `UPDATE {t:identity} SET folder = 'another'`, /belongs to another folder/],
  [
    'a ledger of another time',
    `UPDATE {t:identity} SET mark = 'another'`,
    /are not of the same time.*claimcheck restore/,
  ],
  ['another ledger', `UPDATE {t:identity} SET ledger = 'another'`, /belongs to another ledger/],
];

/**
 * What the constraints of the tables forbid. Only in a file can somebody write it without taking a
 * constraint away.
 */
const FORBIDDEN: typeof ROWS = [
  ['a kind that there is not', `UPDATE runs SET kind = 'oops' WHERE run_id = 'QUEUED'`, /runs QUEUED breaks: kind = /],
  [
    'a running run that nobody holds',
    `UPDATE runs SET lease_until_ms = NULL WHERE run_id = 'BATCH'`,
    /runs BATCH breaks: a running run is leased/,
  ],
  [
    'a run that ended at no time',
    `UPDATE runs SET finished_at_ms = NULL WHERE ${LARGE}`,
    /runs LARGE breaks: an ended run has its time/,
  ],
  [
    'a run that succeeded without an output',
    `UPDATE runs SET output_sha256 = NULL, output_bytes = NULL, output_type = NULL, output_blob = NULL WHERE ${LARGE}`,
    /runs LARGE breaks: a succeeded run has an output/,
  ],
  [
    'a chunk of no rows',
    `UPDATE runs SET row_to = -1 WHERE run_id = 'CHUNK'`,
    /runs CHUNK breaks: a chunk has a parent/,
  ],
  [
    'an error of a run that goes on',
    `UPDATE runs SET error_type = 'x' WHERE run_id = 'QUEUED'`,
    /QUEUED breaks: a failed/,
  ],
  ['a queue for fewer than nobody', `UPDATE endpoints SET queue_limit = -1`, /endpoints echo breaks: queue_limit >= 0/],
  ['a version in no state', `UPDATE deployments SET state = 'oops'`, /deployments echo 1 breaks: state IN/],
  [
    'a delivery with no outcome that there is',
    `UPDATE deliveries SET outcome = 'oops'`,
    /deliveries \S+ breaks: outcome = /,
  ],
  ['two identities', `UPDATE identity SET one = 2`, /identity 2 breaks: one = 1/],
  ['an index that is gone', 'DROP INDEX runs_of_concurrency_key', /the index runs_of_concurrency_key is gone/],
  ['a table that is gone', 'DROP TABLE delivery_attempts', /delivery_attempts/],
];

const named = (text: string, names: Names): string =>
  text
    .replaceAll('LARGE', names.large)
    .replaceAll('SMALL', names.small)
    .replaceAll('BATCH', names.batch)
    .replaceAll('CHUNK', names.chunk)
    .replaceAll('QUEUED', names.queued);

const wordsOf = (words: RegExp, names: Names): RegExp => new RegExp(named(words.source, names));

describe('in a ledger in a file', () => {
  let healthy: string;
  let other: string;
  let names: Names;
  beforeAll(async () => {
    healthy = await newFolder();
    other = await newFolder();
    names = await makeStore(healthy, null);
    await makeStore(other, null);
  });
  afterAll(() => Promise.all([removeFolder(healthy), removeFolder(other)]));

  async function copied(): Promise<string> {
    const data = await folderForTest();
    cpSync(healthy, data, { recursive: true });
    return data;
  }

  test('a healthy store breaks nothing', async () => {
    expect(await diagnosis(await copied(), null)).toBe('');
  });

  test.each([...ROWS, ...FORBIDDEN])('%s is named', async (_, sql, words) => {
    const data = await copied();
    changeFile(
      ledgerFile(data),
      `PRAGMA ignore_check_constraints = ON; ${named(inSqlite(sql).replaceAll(`'BYTES'`, `x'7b7d'`), names)}`,
    );
    expect((await diagnosis(data, null)).replaceAll('\n', ' ')).toMatch(wordsOf(words, names));
  });

  const blobOf = (data: string, key: string): string => join(blobFolder(data), key.slice(34, 36), key);
  const inputOf = (data: string): string => blobOf(data, inputKey(names.large));
  const firstCaptureBlob = (data: string, part: string): string => {
    const found = readdirSync(capturesFolder(data), { recursive: true, encoding: 'utf8' }).find((name) =>
      name.endsWith(part),
    );
    return join(capturesFolder(data), found!);
  };
  const flip = (file: string): void => {
    const bytes = readFileSync(file);
    bytes[4_711]! ^= 1;
    writeFileSync(file, bytes);
  };
  /** Fills the page of a table or an index with nonsense. */
  const spoil = (file: string, name: string): void => {
    const [found] = changeFile(
      file,
      `SELECT rootpage AS page, (SELECT page_size FROM pragma_page_size) AS size FROM sqlite_schema WHERE name = '${name}'`,
    );
    const { page, size } = found as { page: number; size: number };
    changeFile(file, 'PRAGMA wal_checkpoint(TRUNCATE)');
    const bytes = readFileSync(file);
    bytes.fill(0xff, (page - 1) * size, page * size);
    writeFileSync(file, bytes);
  };
  const replaced = (data: string, of: (folder: string) => string): void => cpSync(of(other), of(data));
  const emptied = (file: string): void => {
    for (const end of ['-wal', '-shm']) rmSync(`${file}${end}`, { force: true });
    truncateSync(file, 0);
  };

  test.each<[string, (data: string) => void, RegExp]>([
    ['the ledger’s file is gone', (data) => rmSync(ledgerFile(data)), /There is no ledger at .*--data/],
    [
      'the ledger’s file is a letter',
      (data) => writeFileSync(ledgerFile(data), 'This is a letter. '.repeat(400)),
      /ledger\.sqlite cannot be opened/,
    ],
    ['the ledger’s file is empty', (data) => emptied(ledgerFile(data)), /ledger\.sqlite is no ledger/],
    ['the ledger is another folder’s', (data) => replaced(data, ledgerFile), /belongs to another ledger/],
    [
      'a page of the ledger is nonsense',
      (data) => spoil(ledgerFile(data), 'runs'),
      /pages, rows and indexes.*malformed/,
    ],
    [
      'an index of the ledger is nonsense',
      (data) => spoil(ledgerFile(data), 'idempotency_keys_by_age'),
      /pages, rows and indexes/,
    ],
    [
      'the identity is gone',
      (data) => rmSync(join(data, 'identity.json')),
      /is not the folder that .* has worked with/,
    ],
    [
      'the identity is nonsense',
      (data) => writeFileSync(join(data, 'identity.json'), '{"'),
      /identity\.json cannot be read/,
    ],
    [
      'the identity is another folder’s',
      (data) => cpSync(join(other, 'identity.json'), join(data, 'identity.json')),
      /belongs to another ledger/,
    ],
    ['the vault is gone', (data) => rmSync(vaultFile(data)), /vault\.sqlite is gone.*Put it back from a backup/],
    [
      'the vault is a letter',
      (data) => writeFileSync(vaultFile(data), 'Dear reader. '.repeat(400)),
      /vault\.sqlite cannot be opened/,
    ],
    ['the vault is empty', (data) => emptied(vaultFile(data)), /vault\.sqlite holds nothing/],
    [
      'the vault is another ledger’s',
      (data) => replaced(data, vaultFile),
      /vault\.sqlite is a vault of another ledger/,
    ],
    [
      'the vault is a cache',
      (data) => cpSync(cacheFile(data), vaultFile(data)),
      /vault\.sqlite is another program's database/,
    ],
    ['a page of the vault is nonsense', (data) => spoil(vaultFile(data), 'keys'), /vault\.sqlite.*(?:malformed|page)/],
    [
      'a key’s scopes are no list',
      (data) => void changeFile(vaultFile(data), `UPDATE keys SET scopes = 'invoke'`),
      /vault\.sqlite: key .*: its scopes or endpoints are no JSON list/,
    ],
    [
      'a key’s endpoints are no list',
      (data) => void changeFile(vaultFile(data), `UPDATE keys SET endpoints = '{}'`),
      /its scopes or endpoints are no JSON list/,
    ],
    [
      'a key has a scope that there is not',
      (data) => void changeFile(vaultFile(data), `UPDATE keys SET scopes = '["all"]'`),
      /it has a scope that there is not/,
    ],
    [
      'a key’s digest is none',
      (data) => void changeFile(vaultFile(data), `UPDATE keys SET digest = 'x'`),
      /what it is told by is no sha-256/,
    ],
    [
      'a signing secret is none',
      (data) => void changeFile(vaultFile(data), `UPDATE signing_secrets SET secret = 'x'`),
      /signing secret of echo: it is none/,
    ],
    ['the captures are gone', (data) => rmSync(capturesFile(data)), /captures\.sqlite is gone/],
    [
      'the captures are a letter',
      (data) => writeFileSync(capturesFile(data), 'Dear reader. '.repeat(400)),
      /captures\.sqlite cannot be opened/,
    ],
    ['the captures are empty', (data) => emptied(capturesFile(data)), /captures\.sqlite holds nothing/],
    [
      'the captures are another ledger’s',
      (data) => replaced(data, capturesFile),
      /captures\.sqlite is a store of captures of another ledger/,
    ],
    [
      'a page of the captures is nonsense',
      (data) => spoil(capturesFile(data), 'captures'),
      /captures’ file.*malformed/,
    ],
    [
      'a capture cannot be read',
      (data) => void changeFile(capturesFile(data), `UPDATE captures SET content = '{' WHERE sequence = 1`),
      /echo\/one version 1 of tenant acme: what it says cannot be read/,
    ],
    [
      'a capture says nothing',
      (data) => void changeFile(capturesFile(data), `UPDATE captures SET content = '{}' WHERE sequence = 1`),
      /echo\/one .*does not say where its predictions/,
    ],
    [
      'a capture’s score was changed',
      (data) =>
        void changeFile(
          capturesFile(data),
          `UPDATE captures SET content = replace(content, '"failed":1', '"failed":0')`,
        ),
      /echo\/one .*was changed since it was captured/,
    ],
    [
      'a capture is another endpoint’s',
      (data) => void changeFile(capturesFile(data), `UPDATE captures SET endpoint = 'better' WHERE sequence = 1`),
      /better\/one .*was changed since it was captured/,
    ],
    [
      'a capture is of version 0',
      (data) => void changeFile(capturesFile(data), `UPDATE captures SET version = 0 WHERE sequence = 1`),
      /there is no such version/,
    ],
    [
      'a bit of predictions was changed',
      (data) => flip(firstCaptureBlob(data, '.predictions')),
      /predictions of echo\/.*other bytes/,
    ],
    ['ids are gone', (data) => rmSync(firstCaptureBlob(data, '.ids')), /ids of echo\/.*is missing/],
    [
      'the folder of captures is gone',
      (data) => rmSync(capturesFolder(data), { recursive: true }),
      /predictions of .*: there is no folder of blobs/,
    ],
    [
      'the cache is a letter',
      (data) => writeFileSync(cacheFile(data), 'Dear reader. '.repeat(400)),
      /cache\.sqlite cannot be opened/,
    ],
    ['the cache is empty', (data) => emptied(cacheFile(data)), /cache\.sqlite holds nothing/],
    [
      'the cache is another ledger’s',
      (data) => replaced(data, cacheFile),
      /cache\.sqlite is a cache of another ledger/,
    ],
    [
      'a page of the cache is nonsense',
      (data) => spoil(cacheFile(data), 'entries'),
      /cache\.sqlite.*(?:malformed|page)/,
    ],
    [
      'an answer cannot be read',
      (data) => void changeFile(cacheFile(data), `UPDATE entries SET answer = '{' WHERE entry = 1`),
      /an answer of echo version 1 is no JSON/,
    ],
    [
      'the totals of the cache are others',
      (data) => void changeFile(cacheFile(data), `UPDATE totals SET rows = 8`),
      /totals of echo version 1 are 8 answers; there are 3/,
    ],
    [
      'the totals of the cache are gone',
      (data) => void changeFile(cacheFile(data), `DELETE FROM totals`),
      /totals of 3 answers are missing/,
    ],
    [
      'answers of the cache are nobody’s',
      (data) => void changeFile(cacheFile(data), `DELETE FROM places`),
      /answers that belong to no endpoint/,
    ],
    [
      'an answer’s key is too short',
      (data) => void changeFile(cacheFile(data), `UPDATE entries SET key = x'00' WHERE entry = 1`),
      /an answer under a key of 1 bytes/,
    ],
    ['a bit of a payload was changed', (data) => flip(inputOf(data)), /input of LARGE: .*other bytes/],
    [
      'a payload is cut off',
      (data) => truncateSync(inputOf(data), 100),
      /input of LARGE: .*has 100 bytes; 50000 were stored/,
    ],
    ['a payload is longer', (data) => appendFileSync(inputOf(data), 'x'), /input of LARGE: .*has 50001 bytes/],
    ['a payload is gone', (data) => rmSync(inputOf(data)), /input of LARGE: .*is missing/],
    [
      'a payload has another name',
      (data) => renameSync(inputOf(data), `${inputOf(data)}.old`),
      /input of LARGE: .*is missing/,
    ],
    [
      'a payload is a folder',
      (data) => {
        rmSync(inputOf(data));
        cpSync(capturesFolder(data), inputOf(data), { recursive: true });
      },
      /input of LARGE: .*(?:directory|EISDIR|folder)/,
    ],
    [
      'a chunk’s payload is gone',
      (data) => rmSync(blobOf(data, outputKey(names.chunk, 1))),
      /output of CHUNK: .*is missing/,
    ],
    [
      'the folder of payloads is gone',
      (data) => rmSync(blobFolder(data), { recursive: true }),
      /input of LARGE: there is no folder of blobs/,
    ],
  ])('%s, and that is named', async (_, harm, words) => {
    const data = await copied();
    harm(data);
    expect((await diagnosis(data, null)).replaceAll('\n', ' ')).toMatch(wordsOf(words, names));
  });
});

// A database for each damage takes a second.
describe.skipIf(!onPostgres)('in a ledger in Postgres', () => {
  let postgres: PostgresServer;
  let base: string;
  let data: string;
  let names: Names;
  beforeAll(async () => {
    postgres = await startPostgres();
    base = await postgres.newDatabase();
    data = await newFolder();
    names = await makeStore(data, base);
  });
  afterAll(async () => {
    await postgres.stop();
    await removeFolder(data);
  });

  test('a healthy store breaks nothing', async () => {
    expect(await diagnosis(data, base)).toBe('');
  });

  const SQL_OF_CAPTURES: typeof ROWS = [
    [
      'a capture that nobody can read',
      `UPDATE claimcheck_captures.captures SET content = '{' WHERE sequence = 1`,
      /echo\/one .*cannot be read/,
    ],
    [
      'a capture that was changed',
      `UPDATE claimcheck_captures.captures SET content = replace(content, '"failed":1', '"failed":0')`,
      /echo\/one .*was changed/,
    ],
  ];

  test.each([...ROWS, ...SQL_OF_CAPTURES])('%s is named', async (_, sql, words) => {
    const before = new URL(base).pathname.slice(1);
    const url = Object.assign(new URL(base), { pathname: `/${before}_damaged` }).href;
    await ask(postgres.url, `CREATE DATABASE ${before}_damaged TEMPLATE ${before}`);
    try {
      const constraints = await ask(
        url,
        `SELECT conrelid::regclass::text AS of, conname AS name FROM pg_constraint WHERE contype = 'c' AND connamespace = 'claimcheck'::regnamespace`,
      );
      const drops = constraints
        .map(({ of, name }) => `ALTER TABLE ${String(of)} DROP CONSTRAINT ${String(name)};`)
        .join('');
      await ask(
        url,
        `SET session_replication_role = replica; ${drops} ${named(inPostgres(sql).replaceAll(`'BYTES'`, `'{}'`), names)}`,
      );
      expect((await diagnosis(data, url)).replaceAll('\n', ' ')).toMatch(wordsOf(words, names));
    } finally {
      await postgres.dropDatabase(url);
    }
  });
});
