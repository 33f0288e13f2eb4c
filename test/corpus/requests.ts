// Requests that a server meets sooner or later, and what each must be answered with. Data alone:
// http/bad-input.test.ts sends them, and http/behind-nginx.test.ts through a proxy.

import type { ProblemSlug } from '../../src/domain/errors.ts';
import type { TestRequest } from '../support/http.ts';

/** What an answer shows of the inside of the server: a stack, a path of ours, SQL. */
export const INSIDES = /\n\s+at |node_modules|\/src\/|\.ts:\d|file:\/\/|SQLITE|SELECT |FST_|HPE_/;

/** Stands in bodies as a value; no answer may repeat it. */
export const CANARY = 'hunter2';

/** Largest body that the server of these requests takes. */
export const BODY_BYTES_MAX = 256 * 1_024;

/**
 * A bad request. `says` are fragments of the problem's detail, or of its list of errors, that name
 * the place.
 */
export interface BadRequest extends TestRequest {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly slug: ProblemSlug;
  readonly says: readonly string[];
  /** Headers that the answer must have. */
  readonly answers?: Readonly<Record<string, string>>;
}

/** Bytes that are no proper request; the server answers and hangs up. */
export interface BadBytes {
  readonly name: string;
  readonly bytes: string | Uint8Array;
  readonly status: number;
  /** Whether a proxy may leave out what is wrong with it, and pass a good request on. */
  readonly isMendable?: true;
  /** The problem's; `malformed-body` unless said. */
  readonly slug?: ProblemSlug;
}

const JSON_TYPE = { 'content-type': 'application/json' };
const CSV_TYPE = { 'content-type': 'text/csv' };
const ROWS = '/endpoints/rows/invoke';
const JOBS = '/endpoints/jobs/invoke';
const RUN = '/runs/0198b0ff-0000-7000-8000-000000000000';

type Expected = Pick<BadRequest, 'status' | 'slug' | 'says'>;
const malformed = (...says: string[]): Expected => ({ status: 400, slug: 'malformed-body', says });
const invalid = (...says: string[]): Expected => ({ status: 422, slug: 'invalid-request', says });
const notFound = (...says: string[]): Expected => ({ status: 404, slug: 'not-found', says });
const noRun = (...says: string[]): Expected => ({ status: 404, slug: 'run-not-found', says });

const get = (name: string, path: string, expected: Expected): BadRequest => ({
  name,
  method: 'GET',
  path,
  ...expected,
});
const post = (name: string, body: string, expected: Expected, path = JOBS): BadRequest => ({
  name,
  method: 'POST',
  path,
  headers: JSON_TYPE,
  body,
  ...expected,
});
const table = (
  name: string,
  contentType: string,
  body: string | Uint8Array,
  expected: Expected,
  path = ROWS,
): BadRequest => ({ name, method: 'POST', path, headers: { 'content-type': contentType }, body, ...expected });

const many = (members: number): string => Array.from({ length: members }, (_, place) => `"m${place}":1`).join(',');

