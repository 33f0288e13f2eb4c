// Breakages of the room cache: an answer is kept for the rows that it is of.

import type { Mutation } from './mutation.ts';

/** What is broken in it. */
export const CACHE_MUTATIONS: readonly Mutation[] = [
  {
    breaks: 'A text that is written with escapes has another key',
    file: 'keys.ts',
    find: "text.startsWith('\"') && text.includes('\\\\') ? JSON.stringify(JSON.parse(text)) : text",
    replace: 'text',
    tests: ['answers', 'keys'],
  },
  {
    breaks: 'All rows without a key column have one key',
    file: 'keys.ts',
    find: '  if (text === undefined)\n',
    replace: '  if (text === null)\n',
    tests: ['answers', 'keys'],
  },
  {
    breaks: 'Answers are kept though rows are missing among them',
    file: 'answers.ts',
    find: 'if (rows.length !== sent.length)',
    replace: 'if (rows.length > sent.length)',
    tests: ['answers', 'keys'],
  },
  {
    breaks: 'An answer to another key is kept',
    file: 'answers.ts',
    find: 'if (text !== undefined && isSame(key, text)) return;',
    replace: 'if (text !== undefined) return;',
    tests: ['answers', 'keys'],
  },
  {
    breaks: 'Rows that failed are kept as answers',
    file: 'answers.ts',
    find: 'return reason === null ? { answer: answerOf(sent[at]!, row, keyColumns) } : { reason };',
    replace: 'return reason !== 0 ? { answer: answerOf(sent[at]!, row, keyColumns) } : { reason };',
    tests: ['answers', 'keys'],
  },
];
