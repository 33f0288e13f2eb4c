// csv-spectrum and csv-test-data by the JSON that they expect, and the naughty strings as values
// and as names of columns.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asked, type Case, type Cases, equalIf, type Verdict } from './case.ts';
import { recordsOf } from './judge.ts';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const quoted = (value: string): string => `"${value.replaceAll('"', '""')}"`;
const said = (value: unknown): string => JSON.stringify(value);

/**
 * Where this product means something else than the suite, on purpose; each has its reason in
 * docs/tables.md.
 */
const MEANT: Readonly<Record<string, string>> = {
  'all-empty.csv': 'a blank line after the last row is nothing, in a table of one column too',
  'empty-one-column.csv': 'a blank line after the last row is nothing, in a table of one column too',
  'bad-unescaped-quote.csv':
    'a quote within a value that does not begin with one is a character like any other, and comes back',
};

/** See the head of this file. */
export const csvCases: Cases = async (folder, ask) => [
  ...(await spectrum(join(folder, 'csv-spectrum'), ask)),
  ...(await testData(join(folder, 'csv-test-data'), ask)),
];

const spectrum: Cases = async (folder, ask) => {
  const cases: Case[] = [];
  for (const file of await readdir(join(folder, 'csvs'))) {
    const body = withLineEnds(file, await readFile(join(folder, 'csvs', file)));
    const json = JSON.parse(await readFile(join(folder, 'json', file.replace('.csv', '.json')), 'utf8')) as object[];
    cases.push(
      ...table(
        ask,
        `csv-spectrum/${file}`,
        body,
        json.map((row) => Object.entries(row) as [string, string][]),
      ),
    );
  }
  return cases;
};

/** What .gitattributes of both suites says of the files whose name has `crlf`. */
const withLineEnds = (file: string, bytes: Buffer): Buffer =>
  file.includes('crlf') ? Buffer.from(bytes.toString('latin1').replaceAll(/\r?\n/g, '\r\n'), 'latin1') : bytes;

/** Files without a header get one; those that begin with `bad-` must be refused. */
const testData: Cases = async (folder, ask) => {
  const cases: Case[] = [];
  for (const file of await readdir(join(folder, 'csv'))) {
    const bytes = withLineEnds(file, await readFile(join(folder, 'csv', file)));
    const meant = MEANT[file];
    if (meant !== undefined) {
      cases.push({ name: file, run: async () => ({ kind: 'meant', why: meant }) });
      continue;
    }
    const name = `csv-test-data/${file}`;
    const isHeaded = /^(?:bad-)?header-/.test(file);
    if (file.startsWith('bad-')) {
      const body = isHeaded ? bytes : Buffer.concat([Buffer.from('foo,bar,baz\n'), bytes]);
      cases.push(...asked(ask, name, { endpoint: 'named', contentType: 'text/csv', body }, null));
      continue;
    }
    const json = JSON.parse(await readFile(join(folder, 'json', file.replace('.csv', '.json')), 'utf8')) as unknown[];
    const records = json.map((record) => Object.values(record as object) as string[]);
    const names = isHeaded ? ['foo', 'bar', 'baz'] : (records[0] ?? ['foo']).map((_, k) => `column ${k}`);
    const body = isHeaded ? bytes : Buffer.concat([Buffer.from(`${names.join(',')}\n`), bytes]);
    const rows = records.map((record) => record.map((value, k) => [names[k]!, value] as [string, string]));
    cases.push(...table(ask, name, body, rows));
  }
  return cases;
};

type Rows = readonly (readonly [string, string])[][];

/** A table as JSON Lines and as CSV. */
function table(ask: Parameters<Cases>[1], name: string, body: Uint8Array, rows: Rows): Case[] {
  const csv = { endpoint: 'rows', contentType: 'text/csv', body } as const;
  return [
    ...asked(ask, name, { ...csv, accept: 'application/jsonlines' }, (bytes) => linesAre(bytes, rows)),
    ...asked(ask, `${name} as csv`, { ...csv, accept: 'text/csv' }, (bytes) => csvIs(bytes, rows)),
  ];
}

function linesAre(bytes: Uint8Array, rows: Rows): Verdict {
  const answered = text(bytes)
    .split('\n')
    .slice(0, -1)
    .map((line) => sorted(Object.entries(JSON.parse(line) as object)));
  return equalIf(said(answered) === said(rows.map(sorted)), `became ${text(bytes).slice(0, 200)}`);
}

/** By name: objects have an order of their own. */
const sorted = (row: readonly (readonly [string, string])[]) => row.toSorted(([a], [b]) => (a < b ? -1 : 1));

function csvIs(bytes: Uint8Array, rows: Rows): Verdict {
  const [, ...records] = recordsOf(text(bytes));
  const wanted = rows.map((row) => row.map(([, value]) => value));
  return equalIf(said(records) === said(wanted), `became ${text(bytes).slice(0, 200)}`);
}

/** See the head of this file. */
export const stringCases: Cases = async (folder, ask) => {
  const strings = JSON.parse(await readFile(join(folder, 'strings/blns.json'), 'utf8')) as string[];
  const names = [...new Set(strings)].filter((name) => name !== '');
  const rows = strings.map(
    (value, at) =>
      [
        ['n', String(at)],
        ['s', value],
      ] as [string, string][],
  );
  const csv = `n,s\n${strings.map((value, at) => `${at},${quoted(value)}\n`).join('')}`;
  const lines = rows.map((row) => `${JSON.stringify(Object.fromEntries(row))}\n`).join('');
  const wide = [names.map((name) => [name, name] as [string, string])];
  const wideCsv = `${names.map(quoted).join(',')}\n${names.map(quoted).join(',')}\n`;
  const jsonlines = { endpoint: 'rows', contentType: 'application/jsonlines', body: lines } as const;
  return [
    ...table(ask, 'values of csv', Buffer.from(csv), rows),
    ...table(ask, 'names of csv', Buffer.from(wideCsv), wide),
    ...asked(ask, 'values of jsonlines', jsonlines, (bytes) => linesAre(bytes, rows)),
    ...asked(ask, 'values of jsonlines as csv', { ...jsonlines, accept: 'text/csv' }, (bytes) => csvIs(bytes, rows)),
    ...strings.flatMap((value, at) =>
      asked(
        ask,
        `string ${at}`,
        { endpoint: 'any', contentType: 'application/json', body: `{"input":${JSON.stringify(value)}}` },
        (bytes) => equalIf(JSON.parse(text(bytes)) === value, `became ${text(bytes)}`),
      ),
    ),
  ];
};
