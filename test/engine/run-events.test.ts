import { expect, test } from 'vitest';
import { newRunId } from '../../src/system/clock.ts';
import { type RunEnded, RunEvents } from '../../src/engine/run-events.ts';

const end = (changes: Partial<RunEnded> = {}): RunEnded => ({
  runId: newRunId(),
  parentId: null,
  rows: null,
  status: 'succeeded',
  error: null,
  hasCallback: false,
  ...changes,
});

test('one that waits for a run hears of its end, and of no other', () => {
  const events = new RunEvents();
  const heard: RunEnded[] = [];
  const mine = end();
  events.onEnd(mine.runId, (event) => heard.push(event));
  events.onEnd(mine.runId, (event) => heard.push(event));
  events.ended(end());
  events.ended(mine);
  expect(heard).toEqual([mine, mine]);
});

test('a batch hears of every chunk of its own', () => {
  const events = new RunEvents();
  const heard: RunEnded[] = [];
  const parentId = newRunId();
  events.onChunkEnd(parentId, (event) => heard.push(event));
  const mine = end({ parentId, rows: { from: 0, to: 1 } });
  events.ended(mine);
  events.ended(end({ parentId: newRunId() }));
  events.ended(end());
  expect(heard).toEqual([mine]);
});

test('who has stopped listening hears nothing, and stopping twice is fine', () => {
  const events = new RunEvents();
  const heard: RunEnded[] = [];
  const mine = end();
  const stop = events.onEnd(mine.runId, (event) => heard.push(event));
  events.onEnd(mine.runId, (event) => heard.push(event));
  stop();
  stop();
  events.ended(mine);
  expect(heard).toHaveLength(1);
});

test('who stops listening while being told does not keep the others from hearing', () => {
  const events = new RunEvents();
  const heard: string[] = [];
  const mine = end();
  const stop = events.onEnd(mine.runId, () => {
    heard.push('first');
    stop();
  });
  events.onEnd(mine.runId, () => heard.push('second'));
  events.ended(mine);
  expect(heard).toEqual(['first', 'second']);
});

test('who follows a run hears that its end changed it', () => {
  const events = new RunEvents();
  const heard: string[] = [];
  const mine = end();
  events.onChange(mine.runId, (what) => heard.push(what));
  events.ended(mine);
  expect(heard).toEqual(['state']);
});

test('a run that somebody asked to be told of has its delivery carried out, and no other', () => {
  let deliveries = 0;
  const events = new RunEvents(() => (deliveries += 1));
  events.ended(end());
  events.ended(end({ hasCallback: true }));
  expect(deliveries).toBe(1);
});

test('nobody waits for a run once the last listener has stopped', () => {
  const events = new RunEvents();
  const mine = end();
  const stops = [events.onEnd(mine.runId, () => {}), events.onEnd(mine.runId, () => {})];
  expect(events.hasWaiters(mine.runId)).toBe(true);
  stops.forEach((stop) => stop());
  expect([events.hasWaiters(mine.runId), events.isAwaited(mine)]).toEqual([false, false]);
});
