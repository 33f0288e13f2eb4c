// `npm run mutations [-- --short] [-- --room name] [-- --only text] [-- --check]`: breaks one place
// of a room after the other, and shows which test of which file notices, and by what; `text` is in
// its sentence or in the path of its file. A breakage that none notices is a hole in the tests, or
// a guard that guards nothing.
//
// The tree is copied, each breakage is made in the copy, and the room's tests run there until the
// first one fails: two files at a time, so that the one that notices first spares the rest of the
// other. --short tries the classic ones (the attempt guard, the state guard, the counter's
// condition, the lease), and of all others as many as a day has turns: which, goes by the date, so
// that CI has tried every one in a week or two. --check breaks nothing: it holds the list against
// the code, so that a change of the code that makes a breakage impossible is seen at once.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp, readFile, symlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { newFolder, removeFolder } from '../support/folder.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { type Mutation, type Room, testsOf } from './mutation.ts';
import { ROOMS } from './rooms.ts';

const ROOT = join(import.meta.dirname, '../..');
/** What the tests need of the tree. */
const COPIED = 'src test tools bin docs examples README.md package.json tsconfig.json vitest.config.ts'.split(' ');
/** How long tests are waited for, in milliseconds. */
interface Patience {
  /** With a condition, and with a test; null for as long as ever. */
  readonly conditionMs: number | null;
  readonly testMs: number | null;
  /** With all tests of a run: a guard against one that does not come to an end. */
  readonly runMs: number;
}

/** Of a room in which nothing is broken. */
const WHOLE: Patience = { conditionMs: null, testMs: null, runMs: 3_600_000 };
/** Of a room in which something is, which may be waited for in vain: that notices it as well. */
const BROKEN: Patience = { conditionMs: 60_000, testMs: 120_000, runMs: 240_000 };

/** How many characters of a failure are shown: enough to tell what was expected from a time-out. */
const MESSAGE_LENGTH = 160;

/** How many of those that are not classic a day tries with --short. */
const A_DAY = 30;
const DAY_MS = 86_400_000;

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    room: { type: 'string' },
    only: { type: 'string', multiple: true, default: [''] },
    check: { type: 'boolean', default: false },
  },
});

/** A breakage to be tried in a room. */
interface Trial {
  readonly room: Room;
  readonly mutation: Mutation;
}

const pathOf = ({ room, mutation }: Trial): string => `${room.sources}/${mutation.file}`;

const chosen = ROOMS.filter(({ name }) => values.room === undefined || values.room === name)
  .flatMap((room) => room.mutations.map((mutation): Trial => ({ room, mutation })))
  .filter((trial) => values.only.some((text) => `${pathOf(trial)}: ${trial.mutation.breaks}`.includes(text)));
const trials = values.short
  ? [...chosen.filter(isClassic), ...todays(chosen.filter((trial) => !isClassic(trial)))]
  : chosen;

function isClassic({ mutation }: Trial): boolean {
  return mutation.isClassic === true;
}

/** The turn of this day, of every room some. */
function todays(rest: readonly Trial[]): Trial[] {
  const turns = Math.max(1, Math.ceil(rest.length / A_DAY));
  const today = Math.floor(Date.now() / DAY_MS) % turns;
  return rest.filter((_, place) => place % turns === today);
}

/**
 * Breakages that are not possible any more: their text is not in its file once and once only, or a
 * test file of theirs is gone.
 */
async function rotten(): Promise<string[]> {
  const found = await Promise.all(
    trials.map(async (trial) => {
      const { breaks, find } = trial.mutation;
      const file = join(ROOT, pathOf(trial));
      const count = existsSync(file) ? (await readFile(file, 'utf8')).split(find).length - 1 : 0;
      const gone = testsOf(trial.room, trial.mutation).filter((test) => !existsSync(join(ROOT, test)));
      return [
        ...(count === 1 ? [] : [`${pathOf(trial)} has it ${count} times: ${breaks}\n${find}`]),
        ...gone.map((test) => `${test} is not there, and should notice: ${breaks}`),
      ];
    }),
  );
  return found.flat();
}

