// Breakages of the SQLite driver. A parameter that a statement no longer needs stays in it, because
// SQLite refuses one too many.

import type { Mutation } from './mutation.ts';

const UNDER_CLAIM = `WHERE run_id = $runId AND attempt = $attempt AND status = 'running'`;
const OF_ANY_ATTEMPT = `WHERE run_id = $runId AND $attempt IS NOT NULL AND status = 'running'`;
const IN_ANY_STATE = `WHERE run_id = $runId AND attempt = $attempt`;

/** A guard of a statement that needs the lines before it to be told from the others'. */
const guard = (file: string, what: string, before: string): Mutation[] => [
  {
    breaks: `${what} does not ask which attempt it is of`,
    file,
    find: `${before}${UNDER_CLAIM}`,
    replace: `${before}${OF_ANY_ATTEMPT}`,
  },
  {
    breaks: `${what} does not ask whether the run is running`,
    file,
    find: `${before}${UNDER_CLAIM}`,
    replace: `${before}${IN_ANY_STATE}`,
  },
];
const classic = (mutations: readonly Mutation[]): Mutation[] =>
  mutations.map((mutation) => ({ ...mutation, isClassic: true }));

const OUTCOMES: readonly Mutation[] = [
  ...classic(guard('outcomes.ts', 'An output', 'output_blob = $blob\n  ')),
  ...guard('outcomes.ts', 'A failure', 'error_type = $type, error_detail = $detail\n  '),
  ...guard('outcomes.ts', 'A retry', 'ELSE max(alone, $lostWorker) END\n  '),
  {
    breaks: 'A run that is queued again keeps its lease',
    file: 'outcomes.ts',
    find: 'owner = NULL, lease_until_ms = NULL, counted_attempts',
    replace: 'counted_attempts',
    isClassic: true,
  },
  {
    breaks: 'A retry is due at once',
    file: 'outcomes.ts',
    find: 'due_at_ms = $dueAt, queue_deadline_ms = $dueAt',
    replace: 'queue_deadline_ms = $dueAt',
  },
  {
    breaks: 'A run that is queued again has no time to wait left',
    file: 'outcomes.ts',
    find: 'queue_deadline_ms = $dueAt + queue_ttl_ms',
    replace: 'queue_deadline_ms = queue_deadline_ms',
  },
  {
    breaks: 'An attempt that was handed back counts',
    file: 'outcomes.ts',
    find: '- $uncounted',
    replace: '- 0 * $uncounted',
  },
  {
    breaks: 'A run that lost its worker is not to run alone',
    file: 'outcomes.ts',
    find: 'max(alone, $lostWorker)',
    replace: '0 * $lostWorker',
  },
  {
    breaks: 'A run that lost its worker runs beside others again after another attempt',
    file: 'outcomes.ts',
    find: 'max(alone, $lostWorker)',
    replace: '$lostWorker',
  },
  {
    breaks: 'A batch that lost its server is to run alone',
    file: 'outcomes.ts',
    find: `CASE WHEN kind = 'batch' THEN 0 ELSE max(alone, $lostWorker) END`,
    replace: 'max(alone, $lostWorker)',
  },
  {
    breaks: 'A run that succeeded is collected at once',
    file: 'outcomes.ts',
    find: 'kept_until_ms = $now + retention_ms, output_type',
    replace: 'kept_until_ms = $now, output_type',
  },
  {
    breaks: 'A run that failed is never collected',
    file: 'outcomes.ts',
    find: 'kept_until_ms = $now + retention_ms, error_type',
    replace: 'error_type',
  },
  {
    breaks: 'A run that is queued again takes no place',
    file: 'outcomes.ts',
    find: `if (changed.kind !== 'chunk') this.#deps.counters.takeBack(changed.endpoint);`,
    replace: '',
  },
  {
    breaks: 'A chunk that is queued again takes a place',
    file: 'outcomes.ts',
    find: `if (changed.kind !== 'chunk') this.#deps`,
    replace: 'this.#deps',
  },
  {
    breaks: 'Chunks go on when their batch has ended',
    file: 'outcomes.ts',
    find: `if (changed.kind === 'batch') this.#deps.cancellation.cancelChildren(now, changed.seq);`,
    replace: '',
  },
  {
    breaks: 'Nobody is told of an end that an attempt brought',
    file: 'outcomes.ts',
    find: 'this.#deps.outbox.ended(now, changed, status);',
    replace: '',
  },
  {
    breaks: 'Who has lost its claim cannot say when it stopped',
    file: 'outcomes.ts',
    find: 'this.#deps.attempts.stopped(now, attempt.claim);',
    replace: '',
  },
  {
    breaks: 'The last word on the rows of a batch is dropped',
    file: 'outcomes.ts',
    find: 'if (attempt.progress !== null) this.#note(',
    replace: 'if (attempt === null) this.#note(',
  },
];

