// Transcripts of a terminal in a page: every command is typed in as it stands, one after the other
// in one shell, and must print what the page shows.

import { spawn } from 'node:child_process';

/** A command and what the page shows of its output; `…` there stands for anything. */
export interface Step {
  readonly command: string;
  readonly shown: string;
}

/**
 * The steps of a page's `console` blocks: a line that begins with `$` is a command, and goes on in
 * lines that begin with `>`.
 */
export function stepsOf(page: string): Step[] {
  const blocks = [...page.matchAll(/^```console\n(.*?)^```/gms)].map(([, text]) => text!);
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((text) => {
        const lines = text.split('\n');
        const commandLines = lines.findIndex((line, place) => place > 0 && !line.startsWith('> '));
        return {
          command: lines.slice(0, commandLines).join('\n').replaceAll('\n> ', '\n'),
          shown: lines.slice(commandLines).join('\n').trim(),
        };
      }),
  );
}

/** What every command prints, in the order of the steps. */
export async function typeIn(
  steps: readonly Step[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<string[]> {
  const mark = '---- end of a step ----';
  const shell = spawn('bash', ['-s'], { ...options, stdio: ['pipe', 'pipe', 'inherit'] });
  shell.stdin.end(steps.map(({ command }) => `{ ${command}\n} 2>&1 < /dev/null\necho '${mark}'\n`).join(''));
  const printed = Buffer.concat((await shell.stdout.toArray()) as Buffer[]).toString();
  return printed.replaceAll('\r', '').split(`${mark}\n`).slice(0, -1);
}

/** The shown text as a pattern for what is printed. */
export function patternOf(shown: string): RegExp {
  const parts = shown.split('…').map((part) => part.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`));
  return new RegExp(`^\\s*${parts.join('[^]*?')}\\s*$`);
}
