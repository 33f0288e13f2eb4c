// Calls that come while others are being written are written together, by the bulk call that each
// library has.

/**
 * @param write takes items and resolves when all of them are durable; its answers stand at the
 *   places of their items
 * @param underwayMax groups that are written at the same time
 */
export function grouped(write, underwayMax = 1) {
  let waiting = [];
  let underway = 0;
  let scheduled = false;

  function schedule() {
    if (scheduled || underway >= underwayMax || waiting.length === 0) return;
    scheduled = true;
    // At the end of the event loop's turn, so that requests that were read in one turn share a
    // group.
    setImmediate(() => {
      scheduled = false;
      const group = waiting;
      waiting = [];
      underway += 1;
      write(group.map(({ item }) => item))
        .then(
          (answers) => group.forEach(({ resolve }, place) => resolve(answers?.[place])),
          (error) => group.forEach(({ reject }) => reject(error)),
        )
        .finally(() => {
          underway -= 1;
          schedule();
        });
    });
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      schedule();
    });
}
