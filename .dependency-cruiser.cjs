// The arrows of ARCHITECTURE.md as rules. Each name is the sentence that a violation breaks.

const room = (name) => `^src/${name}/`;
/** What a room may import of src/ beside itself; everything else there is forbidden. */
const may = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: { path: '^src/', pathNot: [from, ...allowed] },
});
const CLOCK = '^src/clock\\.ts$';
const LOG = '^src/log\\.ts$';
const THREADS = '^src/thread-queue\\.ts$';
const FOLDERS = '^src/folders\\.ts$';
const VALIDATION = '^src/validation\\.ts$';
const PROTOCOL = '^src/model/protocol\\.ts$';

module.exports = {
  forbidden: [
    { name: 'there-are-no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'what-is-imported-is-declared',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'unknown', 'undetermined'] },
    },
    may('domain-is-pure', room('domain'), []),
    {
      name: 'domain-and-table-do-no-io',
      severity: 'error',
      from: { path: ['^src/domain/', '^src/table/'] },
      to: { dependencyTypes: ['core'], pathNot: '^crypto$' },
    },
    may('table-stands-alone', room('table'), []),
    may('wire-knows-only-domain', room('wire'), [room('domain')]),
    may('the-ledger-port-knows-only-domain', '^src/ledger/ledger\\.ts$', [room('domain')]),
    may('a-ledger-driver-knows-only-its-port', '^src/ledger/[^/]+/', [
      room('domain'),
      '^src/ledger/(?:ledger|rows|promises)\\.ts$',
      CLOCK,
      FOLDERS,
    ]),
    may('the-vault-port-knows-only-domain', '^src/vault/vault\\.ts$', [room('domain')]),
    may('a-vault-driver-knows-only-its-port-and-its-store', room('vault'), [
      room('domain'),
      '^src/ledger/sqlite/(?:failures|query|store-file)\\.ts$',
      '^src/ledger/postgres/(?:connections|store-schema)\\.ts$',
      FOLDERS,
    ]),
    may('scoring-is-pure', room('scoring'), [room('domain'), room('table')]),
    may('evaluation-data-are-tables', room('evaluation'), [room('domain'), room('table'), room('scoring')]),
    may('the-captures-port-knows-only-domain', '^src/captures/captures\\.ts$', [room('domain')]),
    may('a-captures-driver-knows-only-its-port-and-its-store', '^src/captures/(?:sqlite|postgres|rows)\\.ts$', [
      room('domain'),
      '^src/captures/captures\\.ts$',
      '^src/ledger/sqlite/(?:failures|query|store-file)\\.ts$',
      '^src/ledger/postgres/(?:connections|store-schema)\\.ts$',
      FOLDERS,
    ]),
    may('captures-are-made-from-runs-that-are-stored', '^src/captures/(?:capturer|scor\\w+|score-\\w+)\\.ts$', [
      room('domain'),
      room('table'),
      room('scoring'),
      '^src/captures/captures\\.ts$',
      '^src/engine/(?:engine|exchange|stored)\\.ts$',
      '^src/ledger/ledger\\.ts$',
      '^src/blobs/blobs\\.ts$',
      CLOCK,
      LOG,
      THREADS,
    ]),
    may('access-knows-no-driver', room('access'), [room('domain'), '^src/vault/vault\\.ts$', CLOCK]),
    may('the-blob-port-knows-only-domain', '^src/blobs/blobs\\.ts$', [room('domain')]),
    may('a-blob-driver-knows-only-its-port', room('blobs'), [room('domain'), FOLDERS]),
    may('storage-knows-only-the-disk', room('storage'), [room('domain'), CLOCK, LOG]),
    may('logs-know-only-the-disk', room('logs'), [room('domain'), CLOCK, LOG]),
    may('a-model-knows-no-server', room('model'), [room('table'), room('domain'), VALIDATION]),
    may('egress-knows-no-caller', room('egress'), [room('domain')]),
    may('webhooks-go-out-through-egress-alone', room('webhooks'), [
      room('domain'),
      room('egress'),
      '^src/tracing/trace-context\\.ts$',
      '^src/ledger/ledger\\.ts$',
      '^src/vault/vault\\.ts$',
      CLOCK,
      LOG,
    ]),
    {
      name: 'only-egress-goes-where-callers-say',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/egress/', '^src/replicas/'] },
      to: { path: ['^undici$', 'node_modules/undici/', '^(?:node:)?(?:https|http2|tls|dns|dgram)(?:/promises)?$'] },
    },
    may('replicas-know-no-ledger', room('replicas'), [
      room('domain'),
      '^src/model/(?:protocol|inspect)\\.ts$',
      CLOCK,
      LOG,
    ]),
    may('the-engine-knows-no-transport-and-no-driver', room('engine'), [
      room('domain'),
      room('table'),
      '^src/ledger/ledger\\.ts$',
      '^src/blobs/blobs\\.ts$',
      '^src/egress/egress\\.ts$',
      room('storage'),
      room('logs'),
      room('replicas'),
      room('tracing'),
      PROTOCOL,
      '^src/model/load-model\\.ts$',
      CLOCK,
      LOG,
      THREADS,
    ]),
    may('traces-know-no-runs', room('tracing'), []),
    may('metrics-read-what-the-engine-tells', room('metrics'), [
      room('domain'),
      '^src/engine/(?:engine|observer|sights)\\.ts$',
      '^src/ledger/ledger\\.ts$',
    ]),
    {
      name: 'only-metrics-know-prometheus',
      severity: 'error',
      from: { path: '^src/', pathNot: room('metrics') },
      to: { path: 'node_modules/prom-client' },
    },
    {
      name: 'only-tracing-knows-opentelemetry',
      severity: 'error',
      from: { path: '^src/', pathNot: room('tracing') },
      to: { path: 'node_modules/@opentelemetry' },
    },
    may('http-goes-through-the-engine', room('http'), [
      room('domain'),
      room('table'),
      room('wire'),
      room('engine'),
      room('access'),
      '^src/captures/(?:captures|capturer)\\.ts$',
      room('evaluation'),
      room('metrics'),
      room('tracing'),
      '^src/ledger/ledger\\.ts$',
      VALIDATION,
      CLOCK,
      LOG,
    ]),
    may('the-client-imports-no-server-code', room('client'), [room('wire'), room('table'), '^src/domain/errors\\.ts$']),
    may('the-doctor-needs-no-server', room('doctor'), [room('domain'), room('ledger'), room('blobs'), CLOCK]),
    may('configuration-knows-only-rules', room('config'), [
      room('domain'),
      VALIDATION,
      '^src/egress/(?:rules|addresses)\\.ts$',
    ]),
    {
      name: 'only-the-root-and-the-doctor-pick-drivers',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: [
          '^src/stores\\.ts$',
          '^src/doctor/store\\.ts$',
          '^src/ledger/[^/]+/',
          '^src/blobs/directory\\.ts$',
          '^src/(?:vault|captures)/(?:sqlite|postgres)\\.ts$',
        ],
      },
      to: {
        path: ['^src/ledger/[^/]+/', '^src/blobs/directory\\.ts$', '^src/(?:vault|captures)/(?:sqlite|postgres)\\.ts$'],
      },
    },
    {
      name: 'sql-lives-in-the-rooms-of-stores',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/(?:ledger|vault|captures)/'] },
      to: { path: '^(?:node:)?sqlite$' },
    },
    {
      name: 'processes-live-in-replicas',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/replicas/' },
      to: { path: '^(?:node:)?child_process$' },
    },
    {
      name: 'only-the-command-line-starts-a-service',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/cli/', '^src/service\\.ts$'] },
      to: { path: '^src/service\\.ts$' },
    },
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
