// A real nginx before a server, where there is one: what it passes on is not always what it was
// sent.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newFolder, removeFolder } from './folder.ts';
import { exchange } from './http.ts';
import { whyNot } from './optional.ts';
import { until } from './until.ts';
import { freePort } from './free-port.ts';

/** Debian puts it where only root looks. */
const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` };

/** Where one keeps everything. */
const placed = (folder: string): string[] => [
  '-p',
  folder,
  '-e',
  join(folder, 'error.log'),
  '-c',
  join(folder, 'nginx.conf'),
];

/** Why no nginx can pass anything on here; null where one can. */
export const noNginx: string | null = await tryNginx();

/** Has nginx open a listening socket as configured, and end. */
async function tryNginx(): Promise<string | null> {
  const folder = await newFolder();
  await writeFile(join(folder, 'nginx.conf'), configuration(folder, await freePort(), 'http://127.0.0.1:9'));
  const reason = whyNot('nginx', ['-t', ...placed(folder)], { env });
  await removeFolder(folder);
  return reason;
}

/** An nginx that passes everything on. */
export interface Proxy {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Starts one before a server. Apart from where it keeps its files it is as a person would write it.
 */
export async function startNginx(target: string): Promise<Proxy> {
  const folder = await newFolder();
  const port = await freePort();
  // Its workers have a user of their own where root starts it.
  await chmod(folder, 0o755);
  await writeFile(join(folder, 'nginx.conf'), configuration(folder, port, target));
  const nginx = spawn('nginx', placed(folder), { stdio: 'inherit', env });
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

function configuration(folder: string, port: number, target: string): string {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(folder, name)};`,
  );
  return `daemon off; worker_processes 1; pid ${join(folder, 'pid')}; error_log ${join(folder, 'error.log')};
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
    }`;
}
