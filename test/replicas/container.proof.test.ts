// A container as a command: the line of docs/models.md as it stands, around an image that is made,
// without a network, of this machine's Node.

import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { newFolder, removeFolder } from '../support/folder.ts';
import { orWhy, whyNot } from '../support/optional.ts';
import { processesWith } from '../support/processes.ts';
import { FIXTURES, serviceForTest, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

const page = readFileSync(new URL('../../docs/models.md', import.meta.url), 'utf8');
/** The line of the page, with the image `scores:1` and the label `claimcheck=scores`. */
const line = /'(exec docker run .*)'/.exec(page)?.[1];

/**
 * A unique name: of the image, of its containers' label, and in the environment of the commands
 * that run them.
 */
const marker = `claimcheck-test-${randomUUID()}`;

/**
 * How an engine is called: its program, and what stands before and after the word `run` on a
 * machine that lets it do less.
 */
interface Engine {
  readonly program: string;
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/**
 * Inside a container a process may not raise its limits, as an engine does unless it is told lower
 * ones.
 */
const LOW_LIMITS = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024'];
/**
 * Docker, or Podman as root (without that it needs set-user-id programs, which replicas are kept
 * from), with its own runtime or runc.
 */
const CANDIDATES: readonly Engine[] = [
  { program: 'docker', before: [], after: [] },
  ...(process.getuid?.() === 0
    ? [
        { program: 'podman', before: [], after: [] },
        { program: 'podman', before: [], after: LOW_LIMITS },
        { program: 'podman', before: ['--runtime', 'runc'], after: LOW_LIMITS },
      ]
    : []),
];

/** The image's own run of the page's line, to its end, which comes with its standard input's. */
const trialOf = ({ before, after }: Engine, port: number): string[] => {
  const words = line!
    .replace(/^exec docker run /, '')
    .replace('$PORT', String(port))
    .replace('scores:1', marker)
    .split(' ');
  return [...before, 'run', ...after, ...words];
};

/** The first engine that runs the image as the page's line says, or why none does. */
async function findEngine(): Promise<Engine | string> {
  if (process.platform !== 'linux') return 'the image is made of the files of a Linux';
  const reasons: string[] = [];
  for (const engine of CANDIDATES) {
    const reason = whyNot(engine.program, ['info']) ?? (await tryRunning(engine));
    if (reason === null) return engine;
    reasons.push(reason);
  }
  return [...new Set(reasons)].join('; ');
}

async function tryRunning(engine: Engine): Promise<string | null> {
  const folder = await newFolder();
  const entry = `ENTRYPOINT ${JSON.stringify([process.execPath, '/boxed.mjs'])}`;
  const reason =
    whyNot(engine.program, ['import', '--change', entry, archive(folder), marker]) ??
    whyNot(engine.program, trialOf(engine, await freePort()));
  await removeFolder(folder);
  if (reason !== null) whyNot(engine.program, ['rmi', '--force', marker]);
  return reason;
}

/** The files of an image in which Node runs `boxed.js`: itself, its libraries, and the program. */
function archive(folder: string): string {
  const file = join(folder, 'image.tar');
  const libraries = execFileSync('ldd', [process.execPath], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g);
  const paths = [process.execPath, ...[...libraries].map(([, path]) => path!)].map((path) => path.slice(1));
  copyFileSync(join(FIXTURES, 'boxed.js'), join(folder, 'boxed.mjs'));
  execFileSync('tar', ['-chf', file, '-C', '/', ...paths, '-C', folder, 'boxed.mjs']);
  return file;
}

const found = await findEngine();
const engine = typeof found === 'string' ? null : found;
const reason = typeof found === 'string' ? found : null;

const ask = (...argv: string[]): string => execFileSync(engine!.program, argv, { encoding: 'utf8' }).trim();

/** Containers of this test that there are, whether they run or not. */
const containers = (): string[] =>
  ask('ps', '--all', '--quiet', '--filter', `label=claimcheck=${marker}`).split('\n').filter(Boolean);

/** A server with an endpoint that is a container, once that has answered. */
async function served(): Promise<{ server: TestService; container: string }> {
  const { program, before, after } = engine!;
  const command = line!
    .replace('docker run', [program, ...before, 'run', ...after].join(' '))
    .replace('scores:1', marker)
    .replace('=scores', `=${marker}`);
  const server = await serviceForTest({
    endpoints: {
      boxed: {
        model: ['sh', '-c', command],
        isolation: { user: 'server' },
        // Where the engine is, on machines that say it.
        env: { MARKER: marker, ...named('DOCKER_HOST'), ...named('CONTAINER_HOST') },
      },
    },
  });
  const { json } = await server.post('/endpoints/boxed/invoke', { input: { x: 21 } });
  expect(json).toMatchObject({ status: 'succeeded', outputs: { double: 42 } });
  const [container] = containers();
  return { server, container: container! };
}

function named(variable: string): Record<string, string> {
  const value = process.env[variable];
  return value === undefined ? {} : { [variable]: value };
}

test('the page on models has a line that runs a container', () => {
  expect(line).toContain(' -p 127.0.0.1:$PORT:8080 ');
  expect(line).toMatch(/ --label claimcheck=scores .* scores:1$/);
});

describe.skipIf(engine === null)(`a container${orWhy(reason)}`, () => {
  afterAll(() => {
    const left = containers();
    if (left.length > 0) ask('rm', '--force', ...left);
    ask('rmi', '--force', marker);
  });

  test('is a model, what it prints is kept with the replica, and nothing of it is left when it is stopped', async () => {
    const { server } = await served();
    await server.ended(await server.submit('boxed', { x: 4 }));
    const file = join(server.data, 'logs', 'replicas', 'boxed.jsonl');
    await until('its line has come', () => existsSync(file) && readFileSync(file, 'utf8').includes('doubling 4'));
    await server.stop();
    expect(containers()).toEqual([]);
  });

  test('that reads its standard input ends also when the command that runs it is killed', async () => {
    const { container } = await served();
    for (const pid of processesWith(marker)) process.kill(pid, 'SIGKILL');
    await until('the container is gone', () => !containers().includes(container));
  });
});
