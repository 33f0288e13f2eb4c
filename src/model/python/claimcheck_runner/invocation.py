"""One invocation: its request, and what the model gets beside its input."""

import threading
from datetime import datetime
from functools import cached_property
from json import loads as json_loads
from types import SimpleNamespace

from .faults import text_of_value
from .protocol import (
    ATTEMPT_HEADER,
    DEADLINE_HEADER,
    METADATA_HEADER,
    ROWS_HEADER,
    RUN_ID_HEADER,
)
from .reports import Reports


class Run:
    """The run that a call belongs to."""

    def __init__(self, headers):
        self.id = headers.get(RUN_ID_HEADER, "")
        self.attempt = int(headers.get(ATTEMPT_HEADER, 1))
        """1 for the first try; counts up when the run is tried again."""
        deadline = headers.get(DEADLINE_HEADER)
        # Python reads the Z of RFC 3339 from 3.11 on.
        self.deadline = (
            None if deadline is None else datetime.fromisoformat(deadline.replace("Z", "+00:00"))
        )
        """When the attempt is stopped from outside, an aware datetime; None without a limit."""
        self.metadata_text = headers.get(METADATA_HEADER, "{}")

    @cached_property
    def metadata(self):
        """The metadata that the caller gave to the run; {} for none, and for a chunk of a batch."""
        return json_loads(self.metadata_text)

    def __reduce_ex__(self, protocol):
        """Pickles as plain values: no other process can import this class."""
        names = ("id", "attempt", "deadline", "metadata_text", "metadata")
        return SimpleNamespace, (), {name: getattr(self, name) for name in names}


class Context:
    """What a model gets beside its input."""

    def __init__(self, model, state, run, reports):
        self.model = model
        """The return value of `load`; None where the file has no `load`."""
        self.state = state
        """The return value of `init`; None where the file has no `init`.

        All invocations share it, also those at the same time.
        """
        self.run = run
        self.reports = reports
        self.signal = threading.Event()
        """Set when the run is cancelled, times out, or its caller is gone: stop and return."""

    @property
    def cancelled(self):
        """Whether the run is cancelled, has timed out, or has lost its caller."""
        return self.signal.is_set()

    def progress(self, done, total=None, message=None):
        """Says how far the run has come, as often as is handy.

        The numbers are whole and from 0 on; the text has at most 1,000 characters.
        """
        self.reports.progress(done, total, message)

    def log(self, message, **fields):
        """Writes a line to the logs of the run. Lines that the run prints go there too."""
        self.reports.line("log", text_of_value(message), fields or None)


class Call:
    """One invocation: the request, its state, and what the model gets beside the input."""

    def __init__(self, connection, headers, body, workers):
        self.connection = connection
        self.body = body
        self.content_type = headers.get("content-type", "application/octet-stream")
        self.accept = headers.get("accept")
        self.headers = headers
        self.rows = int(headers[ROWS_HEADER]) if ROWS_HEADER in headers else None
        """The number of rows of a chunk of a table; None where the input is no chunk."""
        self.worker = None
        self.is_begun = False
        self.answer = None
        self.is_handed_on = False
        run = Run(headers)
        self.reports = Reports(workers.channel, f"{run.id}.{run.attempt}")
        self.context = Context(workers.loaded, workers.state, run, self.reports)
