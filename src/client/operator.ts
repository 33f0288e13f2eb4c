// The operator's token of a server without keys, read from where that server says it lies on this
// machine. Never sent anywhere but to the address that the server has written beside it: another
// program may listen where the client looks for the server.

/** Where requests are sent, and with which token. */
export interface Operator {
  readonly url: string;
  readonly token: string;
}

/** What the server writes: nothing else that lies on this machine is ever sent. */
const WRITTEN = /^(cck_[0-9a-z_]+)\n(http:\/\/[^\s/]+)\n$/;

/** The token in a file; null where there is none that this process can read. */
export function readOperator(file: string): Operator | null {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  const { readFileSync } = (process?.getBuiltinModule?.('node:fs') ?? {}) as {
    readFileSync?: (path: string, encoding: string) => string;
  };
  if (readFileSync === undefined || !/[/\\]operator-token(?:-\d+)?$/.test(file)) return null;
  try {
    const [, token, url] = WRITTEN.exec(readFileSync(file, 'utf8')) ?? [];
    return token === undefined ? null : { url: url!, token };
  } catch {
    // Not this user's to read, or gone: then the server's answer says what to do.
    return null;
  }
}
