import { networkInterfaces } from 'node:os';
import { describe, expect, test } from 'vitest';
import { isAllowable } from '../../src/egress/addresses.ts';
import { EgressRules } from '../../src/egress/rules.ts';

const OWN_PORT = 4_242;
const rules = ({ httpsOnly = false, allow = [] as string[] } = {}): EgressRules =>
  new EgressRules({ httpsOnly, allow }, () => OWN_PORT);
const refusal = (url: string, allow: string[] = []): string | null => {
  const read = rules({ allow }).read(url);
  return 'refusal' in read ? read.refusal : null;
};

describe('a URL is refused before anybody connects', () => {
  test.each([
    'javascript:alert(1)',
    'file:///etc/passwd',
    'gopher://example.com/',
    'data:text/plain,x',
    'ftp://example.com/',
    's3://bucket/key',
    'ws://example.com/',
    '//example.com/hook',
    '/hook',
    'example.com/hook',
    'https://',
    'http:///',
    'https://exa mple.com/',
    'https://[::1',
    `https://example.com/${'x'.repeat(2_048)}`,
    '',
  ])('where it is none of ours: %s', (url) => expect(refusal(url)).toMatch(/^must be/));

  test.each(['https://user@example.com/', 'https://user:secret@example.com/', 'https://:secret@example.com/'])(
    'where it has somebody in it: %s',
    (url) => expect(refusal(url)).toMatch(/user name/),
  );

  test.each([0, 21, 22, 25, 53, 110, 445, 993, 1_023, 3_306, 5_432, 6_000, 6_379, 11_211])(
    'where its port is for something else: %i',
    (port) => expect(refusal(`http://example.com:${port}/`)).toMatch(/port|URL/),
  );

  test.each(['http://example.com:99999/', 'http://example.com:-1/', 'http://example.com:http/'])(
    'where its port is no port: %s',
    (url) => expect(refusal(url)).toMatch(/^must be a URL/),
  );

  test.each(
    [
      '127.0.0.1 127.1 2130706433 0x7f000001 0x7f.1 017700000001 %31%32%37.0.0.1 ①②⑦.⓪.⓪.① 127。0。0。1 127.0.0.1.',
      '0 0.0.0.0 [::] [::1] [0:0:0:0:0:0:0:1] [::ffff:7f00:1] [::ffff:127.0.0.1] [::127.0.0.1] [::7f00:1]',
      '[::ffff:0:7f00:1] localhost LOCALHOST localhost. api.localhost printer.local db.internal',
      'metadata.google.internal metadata.google.internal. 169.254.169.254 [fd00:ec2::254] [fd20:ce::254]',
      '100.100.100.200 192.0.0.192 168.63.129.16 [64:ff9b::7f00:1] [64:ff9b::8.8.8.8] [64:ff9b:1::1]',
      '[2002:7f00:1::] [2002:808:808::1] [2001::1] [2001:0:4136:e378:8000:63bf:3fff:fdd2] [fe80::1] [fec0::1]',
      '[fc00::1] [ff02::1] [100::1] [2001:db8::1] [3fff::1] [5f00::1] [4000::1] [2001:2::1] [2001:20::1]',
      '[2620:4f:8000::1] 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 198.18.0.1 198.19.255.255',
      '224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 192.0.2.1 198.51.100.1 203.0.113.1 192.88.99.1 0.1.2.3',
    ].flatMap((line) => line.split(' ')),
  )('where it leads to an address that is not public: %s', (host) => {
    expect(refusal(`https://${host}/hook`)).toMatch(/not public/);
  });

  test('where http is not allowed', () => {
    const strict = rules({ httpsOnly: true });
    expect(strict.read('http://example.com/')).toEqual({ refusal: 'must begin with https://' });
    expect(strict.read('https://example.com/')).toHaveProperty('target');
  });
});

test.each([
  ['https://example.com/hook?a=1#part', 'https://example.com/hook?a=1'],
  ['HTTPS://EXAMPLE.com:443', 'https://example.com/'],
  ['http://example.com:8080/hook', 'http://example.com:8080/hook'],
  ['https://8.8.8.8/', 'https://8.8.8.8/'],
  ['https://134744072/', 'https://8.8.8.8/'],
  ['https://[2001:4860:4860::8888]:8443/', 'https://[2001:4860:4860::8888]:8443/'],
  ['https://münchen.example/', 'https://xn--mnchen-3ya.example/'],
  ['https://exam\nple.com/a b', 'https://example.com/a%20b'],
])('%j is taken, as %s', (given, taken) => {
  const read = rules().read(given);
  expect('target' in read && read.target.url.href).toBe(taken);
});

describe('an allow-list', () => {
  test.each([
    ['127.0.0.1', 'http://127.0.0.1:8080/', null],
    ['127.0.0.1', 'http://127.1:8080/', null],
    ['127.0.0.1', 'http://127.0.0.2:8080/', 'not public'],
    ['10.1.2.0/24', 'http://10.1.2.255/', null],
    ['10.1.2.0/24', 'http://10.1.3.0/', 'not public'],
    ['::1', 'http://[::1]:8080/', null],
    ['fd00::/8', 'http://[fd12::1]/', null],
    ['hooks.internal', 'https://hooks.internal/', null],
    ['Hooks.Internal', 'https://HOOKS.internal./', null],
    ['hooks.internal', 'https://other.internal/', 'not public'],
    ['hooks.internal', 'https://a.hooks.internal/', 'not public'],
    ['127.0.0.1', 'http://127.0.0.1:25/', 'port 25'],
  ])('with %s makes of %s: %s', (entry, url, expected) => {
    if (expected === null) expect(refusal(url, [entry])).toBeNull();
    else expect(refusal(url, [entry])).toContain(expected);
  });

  test('never leads back to this server', () => {
    expect(refusal(`http://127.0.0.1:${OWN_PORT}/`, ['127.0.0.0/8'])).toBe('leads back to this server');
    expect(refusal(`http://[::1]:${OWN_PORT}/`, ['::1'])).toBe('leads back to this server');
    expect(refusal(`http://10.0.0.1:${OWN_PORT}/`, ['10.0.0.0/8'])).toBeNull();
  });

  test.each(['10.0.0.0/8', '10.1.2.3', '::1', 'fd00::/8', 'hooks.internal', 'hooks', 'a_b-c.example'])(
    'may hold %s',
    (entry) => expect(isAllowable(entry)).toBe(true),
  );
  test.each([
    '',
    '10.0.0.0/33',
    '10.0.0/8',
    '1',
    '10.1',
    '::1/129',
    'https://a',
    'a b',
    '*.internal',
    'a..b',
    '1.2.3.4.5',
  ])('may not hold %j', (entry) => expect(isAllowable(entry)).toBe(false));
});

test('no address of this machine’s own interfaces is public', () => {
  const target = rules().read('https://example.com/');
  const own = Object.values(networkInterfaces()).flatMap((entries = []) => entries.map(({ address }) => address));
  expect(own.length).toBeGreaterThan(0);
  for (const address of own)
    expect('target' in target && rules().refusalOf(address, target.target)).toMatch(/not public/);
});
