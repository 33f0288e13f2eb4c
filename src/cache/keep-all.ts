// Many answers are kept some at a time.

import type { Answered, AnswerStore, ComputedAnswers } from './port.ts';

/** Answers that are kept at once: what a store does for one of them takes well under a second. */
const PAGE_KEYS = 10_000;
/** Answers that are kept together, in characters; a longer one goes alone. */
const PAGE_CHARACTERS = 4 * 2 ** 20;
/**
 * Longest answer that a store is given, in characters: the server takes 4 MiB, and a character is
 * three bytes at the most.
 */
const ANSWER_CHARACTERS_MAX = 2 ** 20;

/** Keeps answers, but for those that are too long to be kept. */
export async function keepAll(store: Pick<AnswerStore, 'keep'>, { entries, ...kept }: ComputedAnswers): Promise<void> {
  let page: Answered[] = [];
  let characters = 0;
  for (const entry of entries) {
    if (entry.answer.length > ANSWER_CHARACTERS_MAX) continue;
    if (page.length === PAGE_KEYS || characters + entry.answer.length > PAGE_CHARACTERS) {
      await store.keep({ ...kept, entries: page });
      [page, characters] = [[], 0];
    }
    page.push(entry);
    characters += entry.answer.length;
  }
  if (page.length > 0) await store.keep({ ...kept, entries: page });
}
