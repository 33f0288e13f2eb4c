// Nothing that a model raises, returns or leaves behind ends its runner: the run has an answer, and
// the next one is worked on by the same process.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Reply } from '../../src/replicas/contract.ts';
import { ask, fleetForTest, told, type Fleet } from '../replicas/fleet.ts';
import { hasPython, NO_PYTHON } from '../support/python.ts';
import { until } from '../support/until.ts';

const failed = (says: string | RegExp): object => ({
  kind: 'model-error',
  detail: expect.stringMatching(says) as string,
});
const invalid = (says: string | RegExp): object => ({
  kind: 'invalid-output',
  detail: expect.stringMatching(says) as string,
});
const answers = (value: unknown): object => ({ kind: 'output', bytes: JSON.stringify(value) });

const shown = (reply: Reply): unknown =>
  reply.kind === 'output' ? { ...reply, bytes: new TextDecoder().decode(reply.bytes) } : reply;

function heldTo(model: string, cases: readonly (readonly [way: string, wanted: object])[]): void {
  let fleet: Fleet;
  let pid: unknown;
  beforeAll(async () => {
    fleet = await fleetForTest({ model, replicas: { min: 1 } }, { whenDone: afterAll });
    pid = await told(await fleet.slot(), 'pid');
  });

  test.each(cases)('%s', async (way, wanted) => {
    expect(shown(await ask(await fleet.slot(), way))).toMatchObject(wanted);
    // A replica that has failed three times in a row is replaced, and so never has.
    await until('what is left behind has come', async () => (await ask(await fleet.slot(), 'sleep')).kind === 'output');
    expect(await told(await fleet.slot(), 'pid')).toBe(pid);
  });
}

describe.skipIf(!hasPython)(`in Python (${NO_PYTHON} where this is skipped)`, () => {
  heldTo('./hostile.py', [
    ['no text', failed(/^A NoText whose text cannot be had: that raised a RuntimeError\.$/)],
    ['exit text', failed('A ExitText whose text cannot be had: that raised a SystemExit.')],
    ['odd text', failed(/^odd$/)],
    ['long text', failed(/^x{3999}…$/)],
    ['base exception', failed(/^ends$/)],
    ['exit', failed('SystemExit: exits')],
    ['interrupt', failed('KeyboardInterrupt')],
    ['generator exit', failed('GeneratorExit')],
    ['stop iteration', failed('StopIteration')],
    ['group', failed('several (.*): ValueError: one; NoText: A NoText whose text')],
    ['poison', invalid('a Poison')],
    ['poison list', failed('no (len|iter)')],
    ['poison dict', failed('no items')],
    ['poison key', invalid('a type as a key')],
    ['poison frame', invalid('a PoisonFrame')],
    ['endless', invalid('nested too deeply')],
    ['circular', invalid('circular')],
    ['nested', invalid('nested too deeply')],
    ['half-way', failed('half-way')],
    ['generator', invalid('a generator')],
    ['recursion', failed('maximum recursion depth')],
    ['low limit', answers('low')],
    ['closed output', answers('closed')],
    ['no output', failed('nobody hears this')],
    ['alarm', answers('set')],
    ['interrupt later', answers('set')],
    ['thread', answers('raised')],
    ['at exit', answers('registered')],
    ['patched', failed('patched')],
    ['elsewhere', answers('/')],
    ['fork', answers("the parent's")],
    ['other json', answers('patched')],
    ['impatient', answers('x'.repeat(20_000_000))],
    ['impatient again', answers('x'.repeat(20_000_000))],
  ]);
});

test.skipIf(!hasPython)('an alarm that rings while an answer is made or sent loses no answer', async () => {
  const fleet = await fleetForTest({ model: './hostile.py', replicas: { min: 1 } });
  for (let asked = 0; asked < 500; asked += 1) {
    const reply = await ask(await fleet.slot(), 'rings at once');
    // An alarm that rings before the model has returned is the model's own error.
    expect(shown(reply)).toMatchObject(reply.kind === 'output' ? answers('set') : failed('The alarm rang.'));
  }
});

describe('in TypeScript', () => {
  heldTo('./hostile.ts', [
    ['no text', failed('The model threw a value of type object that has no text.')],
    ['no message', failed('The model threw an error whose text cannot be had.')],
    ['no error', failed('The model threw undefined.')],
    ['symbol', failed('Symbol\\(odd\\)')],
    ['no prototype', failed('The model threw a value of type object that has no text.')],
    ['poison', failed('The model threw')],
    ['a poison', failed('')],
    ['getter', invalid('cannot be written as JSON: The model threw a value of type object that has no text')],
    ['no json', invalid('cannot be written as JSON')],
    ['bigint', invalid('BigInt')],
    ['circular', invalid('circular')],
    ['nested', invalid('cannot be written as JSON')],
    ['recursion', failed('call stack')],
    ['function', invalid('function')],
    ['a symbol', invalid('symbol')],
    ['left rejection', answers('left')],
    ['left timer', answers('left')],
    ['thrown in a timer', failed('This reaches nobody.')],
    ['error event', failed('Nobody listens.')],
    ['no output', answers('closed')],
  ]);
});
