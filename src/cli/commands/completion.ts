// claimcheck completion, and what the scripts that it prints ask while somebody types

import type { RootCommand } from '@bomb.sh/tab';
import { Argument, Command } from 'commander';
import { type Claimcheck, connect } from '../../client/connect.ts';
import { write } from '../text/text.ts';

/** Shells that there is a script for. */
const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;
/**
 * How long a server may take to name its endpoints or runs: a person who has pressed Tab waits.
 */
const ANSWER_WITHIN_MS = 700;
/** Runs that are named after Tab, newest first. */
const RUNS_NAMED = 20;

/**
 * What bash gets around its script. bash-completion may not be installed, and the script uses one
 * function of it; read twice, as when .bashrc is read again, it would set constants
 * again; and without `-o default` no file would ever be completed.
 */
const BASH = {
  before: `if ! declare -F __claimcheck_complete > /dev/null; then
declare -F _get_comp_words_by_ref > /dev/null || _get_comp_words_by_ref() {
    cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} cword=$COMP_CWORD
    words=("\${COMP_WORDS[@]}")
}
`,
  after: `complete -o default -F __claimcheck_complete claimcheck
fi
`,
} as const;

/** The command that prints a shell's script. `commands` makes those that are completed. */
export function completionCommand(commands: () => Promise<Command>): Command {
  return new Command('completion')
    .summary('print a script that completes commands in a shell')
    .description(
      'Prints the script that makes a shell complete commands, options, files, and the names of endpoints and runs that the server at CLAIMCHECK_URL has.',
    )
    .addArgument(new Argument('<shell>', 'the shell').choices([...SHELLS]))
    .addHelpText(
      'after',
      '\nExample:\n  $ claimcheck completion bash >> ~/.bashrc\n  $ claimcheck completion zsh >> ~/.zshrc\n  $ claimcheck completion fish > ~/.config/fish/completions/claimcheck.fish\n  $ claimcheck completion powershell >> $PROFILE',
    )
    .action(async (shell: (typeof SHELLS)[number]) => printScript(await commands(), shell));
}

/** The command that the scripts call. */
export function completeCommand(commands: () => Promise<Command>): Command {
  return new Command('complete')
    .description('Names the words that may stand next; the scripts of `claimcheck completion` ask for them.')
    .argument('[words...]')
    .action(async (words: readonly string[]) => {
      const completer = await completerOf(await commands());
      completeFiles(completer);
      await completeNames(completer, words);
      completer.parse([...words]);
    });
}

async function printScript(commands: Command, shell: (typeof SHELLS)[number]): Promise<void> {
  const completer = await completerOf(commands);
  if (shell === 'bash') await write(process.stdout, BASH.before);
  completer.setup('claimcheck', 'claimcheck', shell);
  if (shell === 'bash') await write(process.stdout, BASH.after);
}

async function completerOf(commands: Command): Promise<RootCommand> {
  // Imported here, so that every other command starts without it.
  const { default: tab } = await import('@bomb.sh/tab/commander');
  describeBriefly(commands);
  return tab(commands, { completionCommandName: 'completion' });
}

/** One line of a shell has no room for a description. */
function describeBriefly(command: Command): void {
  if (command.summary() !== '') command.description(command.summary());
  command.commands.forEach(describeBriefly);
}

/**
 * The shell completes files itself, where it is let: the completer never lets it, so that its
 * answer is made again here.
 */
function completeFiles(completer: RootCommand): void {
  let isFile = false;
  const aFile = (): void => void (isFile = true);
  for (const command of completer.commands.values()) {
    if (command.arguments.has('file')) command.argument('file', aFile);
    for (const option of command.options.values())
      if (['output', 'config'].includes(option.value) || option.description.startsWith('folder'))
        option.handler = aFile;
  }
  Object.defineProperty(completer, 'directive', { get: () => (isFile ? FILES : NO_FILES), set: () => {} });
}

/**
 * What the shell does beside the words that it is given: directives of the completer's protocol.
 */
const [FILES, NO_FILES] = [0, 4];

/**
 * Asks the server for the names that it has, where one may stand next. It may be down: then none is
 * completed.
 */
async function completeNames(completer: RootCommand, words: readonly string[]): Promise<void> {
  const names = [words.slice(0, 2).join(' '), words[0] ?? ''];
  const command = names.map((name) => completer.commands.get(name)).find((found) => found !== undefined);
  const isEndpoint = (name: string): boolean => name === 'endpoint' || (name === 'name' && words[0] === 'endpoints');
  for (const name of command?.arguments.keys() ?? []) {
    if (!isEndpoint(name) && name !== 'id') continue;
    const found = await ask(isEndpoint(name) ? 'endpoints' : 'runs');
    command!.argument(name, (say) => found.forEach(([word, meaning]) => say(word, meaning)));
  }
  const option = command?.options.get('endpoint');
  if (option === undefined) return;
  const found = await ask('endpoints');
  option.handler = (say) => found.forEach(([word, meaning]) => say(word, meaning));
}

/** A word that may stand next, and what it means. */
type Word = readonly [word: string, meaning: string];

/** What the server has; nothing where it does not answer in time. */
async function ask(what: 'endpoints' | 'runs'): Promise<readonly Word[]> {
  try {
    return await wordsOf(connect({ retry: { tries: 1 } }), what);
  } catch {
    // A person who types is not to be told of it in the middle of a line.
    return [];
  }
}

async function wordsOf(client: Claimcheck, what: 'endpoints' | 'runs'): Promise<Word[]> {
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  if (what === 'endpoints') return (await client.endpoints({ signal })).map(({ name, mode }) => [name, mode]);
  const runs = await Array.fromAsync(client.runs({ limit: RUNS_NAMED }, { signal }));
  return runs.map(({ run_id: id, endpoint, status, run_name: name }) => [id, `${endpoint} ${status} ${name ?? ''}`]);
}
