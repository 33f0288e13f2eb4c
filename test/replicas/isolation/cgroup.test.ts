import { mkdirSync, writeFileSync, existsSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cgroupsNamed, createCgroup } from '../../../src/replicas/isolation/cgroup.ts';
import { findCgroupHome, SERVER_SUBGROUP } from '../../../src/replicas/isolation/cgroup-home.ts';
import { folderForTest } from '../../support/folder.ts';
import { isAlive } from '../../support/processes.ts';
import { until } from '../../support/until.ts';

const home = findCgroupHome();
const hasNone = Object.keys(home.folders).length === 0;
const WHY = hasNone ? ' (skipped: no cgroups can be made here)' : '';

/** Folders and files as the kernel shows them. */
async function hierarchy(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await folderForTest();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

describe('where groups can be made', () => {
  test("in version 1 it is below the server's own, for each controller that there is", async () => {
    const root = await hierarchy({
      'memory/app/web/cgroup.procs': '',
      'pids/cgroup.procs': '',
      self: '9:pids:/\n4:cpu,memory:/app/web\n0::/\n',
    });
    expect(findCgroupHome(root, join(root, 'self'))).toEqual({
      version: 1,
      folders: { memory: join(root, 'memory/app/web'), pids: join(root, 'pids') },
    });
  });

  test("in version 1 it is the root that a container sees, where the path is the host's", async () => {
    const root = await hierarchy({ 'memory/cgroup.procs': '', self: '4:memory:/docker/0123\n' });
    expect(findCgroupHome(root, join(root, 'self')).folders).toEqual({ memory: join(root, 'memory') });
  });

  test('in version 2 it is beside the group that is named for the server, and nowhere else', async () => {
    const root = await hierarchy({
      'cgroup.controllers': 'cpu memory pids',
      'app/cgroup.subtree_control': '',
      [`app/${SERVER_SUBGROUP}/cgroup.procs`]: '',
      self: `0::/app/${SERVER_SUBGROUP}\n`,
      elsewhere: '0::/app\n',
    });
    // The kernel answers with the names alone; what was written here stays as it is.
    writeFileSync(join(root, 'app/cgroup.subtree_control'), 'memory pids');
    expect(findCgroupHome(root, join(root, 'elsewhere'))).toEqual({ version: 2, folders: {} });
    expect(findCgroupHome(root, join(root, 'self')).version).toBe(2);
  });

  test('it is nowhere on a machine without cgroups', async () => {
    const root = await folderForTest();
    expect(findCgroupHome(join(root, 'none'), join(root, 'self'))).toEqual({ version: 1, folders: {} });
  });
});

describe.skipIf(hasNone)(`a group${WHY}`, () => {
  test('is ended with all that is in it, in any group, and is found by its name until then', async () => {
    const prefix = `claimcheck-test-${process.pid}-`;
    const cgroup = createCgroup(home, `${prefix}a`, { memory: null, pids: 64 });
    const script = `for door do echo $$ > "$door"; done; setsid sleep 600 & exec sleep 600`;
    const child = spawn('/bin/sh', ['-c', script, 'sh', ...cgroup.doors]);
    await once(child, 'spawn');
    await until('it is in the group', () => cgroup.size() >= 2);
    const [found] = cgroupsNamed(home, prefix);
    expect(await found!.end()).toBe(true);
    expect(isAlive(child.pid!)).toBe(false);
    expect(cgroup.doors).toEqual([]);
    expect(cgroupsNamed(home, prefix)).toEqual([]);
  });

  test('that is gone already has ended', async () => {
    const cgroup = createCgroup(home, `claimcheck-test-${process.pid}-b`, { memory: null, pids: 64 });
    expect(await cgroup.end()).toBe(true);
    expect(await cgroup.end()).toBe(true);
    expect(
      Object.values(home.folders).some((folder) => existsSync(join(folder, `claimcheck-test-${process.pid}-b`))),
    ).toBe(false);
  });
});
