// What is reported of an attempt while it works: how far it has come goes to the ledger, what it
// writes to its log.

import type { StepProgress } from '../domain/batch.ts';
import { type Duration, seconds } from '../domain/time.ts';
import type { Claim, QueueLedger } from '../stores/ledger/ledger.ts';
import type { Log } from '../system/log.ts';
import type { RunLogs } from '../stores/run-logs/run-logs.ts';
import type { Callbacks } from '../replicas/callbacks.ts';
import type { Reporter } from '../replicas/reports.ts';
import type { RunEvents } from './run-events.ts';

/**
 * Progress is written no more often than this, however often it is reported: every write is a
 * commit.
 */
const PROGRESS_EVERY: Duration = seconds(1);

/** What the desk works with. */
export interface ReportsDeps {
  readonly ledger: QueueLedger;
  readonly logs: RunLogs;
  readonly callbacks: Callbacks;
  readonly events: RunEvents;
  readonly log: Log;
}

/** What one attempt reports, until it is closed. */
export interface AttemptReports {
  /** Where its replica may report. */
  readonly url: string;
  /** Takes what its replica reports in another way, or prints. */
  readonly reporter: Reporter;
  /** The last progress that was reported, or null. */
  lastProgress(): StepProgress | null;
  /** Takes no more reports; resolves when all lines can be read. */
  close(): Promise<void>;
}

/** Begins to take reports of an attempt. */
export function openReports({ ledger, logs, callbacks, events, log }: ReportsDeps, claim: Claim): AttemptReports {
  const writer = logs.writer(claim.runId, claim.attempt, () => events.changed(claim.runId, 'lines'));
  let last: StepProgress | null = null;
  let isWritten = true;
  let pause: NodeJS.Timeout | null = null;

  const write = (): void => {
    pause = isWritten ? null : setTimeout(write, PROGRESS_EVERY);
    if (isWritten) return;
    isWritten = true;
    // A worker that has lost its claim hears of it elsewhere.
    ledger
      .progress(claim, last!)
      .then(() => events.changed(claim.runId, 'state'))
      .catch((error: unknown) =>
        log.warn({ err: error, run_id: claim.runId }, 'the progress of a run was not written'),
      );
  };
  const reporter: Reporter = {
    progress(progress) {
      last = progress;
      isWritten = false;
      if (pause === null) write();
    },
    log: (entries) => entries.forEach((entry) => writer.add(entry)),
    dropped: (lines) => writer.drop(lines),
  };
  const desk = callbacks.open(reporter);
  return {
    url: desk.url,
    lastProgress: () => last,
    reporter,
    async close() {
      desk.close();
      if (pause !== null) clearTimeout(pause);
      await writer.close();
    },
  };
}
