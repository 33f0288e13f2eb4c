// A pipeline of several steps that takes minutes: it says how far it has come, writes what it
// finds, stops where it is told to, and leaves no temporary files behind.

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineModel } from 'claimcheck/model';

/** What the pipeline is asked for. */
interface Order {
  /** The text to be examined. */
  readonly text: string;
  /** How long each step pretends to work, in seconds. */
  readonly secondsPerStep?: number;
}

type Step = readonly [name: string, work: (text: string, folder: string) => Promise<unknown>];

const wordsOf = (text: string): string[] => text.toLowerCase().match(/\p{L}+/gu) ?? [];

/** Each step leaves its result in the working folder, where the next one finds it. */
const STEPS: readonly Step[] = [
  ['split', async (text, folder) => keep(folder, 'words', wordsOf(text))],
  ['count', async (_, folder) => keep(folder, 'counts', countsOf(await find<string[]>(folder, 'words')))],
  ['rank', async (_, folder) => keep(folder, 'ranks', ranksOf(await find<Record<string, number>>(folder, 'counts')))],
  ['report', async (_, folder) => ({ most: (await find<string[]>(folder, 'ranks')).slice(0, 3) })],
];

/** The model that the server runs: one call is one run of all steps. */
export const model = defineModel({
  async init() {
    return { folder: await mkdtemp(join(process.env['WORK'] ?? tmpdir(), 'pipeline-')) };
  },
  cleanup: ({ folder }) => rm(folder, { recursive: true }),
  async invoke(input, { state, run, signal, progress, log }) {
    const { text, secondsPerStep = 30 } = orderOf(input);
    const folder = await mkdtemp(join(state.folder, 'run-'));
    const results: Record<string, unknown> = {};
    try {
      for (const [place, [name, work]] of STEPS.entries()) {
        progress(place, STEPS.length, name);
        log(`step ${name} begins`, { for: run.metadata['for'] ?? null });
        await sleep(secondsPerStep * 1_000, null, { signal });
        results[name] = await work(text, folder);
        log(`step ${name} is done`, { files: await readdir(folder) });
      }
      progress(STEPS.length, STEPS.length, 'done');
      return results['report'];
    } catch (error) {
      if (signal.aborted) log('stopped in the middle');
      throw error;
    } finally {
      await rm(folder, { recursive: true });
    }
  },
});

function orderOf(input: unknown): Order {
  const order = input as Partial<Order> | null;
  if (typeof order?.text !== 'string') throw new Error('The input needs a text: {"text": "…"}.');
  return { ...order, text: order.text };
}

async function keep(folder: string, name: string, value: unknown): Promise<void> {
  await writeFile(join(folder, `${name}.json`), JSON.stringify(value));
}

async function find<Value>(folder: string, name: string): Promise<Value> {
  return JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8')) as Value;
}

function countsOf(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

function ranksOf(counts: Readonly<Record<string, number>>): string[] {
  return Object.keys(counts).toSorted((a, b) => counts[b]! - counts[a]! || a.localeCompare(b));
}
