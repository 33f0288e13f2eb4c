// The walk in a page: told to the server that the page came from. A page reads no file of its
// machine, and is given the operator's token.

import { walk } from './walk.ts';

declare const location: { readonly search: string };

const asked = new URLSearchParams(location.search);
const told = await walk(asked.get('server')!, asked.get('token')!).then(
  (facts) => ({ facts }),
  (error: unknown) => ({ error: error instanceof Error ? `${error.message}\n${error.stack}` : String(error) }),
);
await fetch('/told', { method: 'POST', body: JSON.stringify(told) });