const CLAIMS: readonly Mutation[] = [
  ...guard('claims.ts', 'A renewal', 'UPDATE runs SET lease_until_ms = $leaseUntil '),
  ...guard('claims.ts', 'Progress', 'progress_message = $message\n  '),
  {
    breaks: 'A claim does not wait until a retry is due',
    file: 'claims.ts',
    find: 'AND due_at_ms <= $now AND',
    replace: 'AND',
  },
  {
    breaks: 'A claim is a millisecond late',
    file: 'claims.ts',
    find: 'due_at_ms <= $now',
    replace: 'due_at_ms < $now',
  },
  {
    breaks: 'A claim takes what has waited too long',
    file: 'claims.ts',
    find: ' AND (queue_deadline_ms IS NULL OR queue_deadline_ms > $now)',
    replace: '',
  },
  {
    breaks: 'A claim hands out beside others what is to run alone',
    file: 'claims.ts',
    find: 'alone <= $alone',
    replace: '$alone IS NOT NULL',
  },
  {
    breaks: 'A claim that is alone takes only what is to run alone',
    file: 'claims.ts',
    find: 'alone <= $alone',
    replace: 'alone = $alone',
  },
  {
    breaks: 'A claim goes by arrival and not by turn',
    file: 'claims.ts',
    find: 'ORDER BY priority DESC, turn, seq',
    replace: 'ORDER BY priority DESC, seq',
  },
  {
    breaks: 'A claim goes by turn before priority',
    file: 'claims.ts',
    find: 'ORDER BY priority DESC, turn, seq',
    replace: 'ORDER BY turn, priority DESC, seq',
  },
  {
    breaks: 'A claim looks at every lane',
    file: 'claims.ts',
    find: `(kind = 'batch') = $batches`,
    replace: '$batches IS NOT NULL',
  },
  {
    breaks: 'A claim looks at what is not queued as well',
    file: 'claims.ts',
    find: `AND version = $version AND status = 'queued'`,
    replace: `AND version = $version`,
  },
  {
    breaks: 'A claim takes runs of any version',
    file: 'claims.ts',
    find: `AND version = $version AND status = 'queued'`,
    replace: `AND $version > 0 AND status = 'queued'`,
  },
  {
    breaks: 'A version that has runs at work loses its queued ones to another',
    file: 'deployments.ts',
    find: `AND NOT EXISTS (SELECT 1 FROM runs w`,
    replace: `AND EXISTS (SELECT 1 FROM runs w`,
  },
  {
    breaks: 'A configuration that says what it said before takes over from what was deployed since',
    file: 'deployments.ts',
    find: `if (staysAsItIs(deployment, standing)) return`,
    replace: `if (staysAsItIs(deployment, undefined)) return`,
  },
  {
    breaks: 'A claim forgets when a run first started',
    file: 'claims.ts',
    find: 'coalesce(started_at_ms, $now)',
    replace: '$now',
  },
  {
    breaks: 'A claim hands runs out in no order',
    file: 'claims.ts',
    find: 'taken.sort((a, b) => b.priority - a.priority || a.turn - b.turn || a.seq - b.seq);',
    replace: 'taken.reverse();',
  },
  {
    breaks: 'A claim frees no place',
    file: 'claims.ts',
    find: `this.#counters.free(endpoint, claimed.filter(({ run }) => run.kind !== 'chunk').length);`,
    replace: '',
  },
  {
    breaks: 'A chunk that is claimed frees a place',
    file: 'claims.ts',
    find: `claimed.filter(({ run }) => run.kind !== 'chunk').length`,
    replace: 'claimed.length',
  },
  {
    breaks: 'The turn that is served is not noted',
    file: 'claims.ts',
    find: 'for (const { kind, priority, turn } of taken) this.#counters.served({ endpoint, kind, priority }, turn);',
    replace: '',
  },
  {
    breaks: 'One run more runs than the concurrency limit',
    file: 'claims.ts',
    find: 'Math.max(0, limit - this',
    replace: 'Math.max(0, limit + 1 - this',
  },
  {
    breaks: 'There is no concurrency limit',
    file: 'claims.ts',
    find: 'if (limit === null) return',
    replace: 'if (limit !== 0) return',
  },
  {
    breaks: 'Batches count for the concurrency limit',
    file: 'claims.ts',
    find: `AND kind <> 'batch' AND status = 'running'`,
    replace: `AND status = 'running'`,
  },
];

