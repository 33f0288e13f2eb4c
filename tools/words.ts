// Holds the English of the repository to a list of words: `node tools/words.ts [folder] [--lower]`.
//
// What the list names must be written otherwise, and a comment fits 100 columns. Texts that are
// older than the list have an allowance for each folder in words.json, which may only shrink: more
// is a mistake, and less is too, until the allowance is lowered with --lower.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { filesOfTree } from './files-of-tree.ts';

/** Words that a reader has to translate, and what to write instead. */
const WORDS: readonly (readonly [found: RegExp, write: string])[] = [
  [/\bwho(?:m)?(?:so)?ever\b/gi, 'who it is: a caller, a client, an operator, a model; or "anyone who"'],
  [/\bwhatever\b/gi, 'what it is, or "regardless of"'],
  [/\bwhichever\b/gi, '"any", or which one it is'],
  [/\bwhat (?:has )?(?:came|comes|become|became|becomes) of\b/gi, 'the result, the outcome, the state'],
  [/\blet(?:s|ting)? go of\b/gi, '"release", "delete", "close"'],
  [/\bthat which\b/gi, '"what", or the thing itself'],
  [/\b(?:he|she|him|his|hers?)\b(?!['’])/g, '"it" or "they"'],
  [/\bnobody (?:has|is|does) to\b/gi, 'who need not: the subject first'],
];

/** Widest line of a comment, in columns. */
const COLUMNS_MAX = 100;

/** Texts that are read here. What somebody else wrote, or a program, is not. */
const TEXTS = /^(?:README|ARCHITECTURE|CONTRIBUTING)\.md$|^docs\/.*\.md$|^examples\/[^/]+\/README\.md$/;
const SOURCES = /^(?:src|test|bench|tools|examples|bin)\/.*\.[jt]s$/;
/** The list itself, and its test. */
const EXCUSED = /^(?:tools\/words\.ts|test\/tools\/words\.test\.ts)$/;

/** How many words and wide lines of a folder are excused. */
interface Allowance {
  readonly words: number;
  readonly wide: number;
}

interface Mistake {
  readonly place: string;
  readonly folder: string;
  readonly kind: keyof Allowance;
  readonly says: string;
}

const { values, positionals } = parseArgs({
  options: { lower: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const root = positionals[0] ?? process.cwd();
const file = join(root, 'tools/words.json');

const folderOf = (path: string): string => {
  const parts = path.split('/');
  return parts.length === 1 ? path : parts.slice(0, Math.min(2, parts.length - 1)).join('/');
};
const isComment = (line: string): boolean => /^\s*(?:\/\/|\/\*|\*)/.test(line);

function mistakesIn(path: string): Mistake[] {
  const folder = folderOf(path);
  return readFileSync(join(root, path), 'utf8')
    .split('\n')
    .flatMap((line, at): Mistake[] => {
      const place = `${path}:${at + 1}`;
      const found = WORDS.flatMap(([word, write]) =>
        [...line.matchAll(word)].map(([text]) => `"${text}": write ${write}`),
      );
      const isWide = SOURCES.test(path) && isComment(line) && line.length > COLUMNS_MAX;
      return [
        ...found.map((says) => ({ place, folder, kind: 'words' as const, says })),
        ...(isWide ? [{ place, folder, kind: 'wide' as const, says: `${line.length} columns of a comment` }] : []),
      ];
    });
}

const paths = filesOfTree(root).filter((path) => (TEXTS.test(path) || SOURCES.test(path)) && !EXCUSED.test(path));
const mistakes = paths.flatMap(mistakesIn);
const allowed = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, Allowance>) : {};
const folders = [...new Set([...mistakes.map(({ folder }) => folder), ...Object.keys(allowed)])].toSorted();
const counts = Object.fromEntries(
  folders.map((folder) => {
    const count = (kind: keyof Allowance): number =>
      mistakes.filter((one) => one.folder === folder && one.kind === kind).length;
    return [folder, { words: count('words'), wide: count('wide') }];
  }),
);

const complaints = folders.flatMap((folder) =>
  (['words', 'wide'] as const).flatMap((kind) => {
    const [now, most] = [counts[folder]![kind], allowed[folder]?.[kind] ?? 0];
    if (now === most) return [];
    if (now < most)
      return values.lower ? [] : [`${folder} has ${now} (${kind}) and is allowed ${most}: node tools/words.ts --lower`];
    const theirs = mistakes.filter((one) => one.folder === folder && one.kind === kind);
    return [
      `${folder} has ${now} (${kind}) and is allowed ${most}:`,
      ...theirs.map(({ place, says }) => `  ${place}  ${says}`),
    ];
  }),
);
if (values.lower) {
  const lowered = folders.map((folder) => {
    const least = (kind: keyof Allowance): number => Math.min(counts[folder]![kind], allowed[folder]?.[kind] ?? 0);
    return [folder, { words: least('words'), wide: least('wide') }] as const;
  });
  const left = lowered.filter(([, { words, wide }]) => words + wide > 0);
  writeFileSync(file, `${JSON.stringify(Object.fromEntries(left), null, 2)}\n`);
}
const total = (kind: keyof Allowance): number => mistakes.filter((one) => one.kind === kind).length;
for (const complaint of complaints) process.stdout.write(`${complaint}\n`);
process.stdout.write(`${paths.length} files: ${total('words')} words of the list, ${total('wide')} wide comments\n`);
process.exitCode = complaints.length === 0 ? 0 : 1;
