import { expect, test } from 'vitest';
import { asCalled } from '../../src/cli/called-as.ts';

test.each([
  ['/home/me/claimcheck/bin/claimcheck.js', 'npm run -s claimcheck -- runs wait x'],
  ['/home/me/project/node_modules/.bin/claimcheck', 'npx claimcheck runs wait x'],
  ['/home/me/project/node_modules/claimcheck/bin/claimcheck.js', 'npx claimcheck runs wait x'],
  ['/usr/local/bin/claimcheck', 'claimcheck runs wait x'],
])('what %s names can be typed where it was called', (program, named) => {
  expect(asCalled('claimcheck runs wait x', program)).toBe(named);
});

test('only commands are named otherwise, not the program, its files and its paths', () => {
  const text =
    'claimcheck listens on x; claimcheck.config.ts; /opt/claimcheck keys; an older claimcheck, not-claimcheck keys';
  expect(asCalled(text, '/x/bin/claimcheck.js')).toBe(text);
});
