// The model of the example in a plain loop, without any server: prints that it is ready, and for
// every line that it is sent works through its share of a table, from CSV to CSV and as many rows
// at a time as a replica is given, and says how many bytes came of it. Arguments: the table, which
// share, of how many, and rows at a time.

import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { model } from '../../examples/molecules/models/smiles-to-2d.ts';
import { decodeRows, encodeRows } from '../../src/table/rows.ts';
import { indexTable, sliceTable } from '../../src/table/split.ts';

const table = new Uint8Array(await readFile(process.argv[2]!));
const [first, step, size] = process.argv.slice(3).map(Number) as [number, number, number];
const index = indexTable(table, 'csv');
const state = await model.load!();
const context = { model: state, signal: new AbortController().signal } as never;

process.stdout.write('ready\n');
for await (const line of createInterface(process.stdin)) {
  let bytes = 0;
  for (let at = first * size; at < index.rows; at += step * size) {
    const rows = decodeRows(sliceTable(table, index, at, Math.min(index.rows, at + size)), 'csv');
    bytes += encodeRows(await model.predict(rows, context), 'csv').length;
  }
  process.stdout.write(`${line} ${bytes}\n`);
}
