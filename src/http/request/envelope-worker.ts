// The thread in which a long envelope is looked through: one envelope, one answer.

import { parentPort, workerData } from 'node:worker_threads';
import { ServiceError } from '../../domain/errors.ts';
import { placesOfMembers } from './envelope.ts';
import type { Found } from './long-envelope.ts';

function found(bytes: Uint8Array): Found {
  try {
    return { places: placesOfMembers(bytes) };
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    return { refusal: { slug: error.slug, message: error.message } };
  }
}

parentPort!.postMessage(found(workerData as Uint8Array));
