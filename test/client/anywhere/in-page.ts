// The walk in a page: told to the server that the page came from.

import { walk } from './walk.ts';

declare const location: { readonly search: string };

const told = await walk(new URLSearchParams(location.search).get('server')!).then(
  (facts) => ({ facts }),
  (error: unknown) => ({ error: error instanceof Error ? `${error.message}\n${error.stack}` : String(error) }),
);
await fetch('/told', { method: 'POST', body: JSON.stringify(told) });