const CANCELS: readonly Mutation[] = [
  {
    breaks: 'A run that has ended can be cancelled',
    file: 'cancel.ts',
    find: `if (run.status !== 'queued' && run.status !== 'running') return { result: 'ended' };`,
    replace: '',
  },
  {
    breaks: 'A cancelled run is cancelled again',
    file: 'cancel.ts',
    find: `if (run.status === 'cancelled') return { result: 'already-cancelled' };`,
    replace: '',
  },
  {
    breaks: 'A cancelled run keeps its lease',
    file: 'cancel.ts',
    find: ', owner = NULL, lease_until_ms = NULL',
    replace: '',
  },
  {
    breaks: 'A cancelled run is never collected',
    file: 'cancel.ts',
    find: 'kept_until_ms = $now + retention_ms, ',
    replace: '',
  },
  {
    breaks: 'A cancelled run keeps its place in the queue',
    file: 'cancel.ts',
    find: `if (run.kind !== 'chunk') this.#counters.free(run.endpoint);`,
    replace: '',
  },
  {
    breaks: 'A cancelled chunk frees a place that it never had',
    file: 'cancel.ts',
    find: `if (run.kind !== 'chunk') this.#counters`,
    replace: 'this.#counters',
  },
  {
    breaks: 'A cancel leaves the chunks',
    file: 'cancel.ts',
    find: `{ result: 'cancelled', stopped: [...this.#cancelOne(now, run), ...this.cancelChildren(now, run.seq)] }`,
    replace: `{ result: 'cancelled', stopped: this.#cancelOne(now, run) }`,
  },
  {
    breaks: 'A cancel takes chunks that have ended along',
    file: 'cancel.ts',
    find: `WHERE parent_seq = $seq AND status IN ('queued', 'running')`,
    replace: 'WHERE parent_seq = $seq',
  },
  {
    breaks: 'The attempt of a cancelled run stays open',
    file: 'cancel.ts',
    find: `this.#attempts.end(now, run.seq, run.attempt, { outcome: 'cancelled', error: null }, 'goes-on');`,
    replace: '',
  },
  {
    breaks: 'Nobody is told of a cancel',
    file: 'cancel.ts',
    find: `this.#outbox.ended(now, run, 'cancelled');`,
    replace: '',
  },
  {
    breaks: 'A purge takes what runs',
    file: 'cancel.ts',
    find: `WHERE endpoint = $endpoint AND status = 'queued' AND parent_seq IS NULL`,
    replace: `WHERE endpoint = $endpoint AND status IN ('queued', 'running') AND parent_seq IS NULL`,
  },
  {
    breaks: 'A purge takes chunks by themselves',
    file: 'cancel.ts',
    find: `status = 'queued' AND parent_seq IS NULL`,
    replace: `status = 'queued'`,
  },
  {
    breaks: 'A purge takes what came at the very instant as well',
    file: 'cancel.ts',
    find: 'created_at_ms < $createdBefore',
    replace: 'created_at_ms <= $createdBefore',
  },
  {
    breaks: 'A purge looks at no name',
    file: 'cancel.ts',
    find: 'run_name = $runName',
    replace: '$runName = $runName',
  },
];

