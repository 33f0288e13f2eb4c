import { beforeAll, describe, expect, test } from 'vitest';
import { noFaultyDisk } from '../support/faulty-disk.ts';
import { coins } from './coins.ts';
import { playCut, type Recording, recordWork } from './power-cut.ts';

// A few moments, the same in every run of the tests; `node test/faults/power-cut-loop.ts` tries
// many.
describe.skipIf(noFaultyDisk !== null)(`a power cut (${noFaultyDisk ?? 'on a recording'})`, () => {
  let recording: Recording;
  beforeAll(() => {
    recording = recordWork(16);
  });

  test.for([0.001, 0.01, 0.2, 0.4, 0.6, 0.8, 0.95, 1])(
    'when %f of the work is done loses nothing that was acknowledged, and breaks no promise',
    async (part) => {
      const { coin } = coins(part);
      const { acknowledged, lost } = await playCut(recording, Math.ceil(part * recording.length), 'honest', coin);
      expect(lost).toEqual([]);
      if (part === 1) expect(acknowledged).toBe(16 * (8 + 4));
    },
  );

  test.for([0, 17, 40, 99, 150])('right after acknowledgement %i loses nothing either', async (number) => {
    const { coin } = coins(number);
    const { acknowledged, lost } = await playCut(recording, recording.said[number]!.at + 1, 'honest', coin);
    expect(lost).toEqual([]);
    expect(acknowledged).toBe(number + 1);
  });

  test('of a disk that lies about what it has written does lose runs, so these cuts are worth something', async () => {
    const { lost } = await playCut(recording, recording.length, 'lying', coins(1).coin);
    expect(lost.length).toBeGreaterThan(0);
  });
});
