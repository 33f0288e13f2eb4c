// BullMQ on Redis: node bullmq.mjs <plain|tuned> <redis port>
// The end is taken from the worker's own event, which comes once Redis has moved the job and is
// sooner than QueueEvents.

import { Queue, Worker } from 'bullmq';
import { serve } from './front.mjs';
import { grouped } from './group.mjs';

const [, , form, port] = process.argv;
const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null };
const queue = new Queue('noop', { connection });

const add = {
  plain: ({ name, data, opts }) => queue.add(name, data, opts),
  tuned: grouped((jobs) => queue.addBulk(jobs), 2),
}[form];
const ended = await serve({
  submit: (id, data) => add({ name: 'noop', data, opts: { jobId: id } }),
  async lookUp(id) {
    const job = await queue.getJob(id);
    return job?.finishedOn === undefined ? undefined : job.returnvalue;
  },
});

// Each worker asks for jobs one after the other, so that several of them with fewer places each are
// twice as fast as one with 64.
const workers = { plain: 1, tuned: 8 }[form];
for (let started = 0; started < workers; started += 1) {
  const worker = new Worker('noop', async (job) => job.data, { connection, concurrency: 64 / workers });
  worker.on('completed', (job, output) => ended(job.id, output));
}