const INTAKE: readonly Mutation[] = [
  ...guard('intake.ts', 'A new chunk', 'SELECT seq FROM runs '),
  {
    breaks: 'The queue takes one run more than its limit',
    file: 'counters.ts',
    find: 'counter.queued >= counter.queueLimit',
    replace: 'counter.queued > counter.queueLimit',
    isClassic: true,
  },
  {
    breaks: 'An idempotency key is everybody’s',
    file: 'intake.ts',
    find: 'WHERE tenant = $tenant AND key = $key',
    replace: 'WHERE $tenant IS NOT NULL AND key = $key',
  },
  {
    breaks: 'An idempotency key stands for any request',
    file: 'intake.ts',
    find: `if (found.fingerprint !== idempotency.fingerprint) return { result: 'key-reused' };`,
    replace: '',
  },
  {
    breaks: 'An idempotency key is not kept',
    file: 'intake.ts',
    find: 'if (run.idempotency !== null) this.#keepKey',
    replace: 'if (run === null) this.#keepKey',
  },
  {
    breaks: 'A concurrency key is looked at before the idempotency key',
    file: 'intake.ts',
    find: 'this.#replayOf(run) ??\n        this.#duplicateOf(now, run) ??',
    replace: 'this.#duplicateOf(now, run) ??\n        this.#replayOf(run) ??',
  },
  {
    breaks: 'A concurrency key stands for runs that have ended',
    file: 'intake.ts',
    find: ` AND (status = 'queued' OR status = 'running')`,
    replace: '',
  },
  {
    breaks: 'A concurrency key does not stand for a run that runs',
    file: 'intake.ts',
    find: `(status = 'queued' OR status = 'running')`,
    replace: `status = 'queued'`,
  },
  {
    breaks: 'A concurrency key is everybody’s',
    file: 'intake.ts',
    find: 'tenant = $tenant AND concurrency_key',
    replace: '$tenant IS NOT NULL AND concurrency_key',
  },
  {
    breaks: 'A concurrency key is every endpoint’s',
    file: 'intake.ts',
    find: 'endpoint = $endpoint AND tenant',
    replace: '$endpoint IS NOT NULL AND tenant',
  },
  {
    breaks: 'A chunk that is refused draws a turn',
    file: 'intake.ts',
    find: 'if (changes === 0) return null;\n    this.#counters.drew(run, turn);',
    replace: 'this.#counters.drew(run, turn);\n    if (changes === 0) return null;',
  },
  {
    breaks: 'A tenant draws turns as if it were alone',
    file: 'counters.ts',
    find: 'Math.max(line.served, ',
    replace: 'Math.max(0, ',
  },
  {
    breaks: 'A tenant’s runs all have the turn that is next',
    file: 'counters.ts',
    find: 'line.drawn.get(run.tenant) ?? this.#lastDrawn(line, run.tenant)',
    replace: '0',
  },
  {
    breaks: 'All priorities of an endpoint are one line',
    file: 'counters.ts',
    find: '} ${priority} ${endpoint}`',
    replace: '} ${endpoint}`',
  },
  {
    breaks: 'The turn that is served can go back',
    file: 'counters.ts',
    find: 'if (turn <= line.served) return;',
    replace: '',
  },
  {
    breaks: 'The counters are not written before a commit',
    file: 'verbs.ts',
    find: `counters.writeBack();\n    db.exec('COMMIT');`,
    replace: `db.exec('COMMIT');`,
    tests: ['sqlite-counters'],
  },
  {
    breaks: 'The counters are believed after a rollback',
    file: 'verbs.ts',
    find: 'counters.forget();\n    if (db.isTransaction)',
    replace: 'if (db.isTransaction)',
    tests: ['sqlite-counters'],
  },
];

