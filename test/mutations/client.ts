// Breakages of the room client: what the server says reaches the callers that wait.

import type { Mutation } from './mutation.ts';

/** What is broken in it. */
export const CLIENT_MUTATIONS: readonly Mutation[] = [
  {
    breaks: "A server's own pause is not kept",
    file: 'backoff.ts',
    find: 'askedMs === null ? spread(pauseOf(PAUSES, tries - 1), random) : askedMs * (1 + random / 4)',
    replace: 'spread(pauseOf(PAUSES, tries - 1), random)',
  },
  {
    breaks: 'All that were refused come back at once',
    file: 'backoff.ts',
    find: 'askedMs * (1 + random / 4)',
    replace: 'askedMs',
  },
  {
    breaks: 'A pause grows without end',
    file: '../domain/backoff.ts',
    find: 'Math.min(max, first * 2 ** failures)',
    replace: 'first * 2 ** failures',
    tests: ['backoff'],
  },
  {
    breaks: 'A wrong URL is tried for minutes',
    file: 'backoff.ts',
    find: 'const limit = reached ? limits : limits.firstContact;',
    replace: 'const limit = limits;',
  },
  {
    breaks: 'A run is waited for no longer than for any answer',
    file: 'backoff.ts',
    find: 'waitSeconds ?? seconds ?? DEFAULT_WAIT_SECONDS',
    replace: 'DEFAULT_TOTAL_SECONDS',
  },
  {
    breaks: 'A run is asked for once too often',
    file: 'backoff.ts',
    find: 'if (tries >= limit.tries) return null;',
    replace: 'if (tries > limit.tries) return null;',
  },
  {
    breaks: 'Tries go on after the time is over',
    file: 'backoff.ts',
    find: 'return spentMs + pause > limit.totalMs ? null : pause;',
    replace: 'return pause;',
  },
  {
    breaks: 'Retry-After in another form is heard',
    file: 'backoff.ts',
    find: "/^[A-Z][a-z]{2}, /.test(text ?? '')",
    replace: 'text !== null',
  },
  {
    breaks: '408 is an answer',
    file: 'backoff.ts',
    find: 'new Set([408, 429,',
    replace: 'new Set([429,',
  },
  {
    breaks: '500 is tried again',
    file: 'backoff.ts',
    find: 'new Set([408, 429,',
    replace: 'new Set([408, 429, 500,',
  },
  {
    breaks: 'A problem with a run is asked for again',
    file: 'transport.ts',
    find: 'const again = problem.run_id === undefined && isRetried(answer.status);',
    replace: 'const again = isRetried(answer.status);',
  },
  {
    breaks: 'The key is sent to nobody',
    file: 'transport.ts',
    find: "if (token !== null) headers.set('authorization', `Bearer ${token}`);",
    replace: '',
  },
  {
    breaks: 'An answer that never comes is waited for',
    file: 'transport.ts',
    find: 'signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),',
    replace: 'signal: signal ?? null,',
  },
  {
    breaks: 'A laptop that slept has tried all the time',
    file: 'transport.ts',
    find: 'Math.min(monotonicNow() - started, (request.limitSeconds ?? 0) * 1_000)',
    replace: 'monotonicNow() - started',
  },
  {
    breaks: 'A pause goes on after it was called off',
    file: 'transport.ts',
    find: 'await sleep(pause, request.signal);',
    replace: 'await sleep(pause);',
  },
  {
    breaks: 'A page that is no problem is one',
    file: 'transport.ts',
    find: "if (!contentType.toLowerCase().startsWith('application/problem+json')) return null;",
    replace: '',
  },
  {
    breaks: 'NaN is sent as null',
    file: 'content.ts',
    find: "if (typeof member === 'number' && !Number.isFinite(member))",
    replace: "if (typeof member === 'number' && member === Infinity)",
    tests: ['submission', 'client'],
  },
  {
    breaks: 'Undefined is sent as nothing',
    file: 'content.ts',
    find: "if (text === undefined) throw new TypeError('The input is undefined. Send null if you mean no input.');",
    replace: '',
    tests: ['submission', 'client'],
  },
  {
    breaks: 'Bytes within JSON are sent as an object',
    file: 'content.ts',
    find: 'if ((this as Record<string, unknown>)[key] instanceof Uint8Array)',
    replace: "if (key === '\\0')",
    tests: ['submission', 'client'],
  },
  {
    breaks: "A newer server's events end the loop",
    file: 'streams.ts',
    find: 'if (id === undefined || !names.has(event)) continue;',
    replace: 'if (id === undefined || !names.has(event)) return;',
  },
  {
    breaks: 'A stream that breaks off begins anew',
    file: 'streams.ts',
    find: '      last = id;\n',
    replace: '',
  },
  {
    breaks: 'A stream is opened again after its end',
    file: 'streams.ts',
    find: "      if (event === 'end') return;\n",
    replace: '',
  },
  {
    breaks: 'Lines that came before are told again',
    file: 'streams.ts',
    find: '        seen += 1;\n',
    replace: '',
  },
  {
    breaks: 'A line that was cut off is told',
    file: 'streams.ts',
    find: '      rest = lines.pop()!;',
    replace: "      rest = '';",
  },
  {
    breaks: 'What came before a break comes again',
    file: 'download.ts',
    find: 'let known = status === 206 ? 0 : got;',
    replace: 'let known = 0;',
  },
  {
    breaks: 'A download that broke off ends',
    file: 'download.ts',
    find: '    if (got >= total) return;\n    breaks += 1;',
    replace: '    if (got > 0) return;\n    breaks += 1;',
  },
  {
    breaks: 'A download that breaks for ever is tried for ever',
    file: 'download.ts',
    find: 'if (breaks > BREAKS_MAX)',
    replace: 'if (breaks > 10 * BREAKS_MAX)',
  },
  {
    // Its status alone is no breakage: what did not succeed has no output.
    breaks: 'A run that failed has an output like any other',
    file: 'download.ts',
    find: "if (ended.status !== 'succeeded' || output === null) throw errorOfRun(ended);",
    replace: '',
  },
  {
    breaks: 'A download has another part than it should',
    file: 'download.ts',
    find: '{ range: `bytes=${got}-`, \'if-range\': `"${sha256}"` }',
    replace: '{ range: `bytes=${got + 1}-`, \'if-range\': `"${sha256}"` }',
  },
];
