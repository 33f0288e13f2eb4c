// As much of a terminal as progress lines use: what somebody sees after all that was written.

// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const ESCAPE = /^\u001b\[(\d*)([A-Za-z])$/;

/**
 * The lines on the screen, the empty ones at its end left out. Anything else that steers a terminal
 * is an error.
 */
export function screenOf(written: string): string[] {
  const lines: string[] = [''];
  let [row, column] = [0, 0];
  const put = (text: string): void => {
    const line = lines[row]!.padEnd(column);
    lines[row] = `${line.slice(0, column)}${text}${line.slice(column + text.length)}`;
    column += text.length;
  };
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  for (const [part] of written.matchAll(/\r|\n|\u001b\[\d*[A-Za-z]|[^\r\n\u001b]+|\u001b/g)) {
    const [, count = '', command = ''] = ESCAPE.exec(part) ?? [];
    if (part === '\r') column = 0;
    else if (part === '\n') {
      [row, column] = [row + 1, 0];
      lines[row] ??= '';
    } else if (command === 'A') row = Math.max(0, row - Number(count || 1));
    else if (command === 'K') lines[row] = lines[row]!.slice(0, column);
    else if (command === 'J') lines.splice(row, lines.length, lines[row]!.slice(0, column));
    else if (command === 'm') continue;
    else if (part.startsWith('\u001b')) throw new Error(`A terminal would do something with ${JSON.stringify(part)}.`);
    else put(part);
  }
  return lines
    .map((line) => line.trimEnd())
    .join('\n')
    .trimEnd()
    .split('\n');
}
