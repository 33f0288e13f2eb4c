// Writes the pages that are made from the source, or with --check says which of them no longer
// agree with it.

import { readdirSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { PROBLEMS } from '../src/domain/errors.ts';
import { METRICS, type MetricSpec } from '../src/metrics/table.ts';
import { RUN_STATUSES, TRANSITIONS } from '../src/domain/run.ts';

const PAGES: Readonly<Record<string, () => string>> = {
  'docs/decisions/README.md': decisionsPage,
  'docs/errors.md': errorsPage,
  'docs/metrics.md': metricsPage,
  'docs/run-states.md': runStatesPage,
};

/**
 * The beginning of a decision's page: its number and title, and when it was made and whether it
 * holds.
 */
const DECISION = /^# (\d+)\. (.+)\n\n\*(\d{4}-\d\d-\d\d) · (.+)\*\n/;

function decisionsPage(): string {
  const folder = 'docs/decisions';
  const rows = readdirSync(folder)
    .filter((name) => name !== 'README.md')
    .toSorted()
    .map((name) => {
      const [, number, title, date, status] = DECISION.exec(readFileSync(`${folder}/${name}`, 'utf8')) ?? [];
      if (number === undefined || !name.startsWith(`${number.padStart(3, '0')}-`))
        throw new Error(`${folder}/${name} must begin with "# <its number>. <title>" and "*<date> · <status>*".`);
      return `| ${number} | [${title}](${name}) | ${date} | ${status} |`;
    });
  return `# Decisions

Why something is as it is, where another way was at hand. A page is not changed when the decision is: a later one
amends or supersedes it, and its status says so.

This page is made from the pages themselves by \`npm run docs\`.

| | decision | date | status |
|---|---|---|---|
${rows.join('\n')}
`;
}

function errorsPage(): string {
  const rows = Object.entries(PROBLEMS).map(
    ([slug, { status, title, retryable, meaning }]) =>
      `| \`${slug}\` | ${status} | ${title} | ${retryable ? 'yes' : 'no'} | ${meaning} |`,
  );
  return `# Errors

Every error is \`application/problem+json\` (RFC 9457). Its \`type\` is \`https://claimcheck.dev/problems/<slug>\`, and \`detail\` says what was wrong, where,
and what to do. \`retryable\` says whether the same request may succeed later. The SDK has a class for each: \`queue-full\` is \`QueueFullError\`.

This page is made from \`src/domain/errors.ts\` by \`npm run docs\`.

| slug | status | title | retryable | meaning |
|---|---|---|---|---|
${rows.join('\n')}
`;
}

function metricsPage(): string {
  const rows = Object.entries<MetricSpec>(METRICS).map(
    ([name, { type, labels, help }]) => `| \`${name}\` | ${type} | ${labels.join(', ')} | ${help} |`,
  );
  const bounds = Object.entries<MetricSpec>(METRICS).flatMap(([name, { buckets = [] }]) =>
    buckets.length === 0 ? [] : [`- \`${name}\`: ${buckets.join(', ')}`],
  );
  return `# Metrics

\`GET /metrics\` answers in the text format of Prometheus. It asks for the scope \`read\`. Counters are of this server and since its start; gauges of
queues are those of the ledger, so where several servers share one, each of them says the same. [What to watch](observability.md).

A label has a value for every endpoint that was deployed, or one of a fixed few: never an id, a tenant or a text of a request.

This page is made from \`src/metrics/table.ts\` by \`npm run docs\`.

| metric | type | labels | what it says |
|---|---|---|---|
${rows.join('\n')}

Beside them there are the metrics of the process and of Node that prom-client collects: \`process_cpu_seconds_total\`,
\`process_resident_memory_bytes\`, \`process_open_fds\`, \`nodejs_eventloop_lag_p99_seconds\` (how late the event loop was), \`nodejs_gc_duration_seconds\`
and others. What they watch, they watch from the first scrape on.

Upper bounds of the buckets, in seconds:

${bounds.join('\n')}
`;
}

function runStatesPage(): string {
  const arrows = Object.entries(TRANSITIONS).flatMap(([event, { from, to }]) =>
    from.map((status) => `  ${status} --> ${to}: ${event}`),
  );
  return `# The states of a run

A run is in one of ${RUN_STATUSES.map((status) => `\`${status}\``).join(', ')}; no other word is ever added. The last three are final.

This page is made from \`src/domain/run.ts\` by \`npm run docs\`.

\`\`\`mermaid
stateDiagram-v2
  [*] --> queued
${arrows.join('\n')}
  succeeded --> [*]
  failed --> [*]
  cancelled --> [*]
\`\`\`
`;
}

const isCheck = process.argv.includes('--check');
let stale = 0;
for (const [path, render] of Object.entries(PAGES)) {
  const wanted = render();
  if (!isCheck) await writeFile(path, wanted);
  else if ((await readFile(path, 'utf8').catch(() => '')) !== wanted) {
    stale += 1;
    process.stdout.write(`${path} does not agree with the source: run npm run docs\n`);
  }
}
process.exitCode = stale === 0 ? 0 : 1;
