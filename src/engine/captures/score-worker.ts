// The thread in which a large table is scored: one table, one answer.

import { parentPort, workerData } from 'node:worker_threads';
import { answer, type StoredRequest } from './score-answer.ts';

parentPort!.postMessage(answer(workerData as StoredRequest));
