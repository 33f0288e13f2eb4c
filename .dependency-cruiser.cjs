// The arrows of ARCHITECTURE.md as rules. Each name is the sentence that a violation breaks.

const room = (name) => `^src/${name}/`;
/** What a room may import of src/ beside itself; everything else there is forbidden. */
const may = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: { path: '^src/', pathNot: [from, ...allowed] },
});

const [DOMAIN, TABLE, WIRE, SYSTEM, CACHE, SCORING, EGRESS, REPLICAS, ENGINE, METRICS] = [
  'domain',
  'table',
  'wire',
  'system',
  'cache',
  'scoring',
  'egress',
  'replicas',
  'engine',
  'metrics',
].map(room);
const VALIDATION = '^src/wire/validation\\.ts$';
/** The ports of the stores: what they can do, and nothing of how. */
const port = (names) => `^src/stores/(?:${names})/(?:ledger|vault|captures|blobs)\\.ts$`;
/** What picks a driver, or is one. */
const DRIVERS =
  '^src/stores/(?:ledger/[^/]+/|blobs/directory\\.ts|(?:vault|captures|cache)/(?:sqlite|postgres|thread)\\.ts)';

module.exports = {
  forbidden: [
    { name: 'there-are-no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'what-is-imported-is-declared',
      severity: 'error',
      from: { path: '^src/' },
      // Peers are declared as such, and are here for the tests alone.
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'unknown', 'undetermined'], dependencyTypesNot: ['npm-peer'] },
    },
    {
      name: 'domain-and-table-do-no-io',
      severity: 'error',
      from: { path: [DOMAIN, TABLE] },
      to: { dependencyTypes: ['core'], pathNot: '^crypto$' },
    },

    // The rooms, from the ground up.
    may('domain-is-pure', DOMAIN, []),
    may('table-stands-alone', TABLE, []),
    may('wire-knows-only-domain', WIRE, [DOMAIN]),
    may('system-knows-only-domain', SYSTEM, [DOMAIN]),
    may('the-cache-is-known-without-a-server', CACHE, [DOMAIN, TABLE]),
    may('scoring-is-pure', SCORING, [DOMAIN, TABLE]),
    may('egress-knows-no-caller', EGRESS, [DOMAIN]),
    may('a-model-knows-no-server', room('model'), [TABLE, DOMAIN, VALIDATION]),
    may('configuration-knows-only-rules', room('config'), [
      DOMAIN,
      VALIDATION,
      '^src/egress/(?:rules|addresses)\\.ts$',
    ]),
    may('stores-know-no-engine', room('stores'), [DOMAIN, SYSTEM, '^src/cache/port\\.ts$', '^src/config/config\\.ts$']),
    may('replicas-know-no-ledger', REPLICAS, [DOMAIN, SYSTEM, '^src/model/(?:protocol|inspect)\\.ts$']),
    may('webhooks-go-out-through-egress-alone', room('webhooks'), [DOMAIN, SYSTEM, EGRESS, port('ledger|vault')]),
    may('the-engine-knows-no-transport-and-no-driver', ENGINE, [
      DOMAIN,
      TABLE,
      SYSTEM,
      CACHE,
      SCORING,
      REPLICAS,
      '^src/egress/egress\\.ts$',
      '^src/model/(?:protocol|load-model)\\.ts$',
      '^src/stores/(?:disk|run-logs)/',
      port('ledger|blobs|captures'),
    ]),
    may('metrics-read-what-the-engine-tells', METRICS, [
      DOMAIN,
      '^src/engine/(?:engine|observer|views)\\.ts$',
      port('ledger'),
    ]),
    may('deploying-knows-no-transport', room('deploy'), [
      DOMAIN,
      SYSTEM,
      SCORING,
      REPLICAS,
      ENGINE,
      room('config'),
      '^src/model/load-model\\.ts$',
      port('ledger'),
    ]),
    may('http-goes-through-the-engine', room('http'), [
      DOMAIN,
      TABLE,
      WIRE,
      SYSTEM,
      CACHE,
      SCORING,
      ENGINE,
      METRICS,
      '^src/config/config\\.ts$',
      port('ledger|vault|captures'),
    ]),
    may('the-client-imports-no-server-code', room('client'), [
      WIRE,
      TABLE,
      CACHE,
      '^src/domain/(?:backoff|errors|time)\\.ts$',
    ]),

    // Inside of the stores: a store knows its port and the ground; the doctor and a backup know every store.
    {
      name: 'a-store-knows-its-port-and-the-ground',
      severity: 'error',
      from: { path: '^src/stores/(?!doctor/|backup/)([^/]+)/' },
      // What a capture is made of lies among the blobs.
      to: {
        path: '^src/stores/',
        pathNot: ['^src/stores/(?:$1|sqlite|postgres)/', '^src/stores/(?:migrations|blobs/blobs)\\.ts$'],
      },
    },
    may('a-port-knows-only-domain', port('[^/]+'), [DOMAIN]),
    {
      name: 'only-the-stores-pick-drivers',
      severity: 'error',
      from: { path: '^src/', pathNot: room('stores') },
      to: { path: DRIVERS },
    },

    // What a single room alone may touch of the world.
    {
      name: 'sql-lives-in-the-stores',
      severity: 'error',
      from: { path: '^src/', pathNot: room('stores') },
      to: { path: ['^(?:node:)?sqlite$', 'node_modules/pg/'] },
    },
    {
      name: 'only-egress-goes-where-callers-say',
      severity: 'error',
      from: { path: '^src/', pathNot: [EGRESS, REPLICAS] },
      to: { path: ['^undici$', 'node_modules/undici/', '^(?:node:)?(?:https|http2|tls|dns|dgram)(?:/promises)?$'] },
    },
    {
      name: 'only-metrics-know-prometheus',
      severity: 'error',
      from: { path: '^src/', pathNot: METRICS },
      to: { path: 'node_modules/prom-client' },
    },
    {
      name: 'only-tracing-knows-opentelemetry',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/system/tracing\\.ts$' },
      to: { path: 'node_modules/@opentelemetry' },
    },
    {
      name: 'processes-live-in-replicas',
      severity: 'error',
      // Postgres' own programs alone can dump a database.
      from: { path: '^src/', pathNot: [REPLICAS, '^src/stores/backup/postgres-tools\\.ts$'] },
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
