"""Inspecting: says what a file takes, and loads no model."""

import os
from json import dumps as json_dumps

from .faults import NoModel
from .model_file import load_file
from .protocol import reports_descriptor


def inspect(file):
    """Writes what a file takes, or why it is no model, as a line of JSON; ends the process.

    The line goes to the descriptor for reports, and without one to standard output.
    """
    told = reports_descriptor()
    try:
        inspection = {"kind": load_file(file).takes}
    except NoModel as error:
        inspection = {"error": str(error)}
    # The file may have printed, and may have started threads. The answer goes where the file
    # prints nothing, or is the last line. Nothing is waited for.
    if told is not None:
        with open(told, "w") as reports:
            reports.write(f"{json_dumps(inspection)}\n")
    else:
        print(f"\n{json_dumps(inspection)}", flush=True)
    os._exit(0)
