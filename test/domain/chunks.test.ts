import { expect, test } from 'vitest';
import { gather } from '../../src/domain/chunks.ts';

/** Chunks of these texts; `ended` is called once nobody asks for more. */
async function* chunksOf(texts: readonly string[], ended: () => void = () => {}): AsyncGenerator<Uint8Array> {
  try {
    for (const text of texts) yield Buffer.from(text);
  } finally {
    ended();
  }
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all).toString();
}

test.each([[[]], [['']], [['four']], [['f', 'o', 'u', 'r']]])(
  '%j is at most four bytes and comes whole',
  async (texts) => {
    expect(await gather(chunksOf(texts), 4)).toEqual(Buffer.from(texts.join('')));
  },
);

test.each([[['fives']], [['four', '5']], [['f', 'iv', 'es and more']]])(
  '%j is more, and all of it comes in chunks',
  async (texts) => {
    const gathered = await gather(chunksOf(texts), 4);
    expect(gathered).not.toBeInstanceOf(Uint8Array);
    expect(await textOf(gathered as AsyncIterable<Uint8Array>)).toBe(texts.join(''));
  },
);

test('a reader that stops ends what the chunks come from', async () => {
  let ended = false;
  const gathered = await gather(
    chunksOf(['four', 'more', 'and more'], () => (ended = true)),
    4,
  );
  for await (const _ of gathered as AsyncIterable<Uint8Array>) break;
  expect(ended).toBe(true);
});

test('what goes wrong with them goes wrong for their reader', async () => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('fives');
    throw new Error('Broken.');
  }
  const gathered = await gather(broken(), 4);
  await expect(textOf(gathered as AsyncIterable<Uint8Array>)).rejects.toThrow('Broken.');
  await expect(gather(broken(), 5)).rejects.toThrow('Broken.');
});
