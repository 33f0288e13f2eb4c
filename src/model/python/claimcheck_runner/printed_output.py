"""Printed output: each line that an invocation prints is reported as its own."""

import io
import sys
from contextvars import ContextVar

INVOCATION = ContextVar("invocation", default=None)
"""The reports of the invocation that this thread works on, or that has started this task."""


def _reports_of_caller():
    """Returns the reports of the invocation that this very code works for.

    Returns None where there is no invocation, or where it is over.
    """
    reports = INVOCATION.get()
    return reports if reports is not None and reports.is_heard() else None


class Heard(io.TextIOWrapper):
    """Standard output or error: prints of an invocation are reported, others are written as ever.

    It cannot be closed. A model may wrap it anew, or close it when it is done, and is not the last
    one to print.
    """

    def __init__(self, stream, name):
        encoding = stream.encoding
        super().__init__(
            stream.buffer, encoding=encoding, errors="backslashreplace", line_buffering=True
        )
        self.reported_as = name
        self.bytes = stream.buffer

    @property
    def buffer(self):
        """The bytes beneath, for the invocation that asks for them."""
        return _HeardBytes(self.bytes, self.reported_as)

    def write(self, text):
        """Reports a text or writes it."""
        reports = _reports_of_caller()
        if reports is None or not isinstance(text, str):
            return super().write(text)
        reports.printed(self.reported_as, text)
        return len(text)

    def detach(self):
        """Returns the bytes beneath, and stays usable."""
        return self.buffer

    def close(self):
        """Flushes, and stays open."""
        self.flush()


class _HeardBytes(io.BufferedIOBase):
    """The bytes beneath standard output or error, as one invocation has asked for them.

    A wrapper around them may keep a text until another invocation prints. So they are certain to
    be of no invocation but the one that has asked.
    """

    def __init__(self, stream, name):
        self.stream = stream
        self.reported_as = name
        self.asked_by = _reports_of_caller()

    def write(self, data):
        reports = _reports_of_caller()
        if reports is None or reports is not self.asked_by:
            count = self.stream.write(data)
            self.stream.flush()
            return count
        text = bytes(data).decode("utf-8", "backslashreplace")
        reports.printed(self.reported_as, text)
        return len(data)

    def flush(self):
        self.stream.flush()

    def fileno(self):
        return self.stream.fileno()

    def writable(self):
        return True

    def close(self):
        self.flush()


def unwrap_output(heard):
    """Puts standard output and error back where the model's file has wrapped them.

    Most files wrap them for an encoding that they have. A wrapper keeps prints, and cannot say
    whose they are.
    """
    for stream in heard:
        wrap = getattr(sys, stream.reported_as)
        beneath = getattr(wrap, "buffer", None) or getattr(wrap, "stream", None)
        if wrap is not stream and isinstance(beneath, _HeardBytes):
            wrap.flush()
            setattr(sys, stream.reported_as, stream)