const OUTBOX: readonly Mutation[] = [
  {
    breaks: 'The end of a delivery does not ask which attempt it is of',
    file: 'outbox.ts',
    find: 'SET outcome = $outcome, detail = $detail\n  WHERE delivery_id = $deliveryId AND attempt = $attempt',
    replace: 'SET outcome = $outcome, detail = $detail\n  WHERE delivery_id = $deliveryId AND $attempt IS NOT NULL',
  },
  {
    breaks: 'A delivery can end twice',
    file: 'outbox.ts',
    find: 'SET outcome = $outcome, detail = $detail\n  WHERE delivery_id = $deliveryId AND attempt = $attempt AND outcome IS NULL',
    replace: 'SET outcome = $outcome, detail = $detail\n  WHERE delivery_id = $deliveryId AND attempt = $attempt',
  },
  {
    breaks: 'A delivery that was claimed since can be put off',
    file: 'outbox.ts',
    find: 'SET due_at_ms = $dueAt, detail = $detail\n  WHERE delivery_id = $deliveryId AND attempt = $attempt',
    replace: 'SET due_at_ms = $dueAt, detail = $detail\n  WHERE delivery_id = $deliveryId AND $attempt IS NOT NULL',
  },
  {
    breaks: 'A delivery that has ended can be put off',
    file: 'outbox.ts',
    find: 'SET due_at_ms = $dueAt, detail = $detail\n  WHERE delivery_id = $deliveryId AND attempt = $attempt AND outcome IS NULL',
    replace: 'SET due_at_ms = $dueAt, detail = $detail\n  WHERE delivery_id = $deliveryId AND attempt = $attempt',
  },
  {
    breaks: 'A delivery is handed out before it is due',
    file: 'outbox.ts',
    find: 'd.outcome IS NULL AND d.due_at_ms <= $now',
    replace: 'd.outcome IS NULL AND $now IS NOT NULL',
  },
  {
    breaks: 'A delivery that has ended is handed out',
    file: 'outbox.ts',
    find: 'WHERE d.outcome IS NULL AND d.due_at_ms',
    replace: 'WHERE d.due_at_ms',
  },
  {
    breaks: 'A delivery is handed out to two at once',
    file: 'outbox.ts',
    find: 'due_at_ms = $leaseUntil',
    replace: 'due_at_ms = due_at_ms + 0 * $leaseUntil',
  },
  {
    breaks: 'A host has as many deliveries as are due',
    file: 'outbox.ts',
    find: 'FROM placed WHERE place <= $perHost',
    replace: 'FROM placed WHERE $perHost > 0',
  },
  {
    breaks: 'What is on its way to a host is not counted',
    file: 'outbox.ts',
    find: 'taken + row_number()',
    replace: 'row_number()',
  },
  {
    breaks: 'A host is given what is due for others',
    file: 'outbox.ts',
    find: 'WHERE host = $host AND outcome IS NULL',
    replace: 'WHERE $host IS NOT NULL AND outcome IS NULL',
  },
  {
    breaks: 'A host is given what is not due',
    file: 'outbox.ts',
    find: 'outcome IS NULL AND due_at_ms <= $now\n    ORDER BY',
    replace: 'outcome IS NULL AND $now IS NOT NULL\n    ORDER BY',
  },
  {
    breaks: 'A host is given what has ended',
    file: 'outbox.ts',
    find: 'WHERE host = $host AND outcome IS NULL',
    replace: 'WHERE host = $host',
  },
  {
    breaks: 'A host is given the newest first',
    file: 'outbox.ts',
    find: 'ORDER BY due_at_ms LIMIT $places',
    replace: 'ORDER BY due_at_ms DESC LIMIT $places',
  },
  {
    breaks: 'A claim from before a redelivery puts it off',
    file: 'outbox.ts',
    find: 'SET due_at_ms = $dueAt, detail = $detail\n  WHERE delivery_id = $deliveryId AND attempt = $attempt AND outcome IS NULL AND series_from < attempt',
    replace:
      'SET due_at_ms = $dueAt, detail = $detail\n  WHERE delivery_id = $deliveryId AND attempt = $attempt AND outcome IS NULL',
  },
  {
    breaks: 'A claim from before a redelivery ends it',
    file: 'outbox.ts',
    find: 'SET outcome = $outcome, detail = $detail\n  WHERE delivery_id = $deliveryId AND attempt = $attempt AND outcome IS NULL AND series_from < attempt',
    replace:
      'SET outcome = $outcome, detail = $detail\n  WHERE delivery_id = $deliveryId AND attempt = $attempt AND outcome IS NULL',
  },
  {
    breaks: 'A delivery is asked for again under the name of another run',
    file: 'outbox.ts',
    find: ' AND run_seq = (SELECT seq FROM runs WHERE run_id = $runId)`;',
    replace: ' AND $runId IS NOT NULL`;',
  },
  {
    breaks: 'An attempt is written over by another answer',
    file: 'outbox.ts',
    find: 'attempt = $attempt AND finished_at_ms IS NULL',
    replace: 'attempt = $attempt',
  },
  {
    breaks: 'Everybody is told of everything',
    file: 'outbox.ts',
    find: 'callback === null || !callback.events.includes(event)',
    replace: 'callback === null',
  },
];

