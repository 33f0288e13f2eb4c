// Breakages of the room replicas: as many as needed, and nobody is believed too much.

import type { Mutation } from './mutation.ts';

/** What is broken in it. */
export const REPLICAS_MUTATIONS: readonly Mutation[] = [
  {
    breaks: 'One run waits for a second replica',
    file: 'scaling.ts',
    find: 'Math.min(1, work)',
    replace: 'Math.min(2, work)',
  },
  {
    breaks: 'A fleet is started on a guess',
    file: 'scaling.ts',
    find: 'if (serviceTime === null || startTime === null) return least;',
    replace: '',
  },
  {
    breaks: 'Slow runs share a replica',
    file: 'scaling.ts',
    find: 'if (serviceTime >= startTime) return Math.ceil(work / concurrency);',
    replace: '',
  },
  {
    breaks: 'Quick runs have a replica each',
    file: 'scaling.ts',
    find: 'return Math.max(least, Math.ceil((work * serviceTime) / (concurrency * startTime)));',
    replace: 'return Math.ceil(work / concurrency);',
  },
  {
    breaks: 'The first value never counts less',
    file: 'scaling.ts',
    find: 'this.#mean + NEWEST_SHARE * (duration - this.#mean)',
    replace: 'this.#mean',
  },
  {
    breaks: 'What is busy is one too few',
    file: 'scaling.ts',
    find: 'Math.ceil(busy / concurrency)',
    replace: 'Math.floor(busy / concurrency)',
  },
  {
    breaks: 'A line that has no end is lost',
    file: 'line-splitter.ts',
    find: "    if (rest !== '') this.#end(rest);\n",
    replace: '',
  },
  {
    breaks: 'A character in two packets is broken',
    file: 'line-splitter.ts',
    find: 'this.#rest + this.#decoder.write(bytes)',
    replace: "this.#rest + bytes.toString('utf8')",
  },
  {
    breaks: 'A line without an end fills the memory',
    file: 'line-splitter.ts',
    find: 'while (this.#rest.length > LINE_MAX) {',
    replace: 'while (this.#rest.length > 1_000 * LINE_MAX) {',
  },
  {
    breaks: 'A long line is cut within a character',
    file: 'line-splitter.ts',
    find: 'const end = isHighSurrogate(this.#rest, LINE_MAX - 1) ? LINE_MAX - 1 : LINE_MAX;',
    replace: 'const end = LINE_MAX;',
  },
  {
    breaks: 'All states of a progress bar are its line',
    file: 'line-splitter.ts',
    find: 'this.#rest = this.#rest.slice(stateStart(this.#rest));',
    replace: '',
  },
  {
    breaks: 'A progress bar is never shown before its end',
    file: 'line-splitter.ts',
    find: "    if (this.#rest !== '') this.#showState();\n",
    replace: '',
  },
  {
    breaks: 'A progress bar is shown at every change',
    file: 'line-splitter.ts',
    find: '    if (elapsed(this.#openSince, now) < STATE_EVERY) return;\n',
    replace: '',
  },
  {
    breaks: 'An attempt that is over takes reports',
    file: 'callbacks.ts',
    find: 'close: () => void this.#reporters.delete(token)',
    replace: 'close: () => {}',
  },
  {
    breaks: 'A report may be of any length',
    file: 'callbacks.ts',
    find: 'if (length > REPORT_BYTES_MAX)',
    replace: 'if (length > 100 * REPORT_BYTES_MAX)',
  },
  {
    breaks: 'A report may be fetched',
    file: 'callbacks.ts',
    find: "if (method !== 'POST')",
    replace: "if (method === 'PUT')",
  },
  {
    breaks: 'An answer may be of any length',
    file: 'answer-body.ts',
    find: '    // Leaving the loop closes the connection.\n    if (length > bytesMax) throw new TooLong();\n',
    replace: '',
  },
  {
    breaks: 'An answer that says how long it is may be of any length',
    file: 'answer-body.ts',
    find: 'if ((announced(headers) ?? 0) > bytesMax) throw refused(body);',
    replace: '',
  },
  {
    breaks: 'An answer that is stored may be of any length',
    file: 'answer-body.ts',
    find: '    if (length > bytesMax) throw new TooLong();\n    yield chunk;',
    replace: '    yield chunk;',
  },
  {
    breaks: 'An output that says that it is too long is begun',
    file: 'answer-body.ts',
    find: '  if (length !== null && length > bytesMax) throw refused(body);\n',
    replace: '',
  },
  {
    breaks: 'A replica that broke off is a fault of the disk',
    file: 'answer-body.ts',
    find: "throw broken ?? new OwnFault('output', cause);",
    replace: "throw new OwnFault('output', cause);",
  },
];
