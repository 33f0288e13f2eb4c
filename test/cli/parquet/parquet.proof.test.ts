import { expect, test } from 'vitest';
import { UsageError } from '../../../src/cli/failure.ts';
import { readParquetFile } from '../../../src/cli/parquet/reader.ts';
import { parquetFromArrow } from '../../../src/cli/parquet/parquet.ts';
import { seconds } from '../../../src/domain/time.ts';
import { linesToArrow } from '../../../src/table/arrow/from-lines.ts';
import { TableError } from '../../../src/table/format.ts';

test('reading a file with any byte damaged ends, with a table or a sentence', { timeout: 600_000 }, async () => {
  const file = await parquetFromArrow(await linesToArrow(Buffer.from('{"a":[1,2],"b":"x"}\n'), null));
  for (const at of file.keys()) {
    const damaged = new Uint8Array(file);
    damaged[at]! ^= 0xff;
    const ended = await readParquetFile(damaged, seconds(1)).catch((reason: unknown) => reason);
    expect([Uint8Array, UsageError, TableError], `byte ${at}`).toContain((ended as object).constructor);
  }
});
