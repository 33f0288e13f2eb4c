// parquet-testing, as the command line sends and writes it: Parquet to Arrow, through the server,
// and back.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { arrowFromParquet, parquetFromArrow } from '../../src/cli/parquet/parquet.ts';
import { UsageError } from '../../src/cli/failure.ts';
import { arrowToLines } from '../../src/table/arrow/to-lines.ts';
import { TableError } from '../../src/table/format.ts';
import { type Case, type Cases, equalIf, type Verdict, wrong } from './case.ts';
import { sameParquet } from './judge.ts';
import { type Ask, refusal, type Runtime, RUNTIMES } from './server.ts';

interface ParquetFile {
  readonly file: string;
  readonly body: Uint8Array;
}

const ARROW = 'application/vnd.apache.arrow.stream';

/** See the head of this file. */
export const parquetCases: Cases = async (folder, ask) => {
  const cases: Case[] = [];
  for (const part of ['data', 'bad_data']) {
    const place = join(folder, 'parquet', part);
    for (const file of (await readdir(place)).filter((name) => name.endsWith('.parquet'))) {
      const body = await readFile(join(place, file));
      for (const runtime of RUNTIMES)
        cases.push({
          name: `${part}/${file} (${runtime})`,
          run: () => through(ask, runtime, { file, body }, part === 'bad_data'),
        });
    }
  }
  return cases;
};

const lines = (values: readonly string[]): string => values.map((value) => `{${value}}\n`).join('');

/**
 * Files that Polars does not read, or not as what is written of them (data/README.md;
 * old_list_structure.md; pyarrow 26 agrees).
 */
const EXPECTED: Readonly<Record<string, string>> = {
  'concatenated_gzip_members.parquet': lines(Array.from({ length: 513 }, (_, at) => `"long_col":${at + 1}`)),
  'dict-page-offset-zero.parquet': lines(Array.from({ length: 39 }, () => `"l_partkey":1552`)),
  'old_list_structure.parquet': lines(['"a":[[1,2],[3,4]]']),
  'repeated_primitive_no_list.parquet': lines(
    [
      ['0,1,2,3', '"foo","zero","one","two"'],
      ['', '"three"'],
      ['4', '"four"'],
      ['5,6,7,8', '"five","six","seven","eight"'],
    ].map(
      ([ints, texts]) =>
        `"Int32_list":[${ints}],"String_list":[${texts}],"group_of_lists":{"Int32_list_in_group":[${ints}],"String_list_in_group":[${texts}]}`,
    ),
  ),
};

async function through(ask: Ask, runtime: Runtime, { file, body }: ParquetFile, isBad: boolean): Promise<Verdict> {
  try {
    const table = await arrowFromParquet(body);
    const outcome = await ask(runtime, { endpoint: 'rows', contentType: ARROW, body: table, accept: ARROW });
    if (outcome.kind !== 'answer') return outcome;
    const expected = EXPECTED[file];
    if (expected !== undefined)
      return equalIf(
        new TextDecoder().decode(arrowToLines(outcome.bytes).lines) === expected,
        'is not what is written of it',
      );
    const same = sameParquet(body, await parquetFromArrow(outcome.bytes));
    if (same === null) return isBad ? wrong('is taken') : wrong('no judge can read it');
    return equalIf(same, 'is another table to a judge');
  } catch (error) {
    if (error instanceof TableError || error instanceof UsageError) {
      const told = refusal(error.message);
      return told.kind === 'answer' ? wrong('has no words') : told;
    }
    return wrong(String(error));
  }
}
