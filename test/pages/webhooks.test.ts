// The receivers of docs/webhooks.md, run as they stand against a webhook that was sent.

import { execFileSync, spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openSqliteVault } from '../../src/stores/vault/sqlite.ts';
import { systemClock } from '../../src/system/clock.ts';
import { vaultFile } from '../../src/config/config.ts';
import { answering, badHookForTest, type HookRequest } from '../support/bad-hook.ts';
import { folderForTest, newFolder, removeFolder } from '../support/folder.ts';
import { hasPython } from '../support/python.ts';
import { serviceForTest } from '../support/service.ts';
import { until } from '../support/until.ts';

const page = await readFile(new URL('../../docs/webhooks.md', import.meta.url), 'utf8');
const example = (language: string): string => new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(page)![1]!;

/**
 * A program that reads a webhook from its standard input by the page's example, and prints the id
 * of its run.
 */
const PROGRAMS = {
  js: {
    command: process.execPath,
    file: 'receiver.mjs',
    text: `import { readFileSync } from 'node:fs';
${example('js')}
const { headers, body, secret } = JSON.parse(readFileSync(0, 'utf8'));
console.log(verify(headers, Buffer.from(body), secret).data.run_id);`,
  },
  python: {
    command: 'python3',
    file: 'receiver.py',
    text: `import sys
${example('python')}
said = json.load(sys.stdin)
print(verify(said["headers"], said["body"].encode(), said["secret"])["data"]["run_id"])`,
  },
};

async function sentWebhook(): Promise<{ request: HookRequest; secret: string; runId: string }> {
  const hook = await badHookForTest(answering(200));
  const data = await folderForTest();
  const server = await serviceForTest({
    endpoints: { jobs: { model: './anything.ts', mode: 'async' } },
    data,
    database: null,
  });
  const runId = await server.submit('jobs', {}, { callback_url: hook.url, metadata: { name: 'Zoë ✓' } });
  await until('the webhook has come', () => hook.requests.length === 1);
  const vault = await openSqliteVault(vaultFile(data));
  onTestFinished(() => vault.close());
  const [newest] = await vault.signingSecrets('jobs', systemClock.now());
  return { request: hook.requests[0]!, secret: newest!.secret, runId };
}

describe('a receiver', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await newFolder();
    for (const { file, text } of Object.values(PROGRAMS)) await writeFile(join(folder, file), text);
    return () => removeFolder(folder);
  });

  test.each(['js', 'python'] as const)('in %s takes what was signed here, and nothing else', async (language) => {
    if (language === 'python' && !hasPython) return;
    const { command, file } = PROGRAMS[language];
    const { request, secret, runId } = await sentWebhook();
    const { headers, body } = request;
    const args = [join(folder, file)];
    expect(
      execFileSync(command, args, { input: JSON.stringify({ headers, body, secret }) })
        .toString()
        .trim(),
    ).toBe(runId);
    const old = { ...headers, 'webhook-timestamp': '1700000000' };
    const other = `whsec_${Buffer.alloc(32).toString('base64')}`;
    for (const [changed, why] of [
      [{ headers, body: body.replace('succeeded', 'cancelled'), secret }, 'signed by somebody else'],
      [{ headers, body, secret: other }, 'signed by somebody else'],
      [{ headers: old, body, secret }, 'too old'],
    ] as const) {
      const { status, stderr } = spawnSync(command, args, { input: JSON.stringify(changed) });
      expect(status).toBe(1);
      expect(stderr.toString()).toContain(why);
    }
  });
});
