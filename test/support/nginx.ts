// A real nginx before a server, where there is one: what it passes on is not always what it was sent.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newFolder, removeFolder } from './folder.ts';
import { exchange } from './http.ts';
import { until } from './until.ts';
import { freePort } from '../../src/replicas/runtimes/command.ts';

/** Debian puts it where only root looks. */
const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` };

/** Whether this machine has nginx. */
export const hasNginx = spawnSync('nginx', ['-v'], { env }).status === 0;

/** Why tests are skipped that need one. */
export const NO_NGINX = 'there is no nginx on the PATH';

/** An nginx that passes everything on. */
export interface Proxy {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts one before a server. Apart from where it keeps its files it is as a person would write it. */
export async function startNginx(target: string): Promise<Proxy> {
  const folder = await newFolder();
  const port = await freePort();
  // Its workers have a user of their own where root starts it.
  await chmod(folder, 0o755);
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(folder, name)};`,
  );
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${join(folder, 'pid')}; error_log ${join(folder, 'error.log')};
     events { worker_connections 256; }
     http {
       access_log off; keepalive_timeout 0; ${paths.join(' ')}
       server {
         listen 127.0.0.1:${port}; client_max_body_size 0;
         location / {
           proxy_pass ${target}; proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off;
           proxy_set_header Host $http_host;
         }
       }
     }`,
  );
  const nginx = spawn('nginx', ['-p', folder, '-e', join(folder, 'error.log'), '-c', join(folder, 'nginx.conf')], {
    stdio: 'inherit',
    env,
  });
  const url = `http://127.0.0.1:${port}`;
  await until('nginx answers', () =>
    exchange(url, 'GET', '/health').then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
  return {
    url,
    async stop() {
      const ended = once(nginx, 'exit');
      nginx.kill('SIGTERM');
      await ended;
      await removeFolder(folder);
    },
  };
}
