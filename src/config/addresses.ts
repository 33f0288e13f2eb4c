// What is wrong with the names and addresses of a server as they are written.

import { isIP } from 'node:net';
import type { FieldError } from '../domain/errors.ts';
import type { ConfigFile } from './config-file.ts';

/** Finds it. */
export function addressMistakes({ hosts = [], publicUrl, trustProxy }: ConfigFile): FieldError[] {
  return [
    ...hosts.flatMap((host, at) =>
      host === '*' || isHost(host)
        ? []
        : [
            {
              pointer: `hosts.${at}`,
              detail: "must be a name or an address without a port, like 'models.example', or '*'",
            },
          ],
    ),
    ...(publicUrl === undefined || isPublicUrl(publicUrl)
      ? []
      : [{ pointer: 'publicUrl', detail: "must be a URL like 'https://example.com/models', without a query" }]),
    ...(Array.isArray(trustProxy) ? trustProxy : []).flatMap((entry, at) =>
      isNetwork(entry)
        ? []
        : [{ pointer: `trustProxy.${at}`, detail: "must be an address or a network like '10.0.0.0/8'" }],
    ),
  ];
}

/** As it stands in a Host header, but for the port. */
function isHost(text: string): boolean {
  const url = URL.parse(`http://${text}`);
  return url !== null && url.host === text.toLowerCase() && !text.includes(':', text.lastIndexOf(']') + 1);
}

function isPublicUrl(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    url.search === '' &&
    url.hash === '' &&
    url.username === '' &&
    url.password === ''
  );
}

function isNetwork(text: string): boolean {
  const [address = '', bits, ...others] = text.split('/');
  const family = isIP(address);
  if (family === 0 || others.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}
