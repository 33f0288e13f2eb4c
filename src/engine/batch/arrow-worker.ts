// The thread in which a long table is made into JSON Lines or into Arrow: one table, one answer.

import { parentPort, type Transferable, workerData } from 'node:worker_threads';
import { type AnyResult, convert, type Converted, type ConversionRequest } from './arrow-conversion.ts';

function memoryOf(converted: Converted<AnyResult>): Transferable[] {
  if ('refusal' in converted) return [];
  const { result } = converted;
  if (result instanceof Uint8Array) return [result.buffer as ArrayBuffer];
  const arrays = 'lines' in result ? [result.lines, result.index.spans] : 'spans' in result ? [result.spans] : [];
  return arrays.map(({ buffer }) => buffer as ArrayBuffer);
}

const converted = await convert(workerData as ConversionRequest);
parentPort!.postMessage(converted, memoryOf(converted));
