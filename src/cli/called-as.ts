// Commands as they can be typed where this one was called: in a checkout there is no `claimcheck`
// on the PATH, and with npx neither.

import { basename, dirname, sep } from 'node:path';

/** The commands that messages name. */
const NAMED =
  /(?<![\w./-])claimcheck (?=(?:serve|check|deploy|doctor|migrate|backup|restore|invoke|submit|runs|endpoints|purge|captures|cache|keys|webhooks|completion)\b)/g;

/** How this program was called: `program` is the file that Node runs. */
function calledAs(program: string): string {
  if (program.split(sep).includes('node_modules')) return 'npx claimcheck';
  const isOfCheckout = basename(program) === 'claimcheck.js' && basename(dirname(program)) === 'bin';
  return isOfCheckout ? 'npm run -s claimcheck --' : 'claimcheck';
}

/** A text for people, with its commands as they can be typed here. */
export const asCalled = (text: string, program = process.argv[1] ?? ''): string =>
  text.replaceAll(NAMED, `${calledAs(program)} `);
