// Why a file of somebody's code could not be imported, and where in it.

/**
 * What Node writes in front of the stack of a TypeScript file that it cannot read: `file:line`, the
 * code around it, and a row of carets unless the mistake goes over several lines. It draws a tab as
 * four blanks. Of JavaScript it says no place.
 */
const FRAME = /^(?<file>\/[^\n]+|[A-Za-z]:[^\n]+):(?<line>\d+)\n(?:(?:[^\n]*\n)*?(?<before> *)\^+\n)?/;

/**
 * A sentence about what an import has thrown: its message, and the place where Node says one.
 *
 * @param file path of the file that was imported; another one is named, since it may have been
 *   imported in turn
 */
export function importFailure(file: string, cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (isTakenForCommonJs(cause))
    return `${cause.message}: it has import or export, and the package.json above it does not say "type": "module". Add that, or name the file .mts or .mjs`;
  const { file: where, line, before } = FRAME.exec(cause.stack ?? '')?.groups ?? {};
  if (line === undefined) return cause.message;
  const place = [
    ...(where === file ? [] : [where]),
    `line ${line}`,
    ...(before === undefined ? [] : [`column ${before.length + 1}`]),
  ];
  return `${cause.message} (${place.join(', ')})`;
}

/**
 * Whether Node has read a module as what modules were before: only then are these words strange to
 * it.
 */
const isTakenForCommonJs = ({ name, message }: Error): boolean =>
  name === 'SyntaxError' && /^(?:Unexpected token 'export'|Cannot use import statement outside a module)/.test(message);
