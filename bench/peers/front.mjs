// The front that every peer gets: the two routes that an asynchronous user calls, in the framework
// and version that claimcheck uses. POST /runs answers 202 once the run is durable; GET
// /runs/{id}?wait=60 answers when it has ended.

import fastify from 'fastify';

/**
 * Runs of this process that have not ended: whoever waits for one of them need not ask the store.
 */
class OpenRuns {
  #waiting = new Map();

  opened(id) {
    this.#waiting.set(id, []);
  }

  ended(id, output) {
    for (const resolve of this.#waiting.get(id) ?? []) resolve(output);
    this.#waiting.delete(id);
  }

  /** Null for a run that has ended, or was taken in by another process. */
  end(id) {
    const waiting = this.#waiting.get(id);
    return waiting === undefined ? null : new Promise((resolve) => waiting.push(resolve));
  }
}

/**
 * Serves a peer, and prints where.
 *
 * @param peer `submit(id, input)` resolves when the run is durable; `lookUp(id)` answers what the
 *   store has as its output, or undefined
 * @returns `ended(id, output)`, to be called when the end of a run is durable
 */
export async function serve({ submit, lookUp }) {
  const open = new OpenRuns();
  const app = fastify();

  app.post('/runs', async (request, reply) => {
    const id = crypto.randomUUID();
    // Before it is handed in: it may end before its own promise resolves.
    open.opened(id);
    await submit(id, request.body.input);
    return reply.code(202).header('location', `/runs/${id}`).send({ run_id: id, status: 'queued' });
  });

  app.get('/runs/:id', async (request) => {
    const { id } = request.params;
    const outputs = await within(Number(request.query.wait ?? 0), open.end(id) ?? lookUp(id));
    return outputs === undefined
      ? { run_id: id, status: 'queued', done: false }
      : { run_id: id, status: 'succeeded', done: true, outputs };
  });

  process.stdout.write(`${await app.listen({ host: '127.0.0.1', port: 0 })}\n`);
  return (id, output) => open.ended(id, output);
}

async function within(seconds, promise) {
  let timer;
  const timeout = new Promise((resolve) => (timer = setTimeout(resolve, seconds * 1_000)));
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
