"""The cost of a print in a run, beside its cost in Python alone.

It is processor time, since other programs only add to any other time.
"""

import json
import os
import sys
import time

sys.path.insert(
    0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/model/python")
)
from claimcheck_runner.printed_output import INVOCATION, Heard
from claimcheck_runner.reports import Channel, Reports

WAYS = {
    "lines, few": (900, lambda: print("a line of a log that is not long")),
    "lines, many": (50_000, lambda: print("a line of a log that is not long")),
    "print(end='')": (50_000, lambda: print(".", end="")),
    "progress bar": (50_000, lambda: print("\r 10%|###       | 3/10", end="")),
}


def measured():
    costs = {}
    for name, (count, work) in WAYS.items():
        # The lines of the way before fill no second of this one's.
        time.sleep(1.1)
        before = time.process_time()
        for _ in range(count):
            work()
        costs[name] = (time.process_time() - before) / count
    return costs


alone = measured()
sys.stdout = Heard(sys.stdout, "stdout")
INVOCATION.set(Reports(Channel(os.open(os.devnull, os.O_WRONLY)), "run.1"))
in_a_run = measured()
print(json.dumps({name: [alone[name], in_a_run[name]] for name in WAYS}), file=sys.stderr)