const LATER: readonly Mutation[] = [
  {
    breaks: 'A run’s line goes with its payloads',
    file: 'retention.ts',
    find: `run.kind !== 'chunk' && run.payloads_kept === 1`,
    replace: `run.kind !== 'chunk' && run.payloads_kept === 2`,
  },
  {
    breaks: 'A run’s line never goes',
    file: 'retention.ts',
    find: `run.kind !== 'chunk' && run.payloads_kept === 1`,
    replace: `run.kind !== 'chunk'`,
  },
  {
    breaks: 'A chunk has a line of its own',
    file: 'retention.ts',
    find: `run.kind !== 'chunk' && run.payloads_kept === 1`,
    replace: 'run.payloads_kept === 1',
  },
  {
    breaks: 'Payloads are kept for a millisecond more',
    file: 'retention.ts',
    find: 'kept_until_ms <= $now',
    replace: 'kept_until_ms < $now',
  },
  {
    breaks: 'A line is kept no longer than the payloads',
    file: 'retention.ts',
    find: 'max(kept_until_ms, finished_at_ms + ${LINE_KEPT})',
    replace: 'kept_until_ms',
  },
  {
    breaks: 'A run is forgotten while its delivery is on its way',
    file: 'retention.ts',
    find: 'WHERE d.run_seq = r.seq AND d.outcome IS NULL',
    replace: 'WHERE d.run_seq = -r.seq AND d.outcome IS NULL',
  },
  {
    breaks: 'A chunk is collected before its batch has ended',
    file: 'retention.ts',
    find: 'WHERE p.seq = r.parent_seq AND (p.finished_at_ms IS NULL OR p.payloads_kept = 1)',
    replace: 'WHERE p.seq = -r.parent_seq AND (p.finished_at_ms IS NULL OR p.payloads_kept = 1)',
  },
  {
    breaks: 'A chunk is never collected',
    file: 'retention.ts',
    find: 'AND (p.finished_at_ms IS NULL OR p.payloads_kept = 1)',
    replace: '',
  },
  {
    breaks: 'Inputs are kept for good',
    file: 'retention.ts',
    find: '[DELETE_INPUT, DELETE_OUTPUT]',
    replace: '[DELETE_OUTPUT]',
  },
  {
    breaks: 'A blob that is collected is still named',
    file: 'retention.ts',
    find: 'input_blob = NULL, output_blob = NULL,',
    replace: '',
  },
  {
    breaks: 'An idempotency key goes a millisecond late',
    file: 'retention.ts',
    find: 'created_at_ms <= $now - ',
    replace: 'created_at_ms < $now - ',
  },
  {
    breaks: 'An idempotency key goes at once',
    file: 'retention.ts',
    find: '$now - ${IDEMPOTENCY_KEY_KEPT}',
    replace: '$now',
  },
  {
    breaks: 'A lease lasts a millisecond longer',
    file: 'sweep.ts',
    find: 'lease_until_ms <= $now',
    replace: 'lease_until_ms < $now',
  },
  {
    breaks: 'What a dead server ran is left until its lease has lapsed',
    file: 'sweep.ts',
    find: '(lease_until_ms <= $now OR owner <> $owner)',
    replace: '(lease_until_ms <= $now AND $owner IS NOT NULL)',
    tests: ['sqlite-file'],
  },
  {
    breaks: 'A run may lose one worker more than its limit',
    file: 'sweep.ts',
    find: 'run.counted_attempts >= run.lost_workers_max',
    replace: 'run.counted_attempts > run.lost_workers_max',
  },
  {
    breaks: 'A batch fails when it loses its server once',
    file: 'sweep.ts',
    find: 'run.lost_workers_max !== null && run.counted_attempts',
    replace: 'run.counted_attempts',
  },
  {
    breaks: 'A run may wait for a millisecond more',
    file: 'sweep.ts',
    find: 'queue_deadline_ms <= $now',
    replace: 'queue_deadline_ms < $now',
  },
  {
    breaks: 'What runs fails of waiting too long',
    file: 'sweep.ts',
    find: `status = 'queued' AND queue_deadline_ms <= $now\n    ORDER BY queue_deadline_ms\n    LIMIT \${SWEEP_MAX})\n    AND status = 'queued'`,
    replace: 'queue_deadline_ms <= $now)',
  },
  {
    breaks: 'A run that waited too long keeps its place',
    file: 'sweep.ts',
    find: 'this.#deps.counters.free(endpoint);',
    replace: '',
  },
  {
    breaks: 'Nobody is told of a run that waited too long',
    file: 'sweep.ts',
    find: `this.#deps.outbox.ended(now, run, 'failed');`,
    replace: '',
  },
  {
    breaks: 'The chunks of a batch that waited too long go on',
    file: 'sweep.ts',
    find: 'this.#deps.cancellation.cancelChildren(now, seq);',
    replace: '',
  },
  {
    breaks: 'Who stopped twice stopped the second time',
    file: 'attempt-log.ts',
    find: 'AND attempt = $attempt AND stopped_at_ms IS NULL',
    replace: 'AND attempt = $attempt',
  },
  {
    breaks: 'An outcome that was refused is not counted',
    file: 'driver.ts',
    find: `.filter((one) => one === 'lost').length`,
    replace: '.length * 0',
  },
];