async function copyOfTree(): Promise<string> {
  const folder = await newFolder();
  // Replicas with users of their own read the tree, where the tests are run by root.
  await chmod(folder, 0o755);
  for (const name of COPIED) await cp(join(ROOT, name), join(folder, name), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

/**
 * The first test that fails in a copy, with its file and by what it fails, or null where all of
 * them pass.
 */
async function firstFailure(
  copy: string,
  tests: readonly string[],
  environment: NodeJS.ProcessEnv,
  { conditionMs, testMs, runMs }: Patience,
): Promise<string | null> {
  const report = join(copy, 'report.json');
  const patience = conditionMs === null ? {} : { CLAIMCHECK_TEST_PATIENCE_MS: String(conditionMs) };
  const child = spawn(
    process.execPath,
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      ...tests,
      '--bail=1',
      '--maxWorkers=2',
      ...(testMs === null ? [] : [`--testTimeout=${testMs}`, `--hookTimeout=${testMs}`]),
      '--reporter=json',
      `--outputFile=${report}`,
    ],
    { cwd: copy, stdio: 'ignore', env: { ...environment, ...patience } },
  );
  const { promise: ended, resolve, reject } = Promise.withResolvers<number | null>();
  child.on('exit', resolve);
  child.on('error', reject);
  const timer = setTimeout(() => child.kill('SIGKILL'), runMs);
  const code = await ended;
  clearTimeout(timer);
  if (code === null) return '(the tests did not come to an end)';
  // The report and not the exit code, which is 0 where the first failure kept a whole file from
  // being run.
  const { success, testResults } = JSON.parse(await readFile(report, 'utf8')) as Report;
  if (success) return null;
  const failed = testResults
    .flatMap(({ name, assertionResults }) =>
      assertionResults.map((result) => ({ file: relative(copy, name), ...result })),
    )
    .find(({ status }) => status === 'failed');
  if (failed === undefined) return '(a test file could not be run)';
  const [message = ''] = failed.failureMessages;
  return `${failed.file}: ${failed.fullName}\n    ${message.split('\n', 1)[0]?.slice(0, MESSAGE_LENGTH)}`;
}

/** What of Vitest's report is read here. */
interface Report {
  readonly success: boolean;
  readonly testResults: readonly {
    /** The file, as an absolute path. */
    readonly name: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

async function killerOf(copy: string, trial: Trial, environment: NodeJS.ProcessEnv): Promise<string | null> {
  const file = join(copy, pathOf(trial));
  const whole = await readFile(file, 'utf8');
  await writeFile(
    file,
    whole.replace(trial.mutation.find, () => trial.mutation.replace),
  );
  try {
    return await firstFailure(copy, testsOf(trial.room, trial.mutation), environment, BROKEN);
  } finally {
    await writeFile(file, whole);
  }
}

/** Tries one breakage after the other; answers those that survived. */
async function tryAll(copy: string, environment: NodeJS.ProcessEnv): Promise<Trial[]> {
  const survivors: Trial[] = [];
  for (const trial of trials) {
    const killer = await killerOf(copy, trial, environment);
    if (killer === null) survivors.push(trial);
    process.stdout.write(`${trial.room.name}  ${trial.mutation.breaks}\n  ${killer ?? 'SURVIVED'}\n`);
  }
  return survivors;
}

async function main(): Promise<boolean> {
  const lost = await rotten();
  if (lost.length > 0) {
    process.stdout.write(`The list no longer fits the code:\n${lost.join('\n')}\n`);
    return false;
  }
  if (values.check) {
    process.stdout.write(`${trials.length} breakages, each of which can be made\n`);
    return true;
  }
  const copy = await copyOfTree();
  let postgres: PostgresServer | null = null;
  try {
    // Type stripping is most of what a fresh process does, and it is the same for each.
    const environment = { ...process.env, NODE_COMPILE_CACHE: join(copy, 'compile-cache') };
    if (trials.some(({ room }) => room.name === 'postgres')) {
      postgres = await startPostgres();
      const url = new URL(await postgres.newDatabase());
      url.pathname = '/postgres';
      // Without the first of these, the tests that need a Postgres are not among those that may be
      // run.
      Object.assign(environment, { CLAIMCHECK_TEST_LEDGER: 'postgres', CLAIMCHECK_TEST_POSTGRES_URL: url.href });
    }
    for (const room of new Set(trials.map((trial) => trial.room))) {
      const ofRoom = trials.filter((trial) => trial.room === room);
      const files = new Set(ofRoom.flatMap(({ mutation }) => testsOf(room, mutation)));
      const broken = await firstFailure(copy, [...files], environment, WHOLE);
      if (broken === null) continue;
      process.stdout.write(`The tests of ${room.name} fail before anything is broken: ${broken}\n`);
      return false;
    }
    const survivors = await tryAll(copy, environment);
    process.stdout.write(
      `${trials.length} breakages, ${trials.length - survivors.length} noticed, ${survivors.length} survived\n`,
    );
    for (const { room, mutation } of survivors) process.stdout.write(`  ${room.name}  ${mutation.breaks}\n`);
    return survivors.length === 0;
  } finally {
    await postgres?.stop();
    await removeFolder(copy);
  }
}

process.exitCode = (await main()) ? 0 : 1;
