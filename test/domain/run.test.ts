import { describe, expect, test } from 'vitest';
import {
  ENDED_STATUSES,
  isEnded,
  RUN_STATUSES,
  type RunEvent,
  type RunStatus,
  TRANSITIONS,
} from '../../src/domain/run.ts';

/** Every event × every status: where it leads, or null where it cannot happen. */
const TABLE: Record<RunEvent, Record<RunStatus, RunStatus | null>> = {
  claim: { queued: 'running', running: null, succeeded: null, failed: null, cancelled: null },
  succeed: { queued: null, running: 'succeeded', succeeded: null, failed: null, cancelled: null },
  fail: { queued: null, running: 'failed', succeeded: null, failed: null, cancelled: null },
  requeue: { queued: null, running: 'queued', succeeded: null, failed: null, cancelled: null },
  expire: { queued: 'failed', running: null, succeeded: null, failed: null, cancelled: null },
  cancel: { queued: 'cancelled', running: 'cancelled', succeeded: null, failed: null, cancelled: null },
};
const EVENTS = Object.keys(TRANSITIONS) as RunEvent[];

describe.each(EVENTS)('%s', (event) => {
  test.each([...RUN_STATUSES])('of a run that is %s', (status) => {
    const { from, to } = TRANSITIONS[event];
    expect((from as readonly RunStatus[]).includes(status) ? to : null).toBe(TABLE[event][status]);
  });
});

test('no event takes a run out of a status that is final', () => {
  const left = EVENTS.flatMap((event): RunStatus[] => [...TRANSITIONS[event].from]);
  for (const status of ENDED_STATUSES) expect(left).not.toContain(status);
});

test('every status can be reached, and every run can end', () => {
  const reached = new Set<RunStatus>(['queued', ...EVENTS.map((event) => TRANSITIONS[event].to)]);
  expect(reached).toEqual(new Set(RUN_STATUSES));
});

test('a status is final where the table says so, and there are five of them and no more', () => {
  expect(RUN_STATUSES.filter(isEnded)).toEqual([...ENDED_STATUSES]);
  expect(RUN_STATUSES).toEqual(['queued', 'running', 'succeeded', 'failed', 'cancelled']);
});