const VIEWERS: readonly Mutation[] = [
  {
    breaks: 'A stranger sees a run by its id',
    file: 'read.ts',
    find: 'row === undefined || isHidden(row, viewer) ? null',
    replace: 'row === undefined ? null',
  },
  {
    breaks: 'A stranger sees the details of a run by its id',
    file: 'read.ts',
    find: 'if (row === undefined || isHidden(row, viewer)) return null',
    replace: 'if (row === undefined) return null',
  },
  {
    breaks: 'A stranger sees runs of another tenant in lists and purges',
    file: 'viewer.ts',
    find: '($tenant IS NULL OR ${runs}.tenant = $tenant)',
    replace: '($tenant IS NULL OR TRUE)',
  },
  {
    breaks: 'A stranger sees runs of other endpoints in lists and purges',
    file: 'viewer.ts',
    find: '${runs}.endpoint IN (SELECT value FROM json_each($visibleEndpoints))',
    replace: 'TRUE',
  },
  {
    breaks: 'A stranger sees what a purge does not',
    file: 'cancel.ts',
    find: "AND ${seenBy('runs')}",
    replace: 'AND ($tenant IS NULL OR TRUE) AND ($visibleEndpoints IS NULL OR TRUE)',
  },
];

/** See the head of this file. */
export const SQLITE_MUTATIONS: readonly Mutation[] = [
  ...OUTCOMES,
  ...CLAIMS,
  ...CANCELS,
  ...INTAKE,
  ...OUTBOX,
  ...LATER,
  ...VIEWERS,
];
