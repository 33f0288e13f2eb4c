// The integration files of Apache Arrow, as streams and as files.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asked, type Cases, equalIf, wrong } from './case.ts';
import { sameArrow } from './judge.ts';

const TYPES = {
  stream: 'application/vnd.apache.arrow.stream',
  arrow_file: 'application/vnd.apache.arrow.file',
} as const;

/** See the head of this file. */
export const arrowCases: Cases = async (folder, ask) => {
  const place = join(folder, 'arrow/data/arrow-ipc-stream/integration');
  const files = (await readdir(place, { recursive: true })).filter((file) => /\.(?:stream|arrow_file)$/.test(file));
  const cases = files.toSorted().map(async (file) => {
    const body = await readFile(join(place, file));
    const contentType = TYPES[file.endsWith('.stream') ? 'stream' : 'arrow_file'];
    return asked(ask, file, { endpoint: 'rows', contentType, body, accept: contentType }, (bytes) => {
      const same = sameArrow(body, bytes);
      return same === null ? wrong('no judge can read it') : equalIf(same, 'is another table to a judge');
    });
  });
  return (await Promise.all(cases)).flat();
};
