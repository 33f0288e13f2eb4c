import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { expect, test } from 'vitest';
import { Verifier } from '../../../src/stores/blobs/verifier.ts';
import { sha256 } from '../../../src/domain/digest.ts';

const CHUNKS = ['one ', 'two ', 'three'].map((text) => Buffer.from(text));

/** What a reader that takes everything at once gets of the chunks before the end or the error. */
async function readThrough(check: (bytes: number, digest: string) => void): Promise<{ got: string; error: unknown }> {
  const verifier = Readable.from(CHUNKS).pipe(new Verifier(check));
  let got = '';
  verifier.on('data', (part: Buffer) => (got += part.toString()));
  return finished(verifier).then(
    () => ({ got, error: null }),
    (error: unknown) => ({ got, error }),
  );
}

test('bytes that are right pass through whole, with their length and digest told', async () => {
  const told: unknown[] = [];
  expect(await readThrough((...facts) => void told.push(facts))).toEqual({ got: 'one two three', error: null });
  expect(told).toEqual([[13, sha256(Buffer.from('one two three'))]]);
});

test('of bytes that are wrong a reader never gets the last, so that it cannot take them for whole', async () => {
  const wrong = new Error('wrong');
  const { got, error } = await readThrough(() => {
    throw wrong;
  });
  expect(error).toBe(wrong);
  expect(got).toBe('one two ');
});
