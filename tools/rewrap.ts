// Rewraps comments that are wider than 100 columns: `npm run rewrap [files]`, of the whole tree
// unless told.
//
// A paragraph with a wide line is filled anew; all others stay as they are, and so do lists'
// places, indented text, tables, and comments that tell a program something. Code is not touched:
// what is left without comments and white space is compared before anything is written.

import { readFileSync, writeFileSync } from 'node:fs';
import { type Comment, parseSync } from 'oxc-parser';
import { filesOfTree } from './files-of-tree.ts';

const COLUMNS_MAX = 100;

/** Comments that a program reads. */
const DIRECTIVE = /^\s*(?:oxlint|eslint|oxfmt|prettier|@ts-|c8|v8|#region|#endregion)/;
/** The beginning of a list's item, or of a tag. */
const ITEM = /^(?:[-*•] |\d+[.)] |@\w+)/;
/** Text that has a shape of its own. */
const SHAPED = /^\s|^\||^```|\s{3,}\S/;

/** Lines of a comment without their marks, filled anew where one of them is wider than `width`. */
function filled(lines: readonly string[], width: number): string[] {
  return paragraphsOf(lines).flatMap(({ text, isShaped }) =>
    isShaped || text.every((line) => line.length <= width) ? text : fill(text, width),
  );
}

/** Lines that belong together. */
interface Paragraph {
  readonly text: string[];
  /** Whether each line stays as it is. */
  readonly isShaped: boolean;
}

function paragraphsOf(lines: readonly string[]): Paragraph[] {
  const widest = Math.max(...lines.map(({ length }) => length));
  const paragraphs: Paragraph[] = [];
  let isFenced = false;
  let isExample = false;
  for (const [at, line] of lines.entries()) {
    const last = paragraphs.at(-1);
    if (line.startsWith('```')) isFenced = !isFenced;
    if (line === '' || line.startsWith('@')) isExample = line.startsWith('@example');
    const ofTag = /^ {2}\S/.test(line) && last?.text[0]?.startsWith('@') === true;
    const isShaped = isFenced || isExample || line.startsWith('```') || (SHAPED.test(line) && !ofTag);
    const begins =
      last === undefined || last.isShaped || isShaped || line === '' || last.text[0] === '' || ITEM.test(line);
    if (begins || endsEarly(lines[at - 1]!, line, widest)) paragraphs.push({ text: [line], isShaped });
    else last.text.push(line);
  }
  return paragraphs;
}

/**
 * Whether a line ends where more would have fitted, and a sentence begins with the next: its writer
 * has broken it.
 */
const endsEarly = (line: string, next: string, widest: number): boolean =>
  /^[A-Z`'"\d]/.test(next) && line.length + 1 + next.split(' ', 1)[0]!.length < widest * 0.7;

function fill(paragraph: readonly string[], width: number): string[] {
  const [first = ''] = paragraph;
  const indent = ITEM.test(first) ? '  ' : '';
  const lines: string[] = [];
  let line = '';
  for (const word of paragraph.join(' ').trim().split(/\s+/)) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length > width && line !== '') {
      lines.push(line);
      line = `${indent}${word}`;
    } else line = longer;
  }
  return [...lines, line];
}

/** A part of a source, and what stands there in its place. */
interface Change {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const indentAt = (source: string, at: number): string | null => {
  const before = source.slice(source.lastIndexOf('\n', at - 1) + 1, at);
  return before.trim() === '' ? before : null;
};

/** Comments of one line each, that stand alone on lines which follow each other. */
function runsOf(source: string, comments: readonly Comment[]): Comment[][] {
  const runs: Comment[][] = [];
  for (const comment of comments) {
    if (comment.type !== 'Line' || indentAt(source, comment.start) === null || DIRECTIVE.test(comment.value)) continue;
    const last = runs.at(-1)?.at(-1);
    const isNext = last !== undefined && /^\n[ \t]*$/.test(source.slice(last.end, comment.start));
    if (isNext && indentAt(source, last.start) === indentAt(source, comment.start)) runs.at(-1)!.push(comment);
    else runs.push([comment]);
  }
  return runs;
}

function lineChange(source: string, run: readonly Comment[]): Change | null {
  const indent = indentAt(source, run[0]!.start)!;
  const lines = run.map(({ value }) => value.replace(/^ /, '').trimEnd());
  // A first line that begins with more than a space is no prose.
  const text = filled(lines, COLUMNS_MAX - indent.length - 3)
    .map((line) => (line === '' ? '//' : `// ${line}`))
    .join(`\n${indent}`);
  return { start: run[0]!.start, end: run.at(-1)!.end, text };
}

