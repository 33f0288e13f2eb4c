"""Reports: what an invocation sends to the server while it works, as in reports.ts."""

import os
import threading
from json import dumps as json_dumps
from json.encoder import encode_basestring_ascii as json_string
from time import monotonic

from .faults import described
from .json_text import ENCODER, utf8

_LINES_PER_SECOND_MAX = 1_000
"""Lines that are sent in a second. The others are counted: the server would keep no more."""
_FIELDS_MAX = 64 * 1024
"""Longest fields of a line, in bytes."""
_LINE_MAX = 16_384
"""Longest line, in characters."""
_STATE_EVERY = 1
"""Seconds after which an open line is shown as it stands: a progress bar, or a row of dots."""
_PROGRESS_EVERY = 0.1
"""Seconds between two reports of progress."""


class Channel:
    """A descriptor that the server has opened for reports, one JSON object a line.

    The descriptor is None where nobody takes reports. A report that is written is the server's,
    even if the process ends in the next moment. It says which attempt it is of: this is certain
    here and nowhere else.
    """

    def __init__(self, descriptor):
        self.descriptor = descriptor
        if descriptor is not None:
            os.set_inheritable(descriptor, False)
        # A handler of a signal may print in the midst of a print.
        self.lock = threading.RLock()

    def write(self, data):
        """Writes bytes, all of them."""
        try:
            with self.lock:
                while data and self.descriptor is not None:
                    data = data[os.write(self.descriptor, data) :]
        except OSError:
            # The server is gone, or the model has closed the descriptor. No run fails for that.
            self.descriptor = None


class Reports:
    """Reports of one invocation. They never fail it."""

    def __init__(self, channel, of):
        self.channel = channel
        self.head = f'{{"of":{json_dumps(of)},'.encode()
        self.process = os.getpid()
        self.lock = threading.RLock()
        self.is_over = channel.descriptor is None
        """Whether the invocation is over. Later prints are not of it."""
        self.window_end = 0
        self.in_window = 0
        self.dropped = 0
        self.open = {"stdout": _OpenLine(), "stderr": _OpenLine()}
        self.latest = None
        self.progress_at = 0
        self.timer = None

    def is_heard(self):
        """Tells whether a report of this process is sent.

        A fork of this process is not the invocation, and may have a lock that nobody will open.
        """
        return not self.is_over and self.process == os.getpid()

    def progress(self, done, total, message):
        """Sends how far the run has come: the latest report, every _PROGRESS_EVERY seconds."""
        if not self.is_heard():
            return
        try:
            told = ENCODER.encode({"done": done, "total": total, "message": message})
            latest = b'"progress":' + utf8(told)
        except Exception as error:
            self.line("log", f"A report was refused: {described(error)}")
            return
        with self.lock:
            self.latest = latest
            wait = self.progress_at + _PROGRESS_EVERY - monotonic()
            if wait <= 0:
                self.send_progress()
            elif self.timer is None:
                self.timer = threading.Timer(wait, self.send_progress)
                self.timer.daemon = True
                try:
                    self.timer.start()
                except RuntimeError:
                    # The replica has as many threads as it may have. The next report sends this
                    # one, or the end does.
                    self.timer = None

    def send_progress(self):
        """Sends the latest progress, if it was not sent yet."""
        with self.lock:
            self.timer, latest, self.latest = None, self.latest, None
            if latest is not None and not self.is_over:
                self.progress_at = monotonic()
                self.send(latest)

    def line(self, stream, message, fields=None):
        """Sends a line of the logs."""
        if self.is_heard():
            with self.lock:
                self.send_line(stream, message, fields)

    def send_line(self, stream, message, fields=None):
        """Sends a line, or counts it where too many have come within a second."""
        now = monotonic()
        if now >= self.window_end:
            self.window_end = now + 1
            self.in_window = 0
        self.in_window += 1
        if self.in_window > _LINES_PER_SECOND_MAX:
            self.dropped += 1
        else:
            self.send(_line_of(stream, message[:_LINE_MAX], fields))

    def printed(self, stream, text):
        """Takes printed text in pieces as they come, and reports it by the line."""
        with self.lock:
            for line in self.open[stream].add(text):
                self.send_line(stream, line)

    def end(self):
        """Ends the reports. Nothing that comes later is of this invocation."""
        if not self.is_heard():
            return
        with self.lock:
            for stream, line in self.open.items():
                if line.text != "":
                    self.printed(stream, "\n")
            self.send_progress()
            if self.dropped > 0:
                self.send(b'"dropped":%d' % self.dropped)
            self.is_over = True

    def send(self, report):
        """Sends the members of a report, as JSON without braces."""
        self.channel.write(self.head + report + b"}\n")


class _OpenLine:
    """The text that was printed since the last end of a line."""

    def __init__(self):
        self.text = ""
        self.since = None
        self.is_shown = False

    def add(self, text):
        """Returns the lines that have ended; once a second also the open one as it stands."""
        lines = ()
        is_empty = self.text == "" and self.is_shown
        if text == "\n" and "\r" not in self.text and not is_empty:
            # print writes this alone, behind its text.
            lines, self.text, self.since, self.is_shown = (self.text,), "", None, False
            return lines
        if "\n" in text:
            *lines, text = (self.text + text).split("\n")
            lines = [
                state
                for at, state in enumerate(map(_state_of, lines))
                if state != "" or at > 0 or not self.is_shown
            ]
            self.since, self.is_shown = None, False
            self.text = text
            if text == "":
                return lines
        else:
            self.text += text
        now = monotonic()
        if self.since is None:
            self.since = now
        if len(self.text) > _LINE_MAX:
            self.text = _last_state(self.text)[-_LINE_MAX:]
        if now - self.since < _STATE_EVERY:
            return lines
        lines = [*lines, _state_of(self.text)]
        self.text, self.since, self.is_shown = "", None, True
        return lines


def _last_state(line):
    """Returns a line as a terminal leaves it.

    A progress bar writes over itself with a carriage return. The text that was written over is
    gone.
    """
    if "\r" not in line:
        return line
    end = len(line.rstrip("\r"))
    return line if end == 0 else line[line.rfind("\r", 0, end) + 1 :]


def _state_of(line):
    return _last_state(line).rstrip("\r") if "\r" in line else line


def _line_of(stream, message, fields):
    """Returns a line as it is sent.

    Fields that are no JSON are left out, and the line says so: a line is no reason to fail.
    """
    if fields is not None:
        try:
            told = f'"message":{json_string(message)},"fields":{ENCODER.encode(fields)}'
            line = utf8(f'"stream":"{stream}",{told}')
            if len(line) <= _FIELDS_MAX:
                return line
        except Exception:
            # The note below says that they are missing.
            pass
        message += " (its fields are too long, or no JSON)"
    return f'"stream":"{stream}","message":{json_string(message)}'.encode()
