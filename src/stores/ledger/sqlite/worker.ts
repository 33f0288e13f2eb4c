// A thread that has the database of a ledger for the one that started it.

import { parentPort, workerData } from 'node:worker_threads';
import { answerGroups, type Orders } from './groups.ts';

answerGroups(parentPort!, workerData as Orders);
