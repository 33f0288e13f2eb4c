"""What a print costs in a run, beside what it costs in Python alone: processor time, since other programs only add to any other."""

import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/model"))
import runner

WAYS = {
    "lines, few": (900, lambda: print("a line of a log that is not long")),
    "lines, many": (50_000, lambda: print("a line of a log that is not long")),
    "print(end='')": (50_000, lambda: print(".", end="")),
    "progress bar": (50_000, lambda: print("\r 10%|###       | 3/10", end="")),
}


def measured():
    costs = {}
    for name, (count, work) in WAYS.items():
        # What came before fills no second of this one's.
        time.sleep(1.1)
        before = time.process_time()
        for _ in range(count):
            work()
        costs[name] = (time.process_time() - before) / count
    return costs


alone = measured()
sys.stdout = runner.Heard(sys.stdout, "stdout")
runner.INVOCATION.set(runner.Reports(runner.Channel(os.open(os.devnull, os.O_WRONLY)), "run.1"))
in_a_run = measured()
print(json.dumps({name: [alone[name], in_a_run[name]] for name in WAYS}), file=sys.stderr)