function blockChange(source: string, { start, end, value }: Comment): Change | null {
  const indent = indentAt(source, start);
  if (indent === null || !value.startsWith('*') || DIRECTIVE.test(value.slice(1))) return null;
  // Code behind the comment, on its line, would have to move.
  if (!/^[ \t]*(?:\n|$)/.test(source.slice(end))) return null;
  const lines = value
    .slice(1)
    .split('\n')
    .map((line, at) => (at === 0 ? line.trim() : line.replace(/^\s*\* ?/, '').trimEnd()));
  if (lines[0] === '' && lines.length > 1) lines.shift();
  if (lines.at(-1) === '' && lines.length > 1) lines.pop();
  const wholeLine = `${indent}/** ${lines[0]} */`;
  if (lines.length === 1 && wholeLine.length <= COLUMNS_MAX) return null;
  const body = filled(lines, COLUMNS_MAX - indent.length - 3).map(
    (line) => `${indent} *${line === '' ? '' : ` ${line}`}`,
  );
  return { start, end, text: `/**\n${body.join('\n')}\n${indent} */` };
}

const isWide = (source: string, { start, end }: Pick<Change, 'start' | 'end'>): boolean => {
  const from = source.lastIndexOf('\n', start - 1) + 1;
  return source
    .slice(from, end)
    .split('\n')
    .some((line) => line.length > COLUMNS_MAX);
};

/** The comments of a source. A first line that names an interpreter is none. */
const commentsIn = (path: string, source: string): readonly Comment[] =>
  parseSync(path, source).comments.filter(({ start }) => !source.startsWith('#!', start));

/** A source without its comments and white space. */
function codeOf(path: string, source: string): string {
  let code = '';
  let at = 0;
  for (const { start, end } of commentsIn(path, source)) {
    code += source.slice(at, start);
    at = end;
  }
  return (code + source.slice(at)).replaceAll(/\s+/g, '');
}

/** A source whose comments fit. */
function rewrapped(path: string, source: string): string {
  const comments = commentsIn(path, source);
  const blocks = comments.filter(({ type }) => type === 'Block').map((comment) => blockChange(source, comment));
  const lines = runsOf(source, comments).map((run) => lineChange(source, run));
  const changes = [...blocks, ...lines]
    .filter((change) => change !== null)
    .filter((change) => isWide(source, change))
    .toSorted((a, b) => b.start - a.start);
  let text = source;
  for (const change of changes) text = text.slice(0, change.start) + change.text + text.slice(change.end);
  if (codeOf(path, text) !== codeOf(path, source))
    throw new Error(`${path}: its code would have changed; nothing is written`);
  return text;
}

const named = process.argv.slice(2);
const paths = filesOfTree('.', '*.ts', '*.js', '*.mjs').filter((path) => named.length === 0 || named.includes(path));
let changed = 0;
for (const path of paths) {
  const source = readFileSync(path, 'utf8');
  const text = rewrapped(path, source);
  if (text === source) continue;
  writeFileSync(path, text);
  changed += 1;
}
process.stdout.write(`${changed} of ${paths.length} files rewrapped\n`);