const notJson: BadRequest[] = [
  post('an empty body', '', malformed('is empty')),
  post('white space', ' \n', malformed('is empty')),
  post('a word', CANARY, malformed('line 1, column 1')),
  post('a comma too many', `{"input": "${CANARY}",}`, malformed('line 1, column 21')),
  post('a mistake in the second line', `{"input":\n "${CANARY}" 1}`, malformed('line 2')),
  post('NaN', '{"input": NaN}', malformed('line 1, column 11')),
  post('two documents', '{"input":1}{"input":2}', malformed('line 1, column 12')),
  post('a text that is cut off', `{"input":"${CANARY}`, malformed('line 1')),
  post('JSON that is no object', `"${CANARY}"`, malformed('{"input": …}')),
  post('a list', '[1]', malformed('{"input": …}')),
  post('a member twice', '{"input":1,"input":2}', malformed('"input" twice')),
  post('100,000 levels', `{"input":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, malformed('64 levels')),
  table(
    'bytes that are not UTF-8',
    'application/json',
    Buffer.from('{"input":"caf\xe9"}', 'latin1'),
    malformed('UTF-8'),
    JOBS,
  ),
  table('JSON in UTF-16', 'application/json', Buffer.from('{"input":1}', 'utf16le'), malformed(), JOBS),
  post('more members than an envelope has', `{${many(101)}}`, malformed('more than 100 members')),
  post('a member with a long name', `{"${'n'.repeat(2_000)}":1}`, malformed('2002 bytes')),
  post('8,000 members', `{${many(8_000)}}`, malformed('more than 100 members')),
];

const options: BadRequest[] = [
  post('an option that does not exist', '{"input":1,"colour":"red"}', invalid('/colour', 'is not known here')),
  post('a misspelt option', '{"input":1,"runname":"a"}', invalid('/runname', 'did you mean "run_name"')),
  post('an option written as in other APIs', '{"input":1,"queueTtl":5}', invalid('did you mean "queue_ttl"')),
  post('a member that is only read', '{"input":1,"status":"succeeded"}', invalid('/status')),
  post(
    'several mistakes at once',
    '{"input":1,"priority":"a","timeout":-1,"x":0}',
    invalid('/priority', '/timeout', '/x'),
  ),
  post('a number as a text', '{"input":1,"priority":"5"}', invalid('/priority', 'integer')),
  post('a fraction for a whole number', '{"input":1,"priority":5.5}', invalid('/priority', 'integer')),
  post('true for a number', '{"input":1,"priority":true}', invalid('/priority')),
  post('null for a number', '{"input":1,"priority":null}', invalid('/priority')),
  post('a list for a number', '{"input":1,"timeout":[5]}', invalid('/timeout')),
  post('1 for true', '{"input":1,"async":1}', invalid('/async', 'boolean')),
  post('"true" for true', '{"input":1,"async":"true"}', invalid('/async', 'boolean')),
  post('a priority out of bounds', '{"input":1,"priority":101}', invalid('/priority', '100')),
  post('a priority far out of bounds', '{"input":1,"priority":1e18}', invalid('/priority', '100')),
  post('no time at all', '{"input":1,"timeout":0}', invalid('/timeout', '0')),
  post('a negative time', '{"input":1,"timeout":-1}', invalid('/timeout')),
  post('too much time', '{"input":1,"timeout":3601}', invalid('/timeout', '3600')),
  post('an infinite time', '{"input":1,"timeout":1e400}', invalid('/timeout')),
  post('too long in the queue', '{"input":1,"queue_ttl":604801}', invalid('/queue_ttl', '604800')),
  post('an empty name', '{"input":1,"run_name":""}', invalid('/run_name')),
  post('a name that is too long', `{"input":1,"run_name":"${'n'.repeat(201)}"}`, invalid('/run_name', '200')),
  post('a name that is no text', '{"input":1,"run_name":7}', invalid('/run_name', 'string')),
  post('metadata of 8,000 members', `{"input":1,"metadata":{${many(8_000)}}}`, invalid('/metadata', '16384')),
  post('a long name of a run', `{"input":1,"run_name":"${'r'.repeat(20_000)}"}`, invalid('/run_name', '16384')),
  post(
    '100,000 events',
    `{"input":1,"callback_events":[${'1,'.repeat(100_000)}1]}`,
    invalid('/callback_events', '16384'),
  ),
  post('8,000 options of a batch', `{"input":1,"batch":{${many(8_000)}}}`, invalid('/batch', '16384')),
  post('a long member that is none', `{"input":1,"x":{${many(8_000)}}}`, invalid('/x', 'is not known here')),
  ...['\\n', '\\t', '\\u001b', '\\u007f', '\\u0085'].flatMap((character) => [
    post(
      `a name with ${character}`,
      `{"input":1,"run_name":"a${character}"}`,
      invalid('/run_name', 'control character'),
    ),
    post(`a key with ${character}`, `{"input":1,"concurrency_key":"a${character}"}`, invalid('/concurrency_key')),
    post(
      `a receiver with ${character}`,
      `{"input":1,"callback_url":"http://127.0.0.1/a${character}b"}`,
      invalid('/callback_url', 'control'),
    ),
    post(
      `an address with ${character}`,
      `{"input_location":"http://127.0.0.1/a${character}"}`,
      invalid('/input_location', 'control'),
    ),
  ]),
  get('a control character in a query', '/runs?run_name=a%0Ab', invalid('query:run_name', 'control character')),
  post(
    'half a pair in metadata',
    '{"input":1,"metadata":{"a":[{"b":"\\ud800"}]}}',
    invalid('/metadata/a/0/b', 'surrogate'),
  ),
  post('half a pair in a name of metadata', '{"input":1,"metadata":{"\\udc00":1}}', invalid('/metadata', 'surrogate')),
  post('parameters that are no object', '{"parameters":[1]}', invalid('/parameters', 'object')),
  post('metadata that is no object', '{"input":1,"metadata":[1]}', invalid('/metadata', 'object')),
  post(
    'metadata with too many members',
    `{"input":1,"metadata":{${Array.from({ length: 65 }, (_, place) => `"k${place}":1`).join(',')}}}`,
    invalid('/metadata', '64'),
  ),
  post(
    'metadata that is too long',
    `{"input":1,"metadata":{"a":"${'m'.repeat(16_384)}"}}`,
    invalid('/metadata', '16384'),
  ),
  post('a batch option that does not exist', '{"input":[],"batch":{"sise":1}}', invalid('/batch')),
  post('a batch of no size', '{"input":[],"batch":{"size":0}}', invalid('/batch')),
  post('a batch of half a row', '{"input":[],"batch":{"size":1.5}}', invalid('/batch')),
  post('an unknown way with bad rows', '{"input":[],"batch":{"on_row_error":"ignore"}}', invalid('/batch')),
  post('a batch of what is no table', '{"input":7,"batch":true}', invalid('/input', 'not a table')),
  post('neither input nor parameters', '{"async":true}', invalid('/input', 'required')),
  post('both input and parameters', '{"input":1,"parameters":{}}', invalid('/input', 'exclude each other')),
  post('parameters that are no object', '{"parameters":[1]}', invalid('/parameters', 'object')),
  post('a member named __proto__', '{"input":1,"__proto__":{"polluted":true}}', invalid('/__proto__')),
  post('a member named constructor', '{"input":1,"constructor":{"prototype":{}}}', invalid('/constructor')),
  post('options of an envelope in the query', '{"input":1}', invalid('priority'), `${JOBS}?priority=1`),
  table(
    'an option of a raw body that does not exist',
    'text/plain',
    'x',
    invalid('query:colour'),
    `${JOBS}?colour=red`,
  ),
  table(
    'an option of a raw body out of bounds',
    'text/plain',
    'x',
    invalid('query:priority', '100'),
    `${JOBS}?priority=101`,
  ),
  table(
    'an option of a raw body twice',
    'text/plain',
    'x',
    invalid('query:async', 'more than once'),
    `${JOBS}?async=true&async=true`,
  ),
  table('a batch of a raw body that is no table', 'text/plain', 'x', invalid('not a table'), `${JOBS}?batch=true`),
];

const headers: BadRequest[] = [
  {
    name: 'an Idempotency-Key that is too long',
    method: 'POST',
    path: JOBS,
    headers: { ...JSON_TYPE, 'idempotency-key': 'k'.repeat(256) },
    body: '{"input":1}',
    ...invalid('header:idempotency-key', '255'),
  },
  {
    name: 'an Idempotency-Key that is empty',
    method: 'POST',
    path: JOBS,
    headers: { ...JSON_TYPE, 'idempotency-key': '' },
    body: '{"input":1}',
    ...invalid('header:idempotency-key'),
  },
  {
    name: 'an Idempotency-Key that is no ASCII',
    method: 'POST',
    path: JOBS,
    headers: { ...JSON_TYPE, 'idempotency-key': 'cl\xe9' },
    body: '{"input":1}',
    ...invalid('header:idempotency-key'),
  },
  {
    name: 'two Idempotency-Keys',
    method: 'POST',
    path: JOBS,
    headers: { ...JSON_TYPE, 'idempotency-key': ['one', 'two'] },
    body: '{"input":1}',
    ...invalid('header:idempotency-key'),
  },
  {
    name: 'no Content-Type',
    method: 'POST',
    path: JOBS,
    body: '{"input":1}',
    status: 415,
    slug: 'unsupported-media-type',
    says: ['application/json', 'text/csv'],
  },
  {
    name: 'neither a Content-Type nor a body',
    method: 'POST',
    path: JOBS,
    status: 415,
    slug: 'unsupported-media-type',
    says: ['Content-Type'],
  },
  {
    name: 'a Content-Type that is none',
    method: 'POST',
    path: JOBS,
    headers: { 'content-type': ';;;' },
    body: 'x',
    status: 415,
    slug: 'unsupported-media-type',
    says: ['Content-Type'],
  },
  {
    name: 'a compressed body',
    method: 'POST',
    path: JOBS,
    headers: { ...JSON_TYPE, 'content-encoding': 'gzip' },
    body: '{"input":1}',
    status: 415,
    slug: 'unsupported-media-type',
    says: ['gzip', 'Content-Encoding'],
    answers: { 'accept-encoding': 'identity' },
  },
  {
    name: 'a body compressed twice',
    method: 'POST',
    path: JOBS,
    headers: { ...JSON_TYPE, 'content-encoding': 'gzip, br' },
    body: '{"input":1}',
    status: 415,
    slug: 'unsupported-media-type',
    says: ['Content-Encoding'],
  },
  {
    name: 'a table asked for as an image',
    method: 'POST',
    path: ROWS,
    headers: { ...CSV_TYPE, accept: 'image/png' },
    body: 'id\n1\n',
    status: 406,
    slug: 'not-acceptable',
    says: ['image/png', 'text/csv'],
  },
];

const tables: BadRequest[] = [
  table('a row that is too short', 'text/csv', `id,b\n1,2\n${CANARY}\n`, malformed('line 3')),
  table('a row that is too long', 'text/csv', `id,b\n1,2,${CANARY}\n`, malformed('line 2')),
  table('a quote that is not closed', 'text/csv', `id,b\n1,2\n3,"${CANARY}\n`, malformed('line 3', 'quote')),
  table('an empty table', 'text/csv', '', malformed('empty')),
  table('a table of nothing but lines', 'text/csv', '\n\r\n\n', malformed('empty')),
  table('a table with semicolons', 'text/csv', `id;b\n1;${CANARY}\n`, malformed('semicolons', 'with commas')),
  table('a table whose header is a row', 'text/csv', '5.1,3.5\n4.9,3\n', malformed('header', 'numbers')),
  table('a table that says it has no header', 'text/csv; header=absent', `1,${CANARY}\n`, {
    status: 415,
    slug: 'unsupported-media-type',
    says: ['header=absent', 'header line'],
  }),
  table('a table that says it has tabs', 'text/csv; delimiter=tab', `id\t${CANARY}\n`, {
    status: 415,
    slug: 'unsupported-media-type',
    says: ['delimiter=tab', 'commas'],
  }),
  table('a column twice', 'text/csv', 'id,id\n1,2\n', malformed('"id"', 'more than once')),
  table('a column without a name', 'text/csv', 'id,\n1,2\n', malformed('Column 2')),
  table('a CSV table that is not UTF-8', 'text/csv', Buffer.from('id\ncaf\xe9\n', 'latin1'), malformed('line 2')),
  table(
    'a line of JSON Lines that is cut off',
    'application/jsonlines',
    `{"id":1}\n{"id":"${CANARY}\n`,
    malformed('line 2'),
  ),
  table('a line of JSON Lines that is no object', 'application/x-ndjson', '{"id":1}\n7\n', malformed('line 2')),
  post('a list with what is no object', '{"input":[{"id":1},7]}', malformed('/input/1'), ROWS),
  post('a list of lists', '{"input":[[1,2]]}', malformed('/input/0'), ROWS),
  table('a table without a column that the model needs', 'text/csv', 'name\na\n', invalid('"ID"', '"name"')),
  post('records without a column that the model needs', '{"input":[{"name":"a"}]}', invalid('"ID"'), ROWS),
];

const paths: BadRequest[] = [
  {
    ...post(
      'an endpoint that does not exist',
      '{"input":1}',
      notFound('nowhere', 'rows', 'jobs'),
      '/endpoints/nowhere/invoke',
    ),
    slug: 'endpoint-not-found',
  },
  {
    ...get('an endpoint that does not exist, looked at', '/endpoints/nowhere', notFound('rows')),
    slug: 'endpoint-not-found',
  },
  {
    ...post('an endpoint by another case', '{"input":1}', notFound(), '/endpoints/Rows/invoke'),
    slug: 'endpoint-not-found',
  },
  {
    ...post('an endpoint named __proto__', '{"input":1}', notFound(), '/endpoints/__proto__/invoke'),
    slug: 'endpoint-not-found',
  },
  {
    ...post('the default endpoint where there is none', '{"input":1}', notFound('default'), '/invoke'),
    slug: 'endpoint-not-found',
  },
  get('a path that does not exist', '/nope', notFound()),
  get('the root', '/', notFound()),
  get('a slash too many at the end', '/endpoints/', { ...notFound(), slug: 'endpoint-not-found' }),
  get('two slashes', '//runs', notFound()),
  get('upper case', '/RUNS', notFound()),
  get('a way out', '/runs/../../etc/passwd', notFound()),
  get('an encoded way out', '/runs/%2e%2e%2fpasswd/x/y', notFound()),
  get('a file', '/package.json', notFound()),
  get('a path with broken escapes', '/runs/%zz', malformed()),
  {
    ...get('a path that only takes POST', '/invoke', notFound('POST')),
    status: 405,
    slug: 'method-not-allowed',
    answers: { allow: 'POST' },
  },
  {
    name: 'a method that no route has',
    method: 'TRACE',
    path: '/runs',
    headers: { 'x-secret': CANARY },
    status: 405,
    slug: 'method-not-allowed',
    says: ['TRACE'],
  },
];

const runIds: BadRequest[] = [
  get('a run that does not exist', RUN, noRun()),
  get('an id of no length', '/runs/', noRun()),
  get('an id that is none', '/runs/abc', noRun()),
  get('an id in upper case', '/runs/0198B0FF-0000-7000-8000-000000000000', noRun()),
  get('an id of another version', '/runs/0198b0ff-0000-4000-8000-000000000000', noRun()),
  get('an id with something behind it', `${RUN}x`, noRun()),
  get('an id with a zero byte', `${RUN}%00`, noRun()),
  get('an id in letters that look alike', '/runs/%D0%B0198b0ff', noRun()),
  get('an id that tries to be SQL', "/runs/'%20OR%201=1--", noRun()),
  get('a long id', `/runs/${'a'.repeat(190)}`, noRun()),
  get('the output of a run that does not exist', `${RUN}/output`, noRun()),
  get('the chunks of an id that is none', '/runs?parent_id=abc', noRun()),
  { ...get('the end of a run that does not exist', RUN, noRun()), method: 'DELETE' },
  { ...get('the end of an id that is none', '/runs/abc', noRun()), method: 'DELETE' },
];

const queries: BadRequest[] = [
  ...['-1', '0', '501', '1e3', '1.5', 'NaN', '%D9%A3', '', 'ten', '1%20OR%201'].map((limit) =>
    get(`a limit of ${limit}`, `/runs?limit=${limit}`, invalid('query:limit')),
  ),
  get('a limit twice', '/runs?limit=1&limit=2', invalid('query:limit', 'more than once')),
  ...['abc', '-1', '1.5', '99999999999999999999', ''].map((cursor) =>
    get(`a cursor of ${cursor}`, `/runs?cursor=${cursor}`, invalid('query:cursor', 'next_cursor')),
  ),
  ...['cursor', 'run_name', 'endpoint', 'parent_id'].flatMap((name) =>
    ['%00', 'a%00b', '%ED%A0%80', '%FF', '%'].map((text) =>
      get(`text that cannot be kept: ${name}=${text}`, `/runs?${name}=${text}`, invalid(`query:${name}`, 'NUL')),
    ),
  ),
  ...['done', 'QUEUED', ''].map((status) =>
    get(`a status of ${status}`, `/runs?status=${status}`, invalid('query:status', 'succeeded')),
  ),
  ...['yesterday', '2026-01-01', '2026-13-01T00:00:00Z', '12', '2026-01-01T00:00:00'].map((time) =>
    get(`a time of ${time}`, `/runs?created_after=${time}`, invalid('query:created_after', 'RFC 3339')),
  ),
  get('a filter that does not exist', '/runs?state=queued', invalid('query:state')),
  get('a filter named __proto__', '/runs?__proto__=1', invalid('query:__proto__')),
  ...['-1', '61', '1e2', 'long', ''].map((wait) =>
    get(`a wait of ${wait}`, `${RUN}?wait=${wait}`, invalid('query:wait')),
  ),
  get('a misspelt wait', `${RUN}?waits=1`, invalid('did you mean "wait"')),
];

const browsers: BadRequest[] = [
  ...['evil.example', '127.0.0.1.evil.example', 'localhost.', '169.254.169.254'].map((host): BadRequest => ({
    name: `a host that is not ours: ${host}`,
    method: 'GET',
    path: '/runs',
    headers: { host },
    status: 421,
    slug: 'misdirected-request',
    says: ['Host'],
  })),
  ...(
    [
      ['another origin', { origin: 'https://evil.example' }],
      ['another port of this host', { origin: 'http://localhost:1' }],
      ['no origin in particular', { origin: 'null' }],
      ['another site', { 'sec-fetch-site': 'cross-site' }],
      ['a neighbouring site', { 'sec-fetch-site': 'same-site' }],
    ] as const
  ).map(([from, said]): BadRequest => ({
    name: `a page of ${from} that wants to change something`,
    method: 'POST',
    path: JOBS,
    headers: { ...JSON_TYPE, ...said },
    body: '{"input":1}',
    status: 403,
    slug: 'forbidden',
    says: [],
  })),
  {
    name: 'a form of another site, which needs no permission to be sent',
    method: 'POST',
    path: JOBS,
    headers: { 'content-type': 'text/plain', 'sec-fetch-site': 'cross-site' },
    body: '{"input":1}',
    status: 403,
    slug: 'forbidden',
    says: [],
  },
];

const sizes: BadRequest[] = [false, true].map((chunked) => ({
  name: `a body that is too large${chunked ? ' and does not say so' : ''}`,
  method: 'POST',
  path: JOBS,
  headers: JSON_TYPE,
  body: `{"input":"${'x'.repeat(BODY_BYTES_MAX)}"}`,
  chunked,
  status: 413,
  slug: 'payload-too-large',
  says: [],
}));

/** Every bad request, by what is bad about it. */
export const BAD_REQUESTS: Readonly<Record<string, readonly BadRequest[]>> = {
  'JSON that is none': notJson,
  'an option': options,
  'a header': headers,
  'a table': tables,
  'a path': paths,
  'a run id': runIds,
  'a query': queries,
  'what a browser can be made to send': browsers,
  'a size': sizes,
};

const request = (head: string, body = ''): string => `${head}\r\n\r\n${body}`;
const invoke = (...lines: string[]): string =>
  [`POST ${JOBS} HTTP/1.1`, 'Host: localhost', 'Content-Type: application/json', ...lines].join('\r\n');
const ENVELOPE = '{"input":1}';

/** Bytes that are not HTTP, or HTTP that two readers could read in two ways. */
export const BAD_BYTES: readonly BadBytes[] = [
  {
    name: 'a TLS greeting',
    bytes: Uint8Array.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03),
    status: 400,
  },
  { name: 'the preface of HTTP/2', bytes: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', status: 400 },
  { name: 'another version', bytes: request('GET /health HTTP/9.9\r\nHost: localhost'), status: 400 },
  {
    name: 'random bytes',
    bytes: Uint8Array.from({ length: 512 }, (_, place) => (place * 167 + 31) % 256),
    status: 400,
  },
  {
    name: 'an unknown method',
    bytes: request('FOO /health HTTP/1.1\r\nHost: localhost'),
    status: 405,
    slug: 'method-not-allowed',
  },
  { name: 'a method in lower case', bytes: request('get /health HTTP/1.1\r\nHost: localhost'), status: 400 },
  { name: 'no Host', bytes: request('GET /health HTTP/1.1\r\nConnection: close'), status: 400 },
  { name: 'a space in the path', bytes: request('GET /hea lth HTTP/1.1\r\nHost: localhost'), status: 400 },
  {
    name: 'a length and chunks',
    bytes: request(invoke('Content-Length: 11', 'Transfer-Encoding: chunked'), `b\r\n${ENVELOPE}\r\n0\r\n\r\n`),
    status: 400,
  },
  {
    name: 'an unknown transfer encoding',
    bytes: request(invoke('Transfer-Encoding: xchunked', 'Connection: close'), ENVELOPE),
    status: 400,
  },
  {
    name: 'two lengths that differ',
    bytes: request(invoke('Content-Length: 11', 'Content-Length: 12'), `${ENVELOPE} `),
    status: 400,
  },
  { name: 'a length with a sign', bytes: request(invoke('Content-Length: +11'), ENVELOPE), status: 400 },
  { name: 'a negative length', bytes: request(invoke('Content-Length: -1'), ENVELOPE), status: 400 },
  { name: 'a length in hexadecimal', bytes: request(invoke('Content-Length: 0xb'), ENVELOPE), status: 400 },
  {
    name: 'a length beyond all numbers',
    bytes: request(invoke('Content-Length: 1180591620717411303424'), ENVELOPE),
    status: 400,
  },
  { name: 'a space before a colon', bytes: request(invoke('Content-Length : 11'), ENVELOPE), status: 400 },
  { name: 'a folded header', bytes: request(invoke('X-Folded: a\r\n b', 'Content-Length: 11'), ENVELOPE), status: 400 },
  {
    name: 'a zero byte in a header',
    bytes: request(invoke('X-Zero: a\0b', 'Content-Length: 11'), ENVELOPE),
    status: 400,
  },
  { name: 'line ends without their first half', bytes: 'GET /health HTTP/1.1\nHost: localhost\n\n', status: 400 },
  {
    name: 'a chunk without a size',
    bytes: request(invoke('Transfer-Encoding: chunked'), `zz\r\n${ENVELOPE}\r\n0\r\n\r\n`),
    status: 400,
  },
  {
    name: 'an extension of a chunk that is too long',
    isMendable: true,
    bytes: request(invoke('Transfer-Encoding: chunked'), `b;x=${'y'.repeat(20_000)}\r\n${ENVELOPE}\r\n0\r\n\r\n`),
    status: 413,
    slug: 'payload-too-large',
  },
  {
    name: 'a length in the trailers',
    isMendable: true,
    bytes: request(invoke('Transfer-Encoding: chunked'), `b\r\n${ENVELOPE}\r\n0\r\nContent-Length: 11\r\n\r\n`),
    status: 400,
  },
  {
    name: 'a transfer encoding within another',
    bytes: request(invoke('Transfer-Encoding: gzip, chunked'), `b\r\n${ENVELOPE}\r\n0\r\n\r\n`),
    status: 400,
  },
  {
    name: 'a chunk of a size beyond all numbers',
    bytes: request(invoke('Transfer-Encoding: chunked'), `ffffffffffffffffff\r\n${ENVELOPE}`),
    status: 400,
  },
  {
    name: 'a header that is too large',
    bytes: request(invoke(`X-Large: ${'x'.repeat(17_000)}`)),
    status: 431,
    slug: 'header-too-large',
  },
  {
    name: 'a path that is too long',
    bytes: request(`GET /${'x'.repeat(17_000)} HTTP/1.1\r\nHost: localhost`),
    status: 414,
    slug: 'uri-too-long',
  },
];
