// JSONTestSuite: what begins with y_ must be taken, with n_ refused, with i_ either. Each is the
// input of a call, and the value of a row.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asked, type Case, type Cases, equalIf } from './case.ts';
import { exactly } from './judge.ts';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** See the head of this file. */
export const jsonCases: Cases = async (folder, ask) => {
  const place = join(folder, 'json/test_parsing');
  const cases: Case[] = [];
  for (const file of (await readdir(place)).toSorted()) {
    const value = await readFile(join(place, file));
    const isBad = file.startsWith('n_');
    const inside = (before: string): Buffer => Buffer.concat([Buffer.from(before), value, Buffer.from('}')]);
    const judge = (wanted: () => string) => (isBad ? null : (bytes: Uint8Array) => same(text(bytes), wanted()));
    cases.push(
      ...asked(
        ask,
        file,
        { endpoint: 'any', contentType: 'application/json', body: inside('{"input":') },
        judge(() => text(value)),
      ),
    );
    if (value.includes('\n')) continue;
    const row = inside('{"v":');
    cases.push(
      ...asked(
        ask,
        `${file} in a row`,
        { endpoint: 'rows', contentType: 'application/jsonlines', body: row },
        judge(() => text(row)),
      ),
    );
  }
  return cases;
};

const same = (answered: string, wanted: string) =>
  equalIf(exactly(answered.trim()) === exactly(wanted), `became ${answered.slice(0, 200)}`);
