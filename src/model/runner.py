"""The program of a replica that serves a Python file: imports it, loads its model, answers /ping and /invocations on a Unix socket.

    python runner.py <file>              serves, on the socket that CLAIMCHECK_SOCKET names
    python runner.py --inspect <file>    prints what the file takes, as JSON on the last line, and loads no model

Needs Python 3.9 and nothing but its standard library. It says what runner.ts says, header for header, and reads and writes
tables as src/table does. Lives exactly as long as the server that started it, which holds the other end of its standard input.

The main thread loads the model and works with it; another one reads the connections, so that a ping is answered and a
cancellation is heard while the model is at work. Only where a replica takes several invocations at once do more work with the model.
"""

import sys

if sys.version_info < (3, 9):
    sys.exit("Models in Python need Python 3.9 or newer; this is " + sys.version.split()[0] + ".")

import io
import math
import os
import queue
import re
import selectors
import socket
import threading
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from datetime import datetime, timedelta
from enum import Enum
from functools import cached_property

# By names of its own: a model may put others in the place of json's, for speed.
from json import JSONDecodeError, JSONEncoder
from json import dumps as json_dumps
from json import loads as json_loads
from json.encoder import encode_basestring_ascii as json_string
from time import monotonic, sleep

# The protocol of protocol.ts.
RUN_ID_HEADER = "claimcheck-run-id"
ATTEMPT_HEADER = "claimcheck-attempt"
DEADLINE_HEADER = "claimcheck-deadline"
METADATA_HEADER = "claimcheck-metadata"
ROWS_HEADER = "claimcheck-rows"
FAILURE_HEADER = "claimcheck-failure"
BUSY_HEADER = "claimcheck-busy"
SOCKET_VARIABLE = "CLAIMCHECK_SOCKET"
REPORTS_VARIABLE = "CLAIMCHECK_REPORTS"


# What a model is handed, and what it answers.


class Run:
    """Which run a call belongs to."""

    def __init__(self, headers):
        self.id = headers.get(RUN_ID_HEADER, "")
        self.attempt = int(headers.get(ATTEMPT_HEADER, 1))
        """1 for the first try; counts up when the run is tried again."""
        deadline = headers.get(DEADLINE_HEADER)
        # Python reads the Z of RFC 3339 from 3.11 on.
        self.deadline = None if deadline is None else datetime.fromisoformat(deadline.replace("Z", "+00:00"))
        """When the attempt is stopped from outside, an aware datetime; None where it has no limit."""
        self.metadata_text = headers.get(METADATA_HEADER, "{}")

    @cached_property
    def metadata(self):
        """What whoever submitted the run has said about it; {} where nothing was. A chunk of a batch has none."""
        return json_loads(self.metadata_text)


class Context:
    """What a model is handed beside its input."""

    def __init__(self, model, state, run, reports):
        self.model = model
        """What `load` returned; None where the file has no `load`."""
        self.state = state
        """What `init` returned; None where the file has no `init`. Shared by all invocations, also those at the same time."""
        self.run = run
        self.reports = reports
        self.signal = threading.Event()
        """Set when the run is cancelled, times out, or its caller is gone: stop working and return."""

    @property
    def cancelled(self):
        return self.signal.is_set()

    def progress(self, done, total=None, message=None):
        """Says how far the run has come, in whole numbers from 0 and a text of 1,000 characters; as often as is handy."""
        self.reports.progress(done, total, message)

    def log(self, message, **fields):
        """Writes a line to the logs of the run; what is printed while the run is worked on goes there too."""
        self.reports.line("log", text_of_value(message), fields or None)


class Call:
    """One invocation: what arrived, and what the model is handed beside it."""

    def __init__(self, connection, headers, body, workers):
        self.connection = connection
        self.body = body
        self.content_type = headers.get("content-type", "application/octet-stream")
        self.accept = headers.get("accept")
        self.headers = headers
        self.rows = int(headers[ROWS_HEADER]) if ROWS_HEADER in headers else None
        """How many rows a chunk of a table has; None where the input is none."""
        self.worker = None
        self.is_begun = False
        self.answer = None
        self.is_handed_on = False
        run = Run(headers)
        self.reports = Reports(workers.channel, f"{run.id}.{run.attempt}")
        self.context = Context(workers.loaded, workers.state, run, self.reports)


class InvalidOutput(Exception):
    """A fault of the output and not of the model's work."""


class BadInput(Exception):
    """An input that cannot be read; the message says what is wrong, where, and what to do."""


class NoModel(Exception):
    """A file that is no model; the message says why."""


DETAIL_MAX = 16_384
"""Longest text of an error, in characters."""


def described(error):
    """An error in its own words. A missing key and an exit code say nothing without the name of their error."""
    try:
        # Joined, so that a text of the model's own kind becomes one of Python's.
        name, text = type(error).__name__, "".join([str(error)])[:DETAIL_MAX]
        if text == "":
            return name
        parts = getattr(error, "exceptions", None)
        if isinstance(parts, tuple) and 0 < len(parts) <= 10:
            return f"{text}: {'; '.join(f'{type(part).__name__}: {described(part)}' for part in parts)}"[:DETAIL_MAX]
        return f"{name}: {text}" if isinstance(error, (KeyError, SystemExit)) else text
    except BaseException as second:
        return f"A {name_of_type(error)} whose text cannot be had: that raised a {name_of_type(second)}."


def text_of_value(value):
    """A value as text, whatever it does when it is asked for it."""
    try:
        return "".join([str(value)])
    except BaseException:
        return f"a {name_of_type(value)} that has no text"


def name_of_type(value):
    """The name of a value's type; not by the value's own word, which may raise."""
    return type.__dict__["__name__"].__get__(type(value))


def print_traceback(error):
    """Writes what Python writes for an uncaught error, from the first line that is the model's."""
    try:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        sys.__excepthook__(type(error), error.with_traceback(trace), trace)
    except BaseException:
        # The error itself may raise when it is looked at, and so may what a model has put in the place of standard error.
        pass


# Content types, as src/table/format.ts and src/domain/payload.ts read them.

CONTENT_TYPES = {"csv": "text/csv", "jsonl": "application/jsonlines", "json": "application/json"}
FORMATS = {
    "text/csv": "csv",
    "application/csv": "csv",
    "application/jsonlines": "jsonl",
    "application/x-jsonlines": "jsonl",
    "application/jsonl": "jsonl",
    "application/x-jsonl": "jsonl",
    "application/ndjson": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/json-lines": "jsonl",
    "application/json": "json",
}


def media_type(content_type):
    """A content type without its parameters, in lower case."""
    return content_type.split(";", 1)[0].strip().lower()


def table_format_of(content_type):
    return FORMATS.get(media_type(content_type))


def is_json(content_type):
    media = media_type(content_type)
    return media == "application/json" or (media.startswith("application/") and media.endswith("+json"))


# Values to JSON: what has no honest form is an error that names its place, never a null.


class NoForm(TypeError):
    """A value that JSON has no form for."""

    def __init__(self, what, advice=None):
        super().__init__(f"{what} has no JSON form")
        self.what = what
        self.advice = advice
        """What to return in its place, where there is more to say than that it hides an error."""


def plain(value):
    """A step from what Python, numpy, pandas, Polars and others hold to what json writes; none of them is imported for it."""
    if isinstance(value, Digits) or is_decimal(value):
        raise HasDigits
    try:
        return plain_of_python(value) if type(value).__module__ in OF_PYTHON else plain_of_others(value)
    except (NoForm, RecursionError):
        raise
    except Exception as error:
        raise NoForm(f"a {name_of_type(value)}, which raised a {name_of_type(error)} when it was looked at") from None


OF_PYTHON = {"builtins", "datetime", "uuid", "pathlib", "pathlib._local", "array", "fractions"}


def plain_of_python(value):
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise NoForm("bytes", "return a text: value.decode() or base64.b64encode(value).decode()")
    if isinstance(value, (set, frozenset)):
        raise NoForm(f"a {type(value).__name__}, which has no order", "return sorted(value)")
    if isinstance(value, complex):
        raise NoForm("a complex number", "return its real and imaginary parts")
    if isinstance(value, timedelta):
        return duration_text(((value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds) * 1_000)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "__fspath__"):
        return os.fspath(value)
    if type(value).__module__ == "uuid":
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Iterable):
        raise NoForm(f"a {type(value).__name__}", "return list(value)")
    raise NoForm(f"a {type(value).__name__}", "return str(value), or the numbers and texts that it is made of")


def plain_of_others(value):
    """What a class of a library or of the model's own is, told by what it can do."""
    if is_missing(value):
        raise NoForm(f"a missing value ({value})")
    if isinstance(value, Enum):
        return value.value
    if hasattr(type(value), "__dataclass_fields__"):
        return {name: getattr(value, name) for name in type(value).__dataclass_fields__ if hasattr(value, name)}
    if isinstance(value, Mapping):
        return dict(value)
    if is_frame(value):
        raise NoForm(f"a {type(value).__name__}", "return its rows: frame.to_dict(orient='records'), in Polars frame.to_dicts()")
    if getattr(getattr(value, "dtype", None), "kind", None) is not None:
        return plain_array(value)
    for way in ("isoformat", "as_py", "model_dump", "__fspath__", "tolist", "to_list"):
        if callable(getattr(value, way, None)):
            if holds_missing(value):
                raise NoForm("a missing value")
            return getattr(value, way)()
    return plain_of_python(value)


def plain_array(value):
    """What numpy and pandas hold, as lists or as a value alone."""
    dtype = value.dtype
    if holds_missing(value):
        raise NoForm("a missing value (NaT)" if dtype.kind in "mM" else "a missing value")
    if getattr(dtype, "char", "") in ("g", "G"):
        raise NoForm(f"a {dtype.name}, of which a JSON number keeps 53 bits", "return float(value)")
    # pandas makes dates and durations of them that know their form.
    if dtype.kind in "mM" and type(value).__module__ == "numpy":
        return value.astype(str).tolist() if dtype.kind == "M" else durations_of(value.tolist(), dtype)
    return value.tolist()


def durations_of(value, dtype):
    """What numpy gives for durations: nested lists of timedelta, and of whole numbers where that has no place for their unit."""
    if isinstance(value, list):
        return [durations_of(item, dtype) for item in value]
    if isinstance(value, int):
        if dtype.name != "timedelta64[ns]":
            raise NoForm(f"a {dtype.name}", "return a number of a unit that you name")
        return duration_text(value)
    return value


def duration_text(nanoseconds):
    """A duration by ISO 8601, as pandas writes it."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3_600)
    minutes, seconds = divmod(seconds, 60)
    exact = f"{seconds}.{fraction:09}".rstrip("0").rstrip(".")
    return f"P{days}DT{hours}H{minutes}M{exact}S"


def is_missing(value):
    """Whether a value says that there is none: NA, NaT and their kin, told by name and by differing from themselves."""
    return type(value).__name__ in ("NAType", "NaTType") or (hasattr(value, "isoformat") and bool(value != value))


def holds_missing(value):
    """Whether something of an array, a series or a scalar is missing: what numpy masks, and what pandas, Arrow and Polars know to be null.
    Objects are looked at one by one."""
    mask = getattr(value, "mask", None)
    if mask is not None and hasattr(value, "filled"):
        return bool(mask.any())
    if getattr(value, "is_valid", None) is False:
        return True
    nulls = getattr(value, "null_count", 0)
    if (nulls() if callable(nulls) else nulls) > 0:
        return True
    if callable(getattr(value, "isna", None)):
        return str(value.dtype) != "object" and bool(value.isna().any())
    return getattr(getattr(value, "dtype", None), "kind", None) in ("m", "M") and bool((value != value).any())


ENCODER = JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain)


def first_fault(value, path=(), above=()):
    """The first value that JSON cannot hold: its path, what is wrong with it, and what to return instead (None for the usual); None where
    there is none."""
    if value is None or isinstance(value, str):
        return None
    if isinstance(value, int):
        if is_written(value):
            return None
        return path, "an integer of more digits than Python writes", "return a float, or fewer digits"
    if isinstance(value, float):
        if math.isfinite(value):
            return None
        return path, "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity", None
    if id(value) in above:
        return path, "a value that holds itself (it is circular)", None
    above += (id(value),)
    if isinstance(value, dict):
        fault = key_fault(value, path)
        faults = (first_fault(member, path + (key,), above) for key, member in value.items())
        return fault or next((fault for fault in faults if fault is not None), None)
    if isinstance(value, (list, tuple)):
        faults = (first_fault(member, path + (position,), above) for position, member in enumerate(value))
        return next((fault for fault in faults if fault is not None), None)
    if isinstance(value, Digits):
        return None
    if is_decimal(value):
        return None if value.is_finite() else (path, str(value), None)
    try:
        return first_fault(plain(value), path, above)
    except NoForm as error:
        return path, error.what, error.advice


def is_written(integer):
    """Whether Python writes an integer: none of more than 4,300 digits, unless it is told to."""
    try:
        return int.__repr__(integer) != ""
    except ValueError:
        return False


def key_fault(members, path):
    """A key that is none in JSON, or two that would be one: what JSON names is a text."""
    texts = {}
    for key in members:
        if isinstance(key, str):
            text = key
        elif key is None or (isinstance(key, int) and is_written(key)) or (isinstance(key, float) and math.isfinite(key)):
            text = json_dumps(key)
        else:
            return path, f"a {type(key).__name__} as a key", "return keys that are strings"
        if text in texts:
            what = f"the key {json_dumps(text)} twice, as {texts[text]!r} and as {key!r}"
            return path, what, "return keys that differ as strings"
        texts[text] = key
    return None


PLAIN = {str, int, float, bool, type(None)}


def has_odd_keys(value):
    """Whether a value that JSON can hold has keys that are not all strings. What numpy and its kin hold has none."""
    values = [value]
    while values:
        value = values.pop()
        if isinstance(value, dict):
            for key in value:
                if type(key) is not str:
                    return True
            members = value.values()
        elif isinstance(value, (list, tuple)):
            members = value
        else:
            is_leaf = hasattr(value, "tolist") or is_decimal(value) or isinstance(value, (str, int, float, Digits))
            members = () if is_leaf else (plain(value),)
        values.extend([member for member in members if type(member) not in PLAIN])
    return False


def json_text(value, refuse):
    """A value as JSON; `refuse` makes the error from a path, what stands there and what to return instead."""
    try:
        try:
            text = ENCODER.encode(value)
        except HasDigits:
            text = text_with_digits(value)
        fault = first_fault(value) if type(value) not in PLAIN and has_odd_keys(value) else None
    except (TypeError, ValueError, RecursionError) as error:
        try:
            fault = first_fault(value) or ((), str(error), None)
        except RecursionError:
            fault = (), "a value that is nested too deeply", None
    if fault is not None:
        raise refuse(*fault)
    return text


def utf8(json_or_lines):
    # Half a surrogate pair has no UTF-8; its escape says the same within JSON.
    return json_or_lines.encode("utf-8", "backslashreplace")


def no_output(path, what, advice=None):
    where = "".join(f"/{step}" for step in path)
    place = f" at {where}" if where else ""
    if advice is not None:
        return InvalidOutput(f"The output has {what}{place}: JSON has no form for it; {advice}.")
    return InvalidOutput(
        f"The output has {what}{place}: JSON has no form for it, and null would hide it. "
        "Return None with a reason beside it, or raise an error."
    )


def no_cell(path, what, advice=None):
    row, *column = path
    if not column:
        return InvalidOutput(f"Row {row + 1} has {what}; return strings, numbers, booleans, None, lists and dicts.")
    place = f"Row {row + 1}, column {json_dumps(str(column[0]))}: the value is or holds {what}"
    if advice is not None:
        return InvalidOutput(f"{place}, which JSON has no form for; {advice}.")
    return InvalidOutput(
        f"{place}, which would hide an error; return a finite number, or None or a string if you mean one."
    )


# The digits of numbers that a model only hands through, as kept-digits.ts has them.

MAY_CHANGE = re.compile(r"\d[eE][-+\d]|\.\d+0(?!\d)|(?<![\w.])-0(?!\.)|\d[\d.]{15}")
"""What a text has in it where a number may be written otherwise than Python would."""
JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


class Digits:
    """A number of the input, as it is written there."""

    def __init__(self, text):
        self.text = text


class HasDigits(Exception):
    """A value holds a number whose digits json does not keep."""


def is_decimal(value):
    """Whether a value is a Decimal; where nobody has imported them there is none."""
    module = sys.modules.get("decimal")
    return module is not None and isinstance(value, module.Decimal)


def text_with_digits(value):
    """A value as JSON, piece by piece where it holds numbers whose digits json does not keep."""
    if isinstance(value, Digits):
        return value.text
    if is_decimal(value):
        if not value.is_finite():
            raise ValueError(f"{value} is no JSON number")
        return str(value)
    try:
        return ENCODER.encode(value)
    except HasDigits:
        pass
    if isinstance(value, dict):
        members = (f"{ENCODER.encode({key: 0})[1:-2]}{text_with_digits(member)}" for key, member in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([text_with_digits(item) for item in value]) + "]"
    return text_with_digits(plain(value))


def with_digits(value, given):
    """The value, with the digits of the input for every number that is the one next to the input's in the same place."""
    if isinstance(given, Digits):
        return Digits(given.text) if is_number_of(value, given.text) else value
    if isinstance(value, dict) and isinstance(given, dict):
        kept = {
            key: with_digits(member, given[key]) for key, member in value.items() if given.get(key) is not None
        }
        return value if all(value[key] is member for key, member in kept.items()) else {**value, **kept}
    if isinstance(value, (list, tuple)) and isinstance(given, list):
        kept = [with_digits(item, given[at] if at < len(given) else None) for at, item in enumerate(value)]
        return value if all(item is value[at] for at, item in enumerate(kept)) else kept
    return value


def is_number_of(value, digits):
    """Whether a number is the input's, and would be written otherwise. Zeros are told apart by their sign."""
    if isinstance(value, float):
        if float.__repr__(value) == digits or float(digits) != value:
            return False
        return math.copysign(1, float(digits)) == math.copysign(1, value)
    if is_decimal(value):
        given = type(value)(digits)
        return given == value and given.is_signed() == value.is_signed()
    return type(value) is int and value == 0 and digits == "-0"


def float_digits(text):
    """Digits, or None where a float is written with them anyhow, as nearly all are."""
    return None if float.__repr__(float(text)) == text else Digits(text)


def numbers_in(text, table_format):
    """The rows of a text, or with no format the value that it is, with numbers as Digits where Python may write others."""
    if not MAY_CHANGE.search(text):
        return None
    if table_format == "csv":
        return [
            {name: Digits(value) if JSON_NUMBER.fullmatch(value) else value for name, value in row.items()}
            for row in read_csv(text)
        ]
    texts = text.split("\n") if table_format == "jsonl" else [text]
    values = [json_loads(one, parse_float=float_digits, parse_int=Digits) for one in texts if one.strip(" \t\r\n") != ""]
    if table_format == "jsonl":
        return values
    value = values[0]
    if table_format is None or isinstance(value, list):
        return value
    return value["instances"] if isinstance(value.get("instances"), list) else [value]


# What an invocation reports to the server while it works, as reports.ts has it.

LINES_PER_SECOND_MAX = 1_000
"""Lines of a second that are sent: what comes faster is counted, and the server keeps no more of one attempt."""
FIELDS_MAX = 64 * 1024
"""Longest fields of a line, in bytes."""
LINE_MAX = 16_384
"""Longest line, in characters."""
STATE_EVERY = 1
"""How often a line that has no end yet is shown as it stands, in seconds: a progress bar, or a row of dots."""
PROGRESS_EVERY = 0.1
"""How often progress is sent, in seconds."""


class Channel:
    """A descriptor that the server has opened for reports, one JSON object a line; None where nobody takes any. What is written there is
    the server's even if the process ends in the next moment, and says which attempt it is of, which is certain here and nowhere else."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        if descriptor is not None:
            os.set_inheritable(descriptor, False)
        # A handler of a signal may print in the midst of a print.
        self.lock = threading.RLock()

    def write(self, data):
        try:
            with self.lock:
                while data and self.descriptor is not None:
                    data = data[os.write(self.descriptor, data) :]
        except OSError:
            # The server is gone, or the model has closed the descriptor: neither is a reason to fail.
            self.descriptor = None


class Reports:
    """Reports of one invocation. They never fail it."""

    def __init__(self, channel, of):
        self.channel = channel
        self.head = f'{{"of":{json_dumps(of)},'.encode()
        self.process = os.getpid()
        self.lock = threading.RLock()
        self.is_over = channel.descriptor is None
        """Whether the invocation is over: what is printed now is no longer of it."""
        self.window_end = 0
        self.in_window = 0
        self.dropped = 0
        self.open = {"stdout": OpenLine(), "stderr": OpenLine()}
        self.latest = None
        self.progress_at = 0
        self.timer = None

    def is_heard(self):
        # A fork of this process may have a lock that nobody will open, and is not the invocation.
        return not self.is_over and self.process == os.getpid()

    def progress(self, done, total, message):
        if not self.is_heard():
            return
        try:
            latest = b'"progress":' + utf8(ENCODER.encode({"done": done, "total": total, "message": message}))
        except Exception as error:
            self.line("log", f"A report was refused: {described(error)}")
            return
        with self.lock:
            self.latest = latest
            wait = self.progress_at + PROGRESS_EVERY - monotonic()
            if wait <= 0:
                self.send_progress()
            elif self.timer is None:
                self.timer = threading.Timer(wait, self.send_progress)
                self.timer.daemon = True
                try:
                    self.timer.start()
                except RuntimeError:
                    # The replica has as many threads as it may have: the next report sends it, or the end.
                    self.timer = None

    def send_progress(self):
        with self.lock:
            self.timer, latest, self.latest = None, self.latest, None
            if latest is not None and not self.is_over:
                self.progress_at = monotonic()
                self.send(latest)

    def line(self, stream, message, fields=None):
        if self.is_heard():
            with self.lock:
                self.send_line(stream, message, fields)

    def send_line(self, stream, message, fields=None):
        now = monotonic()
        if now >= self.window_end:
            self.window_end = now + 1
            self.in_window = 0
        self.in_window += 1
        if self.in_window > LINES_PER_SECOND_MAX:
            self.dropped += 1
        else:
            self.send(line_of(stream, message[:LINE_MAX], fields))

    def printed(self, stream, text):
        """Takes what was printed, in pieces as they come, and reports it by the line."""
        with self.lock:
            for line in self.open[stream].add(text):
                self.send_line(stream, line)

    def end(self):
        """Nothing that comes later is of this invocation."""
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
        self.channel.write(self.head + report + b"}\n")


class OpenLine:
    """What was printed since the last end of a line."""

    def __init__(self):
        self.text = ""
        self.since = None
        self.is_shown = False

    def add(self, text):
        """The lines that have come to their end; or, once a second, what there is of one that has not."""
        lines = ()
        if text == "\n" and "\r" not in self.text and (self.text != "" or not self.is_shown):
            # What print writes behind its text.
            lines, self.text, self.since, self.is_shown = (self.text,), "", None, False
            return lines
        if "\n" in text:
            *lines, text = (self.text + text).split("\n")
            lines = [state for at, state in enumerate(map(state_of, lines)) if state != "" or at > 0 or not self.is_shown]
            self.since, self.is_shown = None, False
            self.text = text
            if text == "":
                return lines
        else:
            self.text += text
        now = monotonic()
        if self.since is None:
            self.since = now
        if len(self.text) > LINE_MAX:
            self.text = last_state(self.text)[-LINE_MAX:]
        if now - self.since < STATE_EVERY:
            return lines
        lines = [*lines, state_of(self.text)]
        self.text, self.since, self.is_shown = "", None, True
        return lines


def last_state(line):
    """A line as a terminal leaves it: what was written over, as a progress bar is with a carriage return, is gone."""
    if "\r" not in line:
        return line
    end = len(line.rstrip("\r"))
    return line if end == 0 else line[line.rfind("\r", 0, end) + 1 :]


def state_of(line):
    return last_state(line).rstrip("\r") if "\r" in line else line


def line_of(stream, message, fields):
    """A line as it is sent. Fields that are no JSON are left out and said so: a line is no reason to fail."""
    if fields is not None:
        try:
            line = utf8(f'"stream":"{stream}","message":{json_string(message)},"fields":{ENCODER.encode(fields)}')
            if len(line) <= FIELDS_MAX:
                return line
        except Exception:
            # The note below says that they are missing.
            pass
        message += " (its fields are too long, or no JSON)"
    return f'"stream":"{stream}","message":{json_string(message)}'.encode()


INVOCATION = ContextVar("invocation", default=None)
"""The reports of the invocation that this thread works on, or that has started this task."""


def reports_of_caller():
    """The reports of the invocation that this very code works for; None where there is none, or it is over."""
    reports = INVOCATION.get()
    return reports if reports is not None and reports.is_heard() else None


class Heard(io.TextIOWrapper):
    """Standard output or error: what an invocation prints is reported, all else is written as ever. It cannot be closed, since a model that
    wraps it anew, or closes it when it is done, is not the last one to print."""

    def __init__(self, stream, name):
        super().__init__(stream.buffer, encoding=stream.encoding, errors="backslashreplace", line_buffering=True)
        self.reported_as = name
        self.bytes = stream.buffer

    @property
    def buffer(self):
        return HeardBytes(self.bytes, self.reported_as)

    def write(self, text):
        reports = reports_of_caller()
        if reports is None or not isinstance(text, str):
            return super().write(text)
        reports.printed(self.reported_as, text)
        return len(text)

    def detach(self):
        return self.buffer

    def close(self):
        self.flush()


class HeardBytes(io.BufferedIOBase):
    """The bytes beneath standard output or error, as one invocation has asked for them. Whatever is put around them may keep what it is given
    until another invocation prints, so that they are certain to be of none but the one that has asked."""

    def __init__(self, stream, name):
        self.stream = stream
        self.reported_as = name
        self.asked_by = reports_of_caller()

    def write(self, data):
        reports = reports_of_caller()
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
    """Puts standard output and error back where the model's file has wrapped them, mostly for an encoding that they have: what keeps what is
    printed cannot say whose it is."""
    for stream in heard:
        wrap = getattr(sys, stream.reported_as)
        beneath = getattr(wrap, "buffer", None) or getattr(wrap, "stream", None)
        if wrap is not stream and isinstance(beneath, HeardBytes):
            wrap.flush()
            setattr(sys, stream.reported_as, stream)


# Tables to rows.


def text_of(body):
    try:
        return body.decode("utf-8").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise BadInput(f"The input is not valid UTF-8 (line {line}); save it as UTF-8.") from None


def parsed(text, what, first_line=1, parse_float=None):
    """JSON as RFC 8259 has it: Python alone would take NaN as well."""

    def refuse(name):
        raise BadInput(f"{what} holds {name}, which is no JSON; send null or a string.")

    try:
        return json_loads(text, parse_constant=refuse, parse_float=parse_float)
    except JSONDecodeError as error:
        line = error.lineno + first_line - 1
        raise BadInput(f"{what} cannot be read: {error.msg} (line {line}, column {error.colno}).") from None
    except RecursionError:
        raise BadInput(f"{what} is nested too deeply to be read.") from None
    except ValueError as error:
        # Python reads no integer of more than 4,300 digits.
        raise BadInput(f"{what} cannot be read: {error}.") from None


WANTED = 'send an array of objects, [{"column": value, ...}, ...]'


def read_json(text, parse_float=None):
    """The rows of JSON records, and whether they are one object alone, which is one row so that a model can be tried with one."""
    value = parsed(text, "The JSON table", parse_float=parse_float)
    where = ""
    if isinstance(value, dict):
        if not isinstance(value.get("instances"), list):
            return [value], True
        if len(value) > 1:
            other = next(name for name in value if name != "instances")
            raise BadInput(
                f'The JSON table has {json_dumps(other)} beside "instances", which nothing would read; leave it out.'
            )
        value, where = value["instances"], "/instances"
    if not isinstance(value, list):
        raise BadInput(f"The JSON table is not an array; {WANTED}.")
    for position, row in enumerate(value):
        if not isinstance(row, dict):
            raise BadInput(f"Row {position + 1} of the JSON table ({where}/{position}) is not an object; {WANTED}.")
    return value, False


def read_jsonl(text, parse_float=None):
    rows = []
    # Not splitlines(), which ends lines at eight more characters.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip(" \t\r") == "":
            continue
        row = parsed(line, f"Line {number}", number, parse_float)
        if not isinstance(row, dict):
            raise BadInput(f'Line {number} is not an object; write one object, {{"column": value, ...}}, on each line.')
        rows.append(row)
    return rows


LONE_RETURN = (
    "holds a carriage return with no line feed after it; end lines with LF or CRLF, or put quotes around the value."
)


def csv_lines(text):
    """The lines of a CSV text that is RFC 4180: where each starts, its values exactly as they stand, and whether it is blank."""
    if "\0" in text:
        raise csv_fault(text, text.index("\0"), "holds a NUL byte; save the table as UTF-8 text (it may be UTF-16 now).")
    if '"' in text:
        return quoted_csv_lines(text)
    text = text.replace("\r\n", "\n")
    if "\r" in text:
        raise csv_fault(text, text.index("\r"), LONE_RETURN)
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return ((number, line.split(","), line == "") for number, line in enumerate(lines, 1))


CSV_FIELD = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|((?!")[^,\r\n]*))(,|\r?\n|\Z)')


def quoted_csv_lines(text):
    at, number = 0, 1
    while at < len(text):
        start, values, end = at, [], ","
        while end == ",":
            field = CSV_FIELD.match(text, at)
            if field is None:
                raise csv_fault(text, at, why_no_field(text, at))
            quoted, bare, end = field.groups()
            values.append(bare if quoted is None else quoted.replace('""', '"'))
            at = field.end()
        yield number, values, values == [""] and quoted is None
        number += text.count("\n", start, at)


def why_no_field(text, at):
    if text[at] != '"':
        return LONE_RETURN
    end = text.find('"', at + 1)
    while end != -1 and text[end + 1 : end + 2] == '"':
        end = text.find('"', end + 2)
    if end == -1:
        return "has a quote that is never closed; close it, and write a quote inside a value as two quotes."
    if text[end + 1] == "\r":
        return LONE_RETURN
    return "has text after a closing quote; write a quote inside a value as two quotes."


def csv_fault(text, at, fault):
    line = text.count("\n", 0, at) + 1
    return BadInput(f"The CSV table (line {line}) {fault}")


def read_csv(text):
    """Every value the string that stands in the file: no trimming, no numbers, no nulls."""
    lines = iter(csv_lines(text))
    header = next(((number, values) for number, values, is_blank in lines if not is_blank), None)
    if header is None:
        raise BadInput("The CSV table is empty; it needs a header line with the names of its columns.")
    number, names = header
    check_names(names, BadInput, f" (line {number})")
    rows, blanks = [], 0
    for number, values, is_blank in lines:
        if is_blank:
            blanks += 1
            continue
        if len(values) != len(names):
            raise BadInput(
                f"Row {len(rows) + 1} (line {number}) has {len(values)} values where the header names {len(names)}; "
                "write the missing ones between commas, and put quotes around a value that holds a comma."
            )
        # A blank line inside a table of one column is an empty value; elsewhere, and after the last row, it is nothing.
        if len(names) == 1:
            rows.extend({names[0]: ""} for _ in range(blanks))
        blanks = 0
        rows.append(dict(zip(names, values)))
    return rows


def check_names(names, error, place=""):
    """Names that are empty or there twice are refused: rows are dicts, and one of two equal names would be lost."""
    seen = set()
    for position, name in enumerate(names, 1):
        if name == "":
            raise error(f"Column {position} of the header{place} has no name; give every column one (pandas: index=False).")
        if "\0" in name:
            raise error(f"The name of column {position}{place} holds a NUL character; rename the column.")
        if name in seen:
            raise error(f"The header{place} names {json_dumps(name)} more than once; give every column a name of its own.")
        seen.add(name)


def read_rows(text, table_format, parse_float=None):
    """The rows of a table, and whether they are one JSON object alone."""
    if table_format == "json":
        return read_json(text, parse_float)
    return (read_csv(text) if table_format == "csv" else read_jsonl(text, parse_float)), False


# Rows to tables.


def is_frame(value):
    """Whether a value is a DataFrame, told by what it can do: pandas may not be there to ask."""
    return hasattr(value, "to_dict") and hasattr(value, "columns")


def frame_rows(frame, given=None, labels=None):
    """The rows of a DataFrame of pandas or Polars, in the order of the rows that the model was `given`, where it was given rows, or by `labels`
    that say for each where it belongs. What is missing in it is None only where it was None before: a computed value that is missing would
    hide an error."""
    names = list(frame.columns)
    if len(set(names)) < len(names):
        raise InvalidOutput("The DataFrame has two columns of the same name; give every column a name of its own.")
    is_polars = hasattr(frame, "to_dicts")
    rows = frame.to_dicts() if is_polars else frame.to_dict(orient="records")
    index = None if is_polars or given is None else getattr(frame, "index", None)
    if index is not None:
        labels = index.tolist()
    places = None if labels is None else places_of(labels)
    if places is not None:
        ordered = [None] * len(rows)
        for row, place in zip(rows, places):
            ordered[place] = row
        rows = ordered
    # What only has the shape of a DataFrame has no columns to look into: what is missing there is found as JSON is written.
    for at, name in enumerate(names if is_polars or hasattr(frame, "iloc") else ()):
        column = frame.get_column(name) if is_polars else frame.iloc[:, at]
        for position in missing_in(column):
            place = position if places is None else places[position]
            was_null = given is not None and isinstance(given[place], dict) and given[place].get(name, 0) is None
            if not was_null:
                raise no_missing(place, name, column)
            rows[place][name] = None
        if is_polars or "pyarrow" in str(column.dtype):
            refuse_nulls_within(rows, name, given)
    return rows


def refuse_nulls_within(rows, name, given):
    """A list or a struct of a typed column may have nulls in it that were computed; those that came with the row are the caller's."""
    for place, row in enumerate(rows):
        value = row[name]
        if not isinstance(value, (list, dict)) or not holds_none(value):
            continue
        before = given[place].get(name) if given is not None and isinstance(given[place], dict) else None
        if value != before:
            raise no_cell((place, name), "a missing value (null)")


def holds_none(value):
    members = value.values() if isinstance(value, dict) else value
    return any(member is None or (isinstance(member, (list, dict)) and holds_none(member)) for member in members)


def places_of(labels):
    """Where each row of a DataFrame belongs by its index; None where they are in order. One row is always in order."""
    if len(labels) < 2 or labels == list(range(len(labels))) and not isinstance(labels[0], bool):
        return None
    if any(type(label) is not int for label in labels) or sorted(labels) != list(range(len(labels))):
        raise InvalidOutput(
            f"The index of the DataFrame does not say which row is which: it begins with {labels[:3]!r}, and has to have every number from 0 "
            f"to {len(labels) - 1} once, as it has when a DataFrame is made of the rows. "
            "Where its rows are in the order in which they came, return frame.reset_index(drop=True)."
        )
    return labels


def missing_in(column):
    """The positions of a column of a DataFrame where something is missing. None among objects is there on purpose."""
    if hasattr(column, "null_count"):
        return [at for at, value in enumerate(column.to_list()) if value is None] if column.null_count() > 0 else []
    if not column.isna().any():
        return []
    is_object = str(column.dtype) == "object"
    values = column.tolist() if is_object else ()
    missing = column.isna().tolist()
    return [at for at, is_missing in enumerate(missing) if is_missing and not (is_object and values[at] is None)]


def no_missing(row, name, column):
    kind = getattr(column.dtype, "kind", "")
    what = "NaT" if kind in ("m", "M") else "NaN" if kind == "O" or str(column.dtype).startswith("float") else "NA"
    return InvalidOutput(
        f"Row {row + 1}, column {json_dumps(str(name))}: the value is missing ({what}), which would hide an error; return a finite "
        "number, or where you mean null, rows that hold None: frame.astype(object).where(frame.notna(), None), in Polars frame.to_dicts()."
    )


def columns_of(rows):
    """The keys of all rows, in the order first seen."""
    columns = {}
    for position, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            kind = "None" if row is None else f"a {type(row).__name__}"
            raise InvalidOutput(f"Row {position} is {kind}; every row must be a dict, {{column: value, ...}}.")
        columns.update(row)
    for name in columns:
        if not isinstance(name, str):
            raise InvalidOutput(
                f"A column is named {name!r}, a {type(name).__name__}; the names of columns must be strings."
            )
    return list(columns)


def write_rows(rows, table_format):
    columns = columns_of(rows)
    if table_format == "csv":
        return write_csv(rows, columns)
    if table_format == "json":
        return utf8(json_text(rows, no_cell))
    return utf8("".join(f"{json_text(row, at_row(position))}\n" for position, row in enumerate(rows)))


def at_row(position):
    return lambda path, *what: no_cell((position, *path), *what)


def write_csv(rows, columns):
    if not columns:
        if not rows:
            return b""
        raise InvalidOutput("The rows have no columns, so a CSV table cannot hold them; return at least one column.")
    check_names(columns, InvalidOutput)
    lines = [csv_header_line(columns)]
    for position, row in enumerate(rows):
        lines.append(csv_line([csv_text(row.get(column), position, column) for column in columns]))
    lines.append("")
    text = "\n".join(lines)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidOutput("A text holds half of a surrogate pair, which UTF-8 cannot; return JSON.") from None


def csv_text(value, row, column):
    """A value as it stands in a CSV file before quoting: None is empty, a string is itself, all else is its JSON."""
    if value is None:
        return ""
    if not isinstance(value, str):
        value = json_text(value, lambda path, *what: no_cell((row, column, *path), *what))
        if not value.startswith('"'):
            return value
        # A date, and all else that becomes a JSON string, is that string.
        value = json_loads(value)
    if "\0" in value:
        raise no_cell((row, column), "a NUL character")
    return value


def csv_line(texts):
    # A lone empty value is written "": a blank line would not be a row.
    return ",".join([csv_field(text) for text in texts]) or '""'


# The same as ODD_NAME in table/csv/look.ts, with what stands for a blank and for any character there.
BLANK = r"[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]"
ANY = r"[^\n\r\u2028\u2029]"
ODD_NAME = re.compile(
    rf"^#{ANY}*{BLANK}|^##|[;\t|]|^{BLANK}*[-+]?(?:[0-9]*\.[0-9]*|[0-9]+[eE]{ANY}*){BLANK}*\Z|^{BLANK}*[-+][0-9]"
)
WHOLE_NAME = re.compile(r"[0-9]+")


def may_be_mistaken(names):
    """Whether names of columns, written without quotes, would be taken for something else than a header."""
    if any(ODD_NAME.search(name) for name in names) or (len(names) == 1 and " " in names[0]):
        return True
    numbers = [float(name) for name in names if WHOLE_NAME.fullmatch(name)]
    steps = [after - before for before, after in zip(numbers, numbers[1:])]
    return not (all(step > 0 for step in steps) or all(step < 0 for step in steps))


def csv_header_line(names):
    if may_be_mistaken(names):
        return ",".join([quoted_csv(name) for name in names])
    return csv_line(names)


def csv_field(text):
    """Quotes around what needs them, and around blanks at either side, because some readers trim those."""
    if text == "":
        return text
    needs_quotes = (
        text[0] <= " "
        or text[-1] <= " "
        or text[0] == "\ufeff"
        or '"' in text
        or "," in text
        or "\n" in text
        or "\r" in text
    )
    return quoted_csv(text) if needs_quotes else text


def quoted_csv(text):
    return '"' + text.replace('"', '""') + '"'


# The kinds of model.


class RowModel:
    """predict(rows, context): one chunk of rows in, exactly as many out, in the same order."""

    takes = "rows"

    def __init__(self, module):
        self.load = load_of(module)
        self.init, self.cleanup = hooks_of(module)
        self.predict = with_context(module.predict)
        self.parse_float = decimals_of(module)

    def answer(self, call):
        table_format = table_format_of(call.content_type)
        if table_format is None:
            raise BadInput(
                f"This model takes tables (CSV, JSON Lines, JSON records) and was sent {call.content_type}."
            )
        text = text_of(call.body)
        rows, alone = read_rows(text, table_format, self.parse_float)
        count = len(rows)
        outputs = self.predict(rows, call.context)
        is_table = is_frame(outputs)
        if not is_table and not isinstance(outputs, (list, tuple)):
            hint = "; return frame.collect()" if hasattr(outputs, "collect") else ""
            raise InvalidOutput(f"predict() must return a list of rows, and returned a {name_of_type(outputs)}{hint}.")
        if hasattr(outputs, "__len__") and len(outputs) != count:
            given = "a row" if count == 1 else f"{count} rows"
            raise InvalidOutput(f"predict() was given {given} and returned {len(outputs)}.")
        if is_table:
            outputs = alone_named(lambda: frame_rows(outputs, rows), count)
        wanted = (call.accept and table_format_of(call.accept)) or table_format
        outputs = with_digits(outputs, numbers_in(text, table_format))
        body = alone_named(lambda: write_rows(outputs, wanted), count)
        # One object is answered with one object.
        return CONTENT_TYPES[wanted], body[1:-1] if alone and wanted == "json" else body


def alone_named(work, count):
    """A row alone may be any of its table: its number here would be taken for its place there."""
    try:
        return work()
    except InvalidOutput as error:
        raise InvalidOutput(re.sub(r"^Row 1\b", "The output row", str(error)) if count == 1 else str(error)) from None


class AnyModel:
    """invoke(input, context): any JSON value, or the bytes of any other content type."""

    takes = "any"

    def __init__(self, module):
        self.load = load_of(module)
        self.init, self.cleanup = hooks_of(module)
        self.invoke = with_context(module.invoke)
        self.parse_float = decimals_of(module)

    def answer(self, call):
        text = text_of(call.body) if is_json(call.content_type) else None
        given = call.body if text is None else parsed(text, "The input", parse_float=self.parse_float)
        output = self.invoke(given, call.context)
        if isinstance(output, (bytes, bytearray, memoryview)):
            return call.accept or "application/octet-stream", bytes(output)
        if text is not None:
            output = with_digits(output, numbers_in(text, None))
        return CONTENT_TYPES["json"], utf8(json_text(output, no_output))


def decimals_of(module):
    """What reads the fractions of JSON for a model: Decimal where its file says DECIMALS = True, else None for float."""
    if getattr(module, "DECIMALS", False) is not True:
        return None
    from decimal import Decimal

    return Decimal


def parameters_of(function):
    """The names of a function's positional parameters, how many must be given, and whether it takes more; None where it does not say."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    if not hasattr(function, "__code__"):
        function = getattr(function, "__call__", None)
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    names = code.co_varnames[1 if hasattr(function, "__self__") else 0 : code.co_argcount]
    takes_more = code.co_flags & 0x04 != 0
    return names, len(names) - len(function.__defaults__ or ()), takes_more


def with_context(function):
    """A function that has no place for the context is called without it."""
    names, required, takes_more = parameters_of(function) or ((), 0, True)
    has_place = takes_more or required > 1 or names[1:2] == ("context",)
    return function if has_place else lambda given, _: function(given)


def load_of(module):
    """The file's load(), or None. One that needs a parameter is another's: many files import the load of pickle or joblib."""
    load = getattr(module, "load", None)
    parameters = parameters_of(load)
    return load if parameters is not None and parameters[1] == 0 else None


def hooks_of(module):
    """The file's init(model) and, beside it, cleanup(state); None where there is none. One that needs more is another's."""
    init = hook_of(getattr(module, "init", None))
    return init, None if init is None else hook_of(getattr(module, "cleanup", None))


def hook_of(function):
    names, required, takes_more = parameters_of(function) or ((), 2, False)
    if required > 1:
        return None
    return function if names or takes_more else lambda _: function()


class Script:
    """A SageMaker script: model_fn, input_fn, predict_fn and output_fn, or transform_fn in place of the last three. Each is called with a
    context behind what it is given where it has a place for one, as SageMaker's toolkits do."""

    takes = "any"
    functions = ("model_fn", "input_fn", "predict_fn", "output_fn", "transform_fn")
    init = cleanup = None

    def __init__(self, module):
        self.model_dir = os.environ.get("SM_MODEL_DIR") or os.path.dirname(module.__file__)
        self.accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or CONTENT_TYPES["json"]
        self.model_fn, self.input_fn, self.predict_fn, self.output_fn, self.transform_fn = (
            getattr(module, name, None) for name in self.functions
        )

    def load(self):
        return None if self.model_fn is None else called(self.model_fn, ScriptContext(self.model_dir), self.model_dir)

    def answer(self, call):
        model = call.context.model
        context = ScriptContext(self.model_dir, call)
        # Scripts compare types as wholes, so they are told them without parameters.
        content_type = media_type(call.content_type)
        accept = self.accept if call.accept in (None, "", "*/*") else media_type(call.accept)
        body = text_of(call.body) if is_text(content_type) else call.body
        if self.transform_fn is not None:
            output = called(self.transform_fn, context, model, body, content_type, accept)
            return as_chunk(call, *sent(output, context.response_type or accept, "transform_fn"))
        headed = True
        if self.input_fn is not None:
            data = called(self.input_fn, context, body, content_type)
        else:
            data, headed = default_input(body, content_type, call.rows)
        prediction = model.predict(data) if self.predict_fn is None else called(self.predict_fn, context, data, model)
        if self.output_fn is not None:
            output = called(self.output_fn, context, prediction, accept)
            return as_chunk(call, *sent(output, context.response_type or accept, "output_fn"))
        prediction = in_order(prediction, data)
        if is_json(content_type) or table_format_of(content_type) == "jsonl":
            prediction = with_digits(prediction, numbers_in(body, None if is_json(content_type) else "jsonl"))
        return default_output(prediction, accept, headed)


def called(function, context, *given):
    """Calls a script's function, with the context where it needs one value more, or has a parameter of that name."""
    names, required, _ = parameters_of(function) or ((), 0, False)
    if required > len(given) or names[len(given) : len(given) + 1] == ("context",):
        return function(*given, context)
    return function(*given, context=context) if "context" in keywords_of(function) else function(*given)


def keywords_of(function):
    """The names of a function's parameters that can only be given by name."""
    code = getattr(function, "__code__", None)
    return () if code is None else code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]


class ScriptContext:
    """What a script's functions get as their context: what that of SageMaker's model servers has, and during a run what a model's has."""

    def __init__(self, model_dir, call=None):
        self.system_properties = {"model_dir": model_dir, "gpu_id": None, "batch_size": 1, "server_name": "claimcheck"}
        self.manifest = {}
        self.headers = {} if call is None else {"Content-Type": call.content_type, "Accept": call.accept or "*/*", **call.headers}
        self.request_processor = [self]
        self.response_type = None
        self.call = call

    def get_request_properties(self):
        return self.headers

    def get_request_property(self, name):
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), None)

    def get_request_header(self, idx, key):
        return self.get_request_property(key)

    def get_all_request_header(self, idx):
        return self.headers

    def get_request_id(self, idx=0):
        return self.get_request_property(RUN_ID_HEADER)

    def set_response_content_type(self, idx, value):
        self.response_type = value

    def __getattr__(self, name):
        call = self.__dict__.get("call")
        if call is None or name.startswith("_"):
            raise AttributeError(f"The context of a script has no {name} here.")
        return getattr(call.context, name)


def as_chunk(call, content_type, body):
    """What a script answers to a chunk of a table, with a header line where it wrote none: SageMaker's own have none."""
    if call.rows is None or table_format_of(content_type) != "csv":
        return content_type, body
    try:
        lines = [values for _, values, is_blank in csv_lines(body.decode("utf-8")) if not is_blank]
    except (BadInput, UnicodeDecodeError):
        # The server says what is wrong with it.
        return content_type, body
    if len(lines) != call.rows:
        return content_type, body
    if not all(is_number(value) for value in lines[0]):
        raise InvalidOutput(
            f"The script answered {call.rows} rows with as many lines of CSV: a table in chunks needs a header line before them, unless the "
            "first line has numbers alone."
        )
    return content_type, f"{csv_line(prediction_names(len(lines[0])))}\n".encode() + body


def is_text(content_type):
    """What a script's input_fn gets as str; everything else it gets as bytes."""
    return content_type.startswith("text/") or is_json(content_type) or content_type in FORMATS


def default_input(body, content_type, rows=None):
    """What SageMaker hands to predict_fn where there is no input_fn, as lists; and whether a CSV had a header line."""
    table_format = table_format_of(content_type)
    if table_format == "csv":
        return numbers_of(body, rows)
    if table_format == "jsonl":
        lines = body.split("\n")
        return [parsed(line, f"Line {n}", n) for n, line in enumerate(lines, 1) if line.strip(" \t\r")], True
    if is_json(content_type):
        return parsed(body, "The input"), True
    raise BadInput(f"This script has no input_fn, and without one it takes JSON and CSV; it was sent {content_type}.")


def numbers_of(text, count):
    """The numbers of a CSV. A first line without any number is a header, and so is that of a chunk, whose rows are counted; anything else
    that is no number is an error."""
    lines = [(number, values) for number, values, is_blank in csv_lines(text) if not is_blank]
    headed = bool(lines) and (len(lines) - 1 == count or not any(is_number(value) for value in lines[0][1]))
    rows = []
    for number, values in lines[1:] if headed else lines:
        wrong = next((value for value in values if not is_number(value)), None)
        if wrong is not None:
            raise BadInput(
                f"Line {number} of the CSV has a value that is no number; without an input_fn every value must be one."
            )
        rows.append([float(value) for value in values])
    return rows, headed


def is_number(text):
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def in_order(prediction, data):
    """What a script predicts, as lists and rows where it is an array, a series or a DataFrame: with nothing missing, and in the order of its
    data where it has one index more than they have."""
    labels = labels_like(prediction, data)
    if is_frame(prediction):
        return frame_rows(prediction, labels=labels)
    if not hasattr(prediction, "tolist"):
        return prediction
    try:
        values = plain(prediction)
    except NoForm as error:
        raise no_output((), error.what, error.advice) from None
    places = None if labels is None else places_of(labels)
    if places is None:
        return values
    ordered = [None] * len(values)
    for value, place in zip(values, places):
        ordered[place] = value
    return ordered


def labels_like(prediction, data):
    """The index of what is predicted, in places of the data that it was made of; None where it has none, or another number of rows."""
    index = getattr(prediction, "index", None)
    if not hasattr(index, "tolist") or not hasattr(data, "__len__") or len(data) != len(prediction):
        return None
    labels, given = index.tolist(), getattr(data, "index", None)
    if not hasattr(given, "tolist"):
        return labels
    given = given.tolist()
    if labels == given:
        return None
    places = {label: place for place, label in enumerate(given)}
    # Labels that are there twice, or are none of the data's, say nothing of it: they stand for themselves.
    is_of_data = len(places) == len(given) and all(label in places for label in labels)
    return [places[label] for label in labels] if is_of_data else labels


def default_output(prediction, accept, headed):
    """What SageMaker answers where there is no output_fn: JSON, or CSV with a header unless the input came without one."""
    if is_json(accept):
        return accept, utf8(json_text(prediction, no_output))
    table_format = table_format_of(accept)
    if table_format is None or not isinstance(prediction, (list, tuple)):
        raise InvalidOutput(
            "This script has no output_fn, and without one it answers JSON, or lists as CSV and JSON Lines; "
            f"{accept} was asked for, and predict_fn returned a {type(prediction).__name__}."
        )
    if table_format == "jsonl":
        return accept, utf8("".join(f"{json_text(row, at_row(n))}\n" for n, row in enumerate(prediction)))
    table = write_rows(prediction_rows(prediction), "csv")
    return accept, table if headed else table.partition(b"\n")[2]


def prediction_rows(prediction):
    """Rows as they are; numbers and lists of numbers under names that they need in a table."""
    if any(isinstance(row, dict) for row in prediction):
        return prediction
    lists = [row if isinstance(row, (list, tuple)) else [row] for row in prediction]
    widths = {len(row) for row in lists}
    if len(widths) > 1:
        raise InvalidOutput(f"predict_fn returned lists of {min(widths)} to {max(widths)} values; a table has as many in each.")
    names = prediction_names(max(widths, default=1))
    return [dict(zip(names, row)) for row in lists]


def prediction_names(width):
    return ["prediction"] if width == 1 else [f"prediction_{n}" for n in range(1, width + 1)]


def sent(output, accept, name):
    """What a script's function returned: a text or bytes, or one of these with its content type. It is passed on as it is."""
    if isinstance(output, tuple) and len(output) == 2:
        output, accept = output
    if isinstance(output, str):
        output = output.encode("utf-8")
    if not isinstance(output, (bytes, bytearray, memoryview)) or not isinstance(accept, str):
        raise InvalidOutput(f"{name} must return str, bytes, or one of them and its content type as a tuple.")
    return accept, bytes(output)


# From a file to a model.


def import_file(file):
    """The file as a module that is not __main__, so that what a script does when it is run stays undone."""
    import importlib.util

    name = os.path.splitext(os.path.basename(file))[0]
    if name in sys.modules:
        name = "claimcheck_model"
    # What the file lies beside can be imported, as if it were run; what lies beside this program cannot.
    own = os.path.dirname(os.path.realpath(__file__))
    sys.path[:] = [os.path.dirname(file), *(path for path in sys.path if os.path.realpath(path) != own)]
    sys.argv = [file]
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # Compiled anew: a cached form is told from an older one by whole seconds, and the file may have been edited within one.
    code = spec.loader.source_to_code(spec.loader.get_data(file), file)
    exec(code, module.__dict__)
    return module


def load_file(file):
    """The model of a file, imported and not loaded; NoModel where there is none."""
    file = os.path.abspath(file)
    try:
        module = import_file(file)
    except BaseException as error:
        print_traceback(error)
        raise NoModel(f"{file} cannot be imported: {name_of_type(error)}: {text_of_value(error)}") from None
    defined = {
        name for name in ("predict", "invoke", *Script.functions) if callable(getattr(module, name, None))
    }
    script = defined.intersection(Script.functions)
    if script:
        if script.isdisjoint(("model_fn", "predict_fn", "transform_fn")):
            raise NoModel(f"{file} defines {' and '.join(sorted(script))}, but neither model_fn nor predict_fn.")
        return Script(module)
    if ("predict" in defined) == ("invoke" in defined):
        raise NoModel(
            f"{file} must define either predict(rows, context) or invoke(input, context), and not both; "
            "or model_fn, input_fn, predict_fn and output_fn, as a SageMaker script does."
        )
    return RowModel(module) if "predict" in defined else AnyModel(module)


# The server.


class Workers:
    """The threads that work with the model: the main one, and more only while it is not enough."""

    def __init__(self, model, channel, loaded, state):
        self.model = model
        self.channel = channel
        self.loaded = loaded
        self.state = state
        self.open = {}
        """The calls that have not been answered, in their order."""
        self.lock = threading.Lock()
        self.count = 1
        self.hints = queue.SimpleQueue()
        """One for each call that came. A hint may be lost: who has none yet looks for itself before it waits."""
        self.answered = queue.SimpleQueue()
        self.process = os.getpid()

    def hand(self, call):
        self.open[call] = True
        if len(self.open) > self.count and self.start_worker():
            self.count += 1
        self.hints.put(None)

    def start_worker(self):
        try:
            threading.Thread(target=or_die, args=(self.work, self.finish), daemon=True).start()
            return True
        except RuntimeError:
            # The replica has as many threads as it may have: the call waits for one of those that there are.
            return False

    def work_here(self):
        """Works in the main thread, where an alarm or an interrupt that the model has asked for may break in between any two steps: also in the
        midst of an answer that is being sent, of which nobody would know how much had gone. So another thread sends it."""
        threading.Thread(target=or_die, args=(self.send_answers,), daemon=True).start()
        self.work(self.answered.put)

    def send_answers(self):
        while True:
            self.finish(self.answered.get())

    def work(self, hand_on):
        """Calls from their beginning to their end. Whatever breaks in, a call goes on from what is written down of it."""
        worker = Worker()
        while True:
            try:
                # A step of this loop, and what is written down when one alarm has rung: the next may ring at any of them.
                while True:
                    try:
                        while True:
                            self.go_on(worker, hand_on)
                    except BaseException as error:
                        worker.error = error
            except BaseException as error:
                worker.error = error

    def go_on(self, worker, hand_on):
        call = self.call_of(worker)
        if call is None:
            self.hints.get()
            return
        if call.answer is None:
            if call.is_begun:
                call.answer = failed(worker.error)
            else:
                worker.error = None
                call.is_begun = True
                call.answer = reply(self.model, call)
        if os.getpid() != self.process:
            # A fork that the model has let return, and that has no call of its own: a second answer could be taken for that of another run.
            os._exit(1)
        hand_on(call)
        call.is_handed_on = True

    def call_of(self, worker):
        """The call that a worker has begun and not handed on, or else the first that nobody works on; None where there is none."""
        for call in list(self.open):
            with self.lock:
                call.worker = call.worker or worker
            if call.worker is worker and not call.is_handed_on:
                return call
        return None

    def finish(self, call):
        """Answers a call, and does so once however often it is handed on."""
        # Before the answer is sent: who has it and pings finds the call no longer at work.
        if self.open.pop(call, False):
            call.reports.is_over = True
            call.connection.finish(call.answer)


class Worker:
    """One of the threads, and what broke into its work last: what comes from outside of it, as an alarm that the model has set."""

    error = None


def reply(model, call):
    if call.context.cancelled:
        return b""
    before = INVOCATION.set(call.reports)
    try:
        return answer(model, call)
    finally:
        INVOCATION.reset(before)
        # First: with the answer the attempt is over, and its reports are no longer taken.
        call.reports.end()


def answer(model, call):
    try:
        content_type, body = model.answer(call)
        if not content_type.isprintable() or not content_type.isascii():
            raise InvalidOutput(f"The output came with {content_type!a}, which is no content type.")
        return response("200 OK", body, ("content-type", content_type))
    # An exit is no exception to Python, but must not end the replica without a word.
    except BaseException as error:
        return failed(error, type_hint(call))


JSON_LOOKED_AT_MAX = 1024 * 1024
"""Longest input that is looked into for whether it is JSON, in bytes."""


def type_hint(call):
    """What may be wrong with a run that failed: its input is JSON by its looks, and did not come as JSON."""
    is_told = is_json(call.content_type) or table_format_of(call.content_type) is not None
    if is_told or len(call.body) > JSON_LOOKED_AT_MAX or call.body[:64].lstrip()[:1] not in (b"{", b"["):
        return ""
    try:
        json_loads(call.body)
    except (ValueError, RecursionError):
        return ""
    return f" (The input looks like JSON but came as {media_type(call.content_type)}: send it with Content-Type: application/json.)"


def failed(error, hint=""):
    """The answer of a run that an error has ended."""
    if not isinstance(error, (InvalidOutput, BadInput)):
        print_traceback(error)
    kind = "invalid-output" if isinstance(error, InvalidOutput) else "model-error"
    return response(
        "500 Internal Server Error",
        utf8(described(error) + (hint if kind == "model-error" else "")),
        ("content-type", "text/plain; charset=utf-8"),
        (FAILURE_HEADER, kind),
    )


def response(status, body, *headers):
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Connection:
    """A connection of the server's: one request at a time, and its end is the end of the call that it waits for."""

    read_size = 256 * 1024

    def __init__(self, peer, workers):
        self.peer = peer
        self.workers = workers
        self.buffer = bytearray()
        self.request = None
        self.call = None
        self.is_gone = False
        self.lock = threading.Lock()

    def receive(self):
        """Reads what there is; False once the connection is of no more use."""
        try:
            some = self.peer.recv(self.read_size)
        except OSError:
            return False
        self.buffer += some
        return len(some) > 0 and self.advance()

    def advance(self):
        if self.request is None:
            end = self.buffer.find(b"\r\n\r\n")
            if end == -1:
                return True
            request_line, *lines = self.buffer[:end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            # The server always knows how long a body is.
            if "transfer-encoding" in headers:
                return False
            self.request = request_line.rpartition(" ")[0], headers, int(headers.get("content-length", 0))
            del self.buffer[: end + 4]
        target, headers, size = self.request
        if len(self.buffer) < size:
            return True
        body = bytes(self.buffer) if len(self.buffer) == size else bytes(self.buffer[:size])
        del self.buffer[:size]
        self.request = None
        return self.handle(target, headers, body)

    def handle(self, target, headers, body):
        if target == "POST /invocations":
            self.call = Call(self, headers, body, self.workers)
            self.workers.hand(self.call)
            return True
        if target == "GET /ping":
            return self.send(response("200 OK", b"", (BUSY_HEADER, str(len(self.workers.open)))))
        return self.send(response("404 Not Found", b""))

    def finish(self, data):
        """Answers the call, from the thread that worked on it."""
        with self.lock:
            self.call = None
            is_gone = self.is_gone
        if is_gone:
            self.peer.close()
        else:
            self.send(data)

    def hang_up(self):
        """The other side has closed the connection, which is how a call is cancelled."""
        with self.lock:
            self.is_gone = True
            call = self.call
        if call is None:
            self.peer.close()
        else:
            call.context.signal.set()

    def send(self, data):
        try:
            self.peer.sendall(data)
            return True
        except OSError:
            # There is nobody left to answer; the reading side hears of it too.
            return False


ACCEPT_PAUSE = 0.05
"""Pause before a connection is accepted that could not be, in seconds."""


def listen(listener, workers):
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                connection = key.data
                if connection is None:
                    try:
                        peer, _ = listener.accept()
                    except OSError:
                        # The model has opened as many files as it may: the connection waits until it has closed some.
                        sleep(ACCEPT_PAUSE)
                        continue
                    # Also where the model has set a limit for all sockets.
                    peer.settimeout(None)
                    selector.register(peer, selectors.EVENT_READ, Connection(peer, workers))
                elif not connection.receive():
                    selector.unregister(connection.peer)
                    connection.hang_up()


def or_die(work, *parts):
    """A replica that has lost one of its threads must not live on and be waited for."""
    try:
        work(*parts)
    except BaseException as error:
        sys.__excepthook__(type(error), error, error.__traceback__)
    finally:
        os._exit(1)


class Ending:
    """The end of the process, which comes once: the model lets go of what it holds, and has five seconds for it."""

    seconds_max = 5

    def __init__(self):
        self.cleanup = None
        self.begun = threading.Lock()

    def clean_up_with(self, cleanup):
        """From now on the process ends in this way on SIGTERM as well, which else ends it at once."""
        import signal

        self.cleanup = cleanup
        asked = queue.SimpleQueue()

        def watch():
            asked.get()
            self.come()

        # Not in the handler, which runs in the midst of what the model does.
        threading.Thread(target=watch, daemon=True).start()
        signal.signal(signal.SIGTERM, lambda *_: asked.put(None))
        # A process that the model forks has nobody who watches, and hears of no signal before it is ended by it again.
        os.register_at_fork(
            before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]),
            after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL),
        )
        for side in ("after_in_child", "after_in_parent"):
            os.register_at_fork(**{side: lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])})

    def come(self):
        if not self.begun.acquire(blocking=False):
            return
        code = 1
        try:
            if self.cleanup is not None:
                threading.Timer(self.seconds_max, os._exit, (1,)).start()
                self.cleanup()
            code = 0
        except BaseException as error:
            print_traceback(error)
        finally:
            os._exit(code)


def die_with_server(ending):
    # A descriptor of its own, so that neither the model nor a program that it starts reads from it, or waits for it.
    watched = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def watch():
        while os.read(watched, 1024):
            pass
        ending.come()

    threading.Thread(target=watch, daemon=True).start()


RECURSION_MIN = 500
"""Frames that this program needs, and far fewer than Python gives."""


def keep_room_for_frames():
    """A model may raise the limit of recursion, and lower it to what is left for this program."""
    set_limit = sys.setrecursionlimit
    sys.setrecursionlimit = lambda limit: set_limit(max(limit, RECURSION_MIN))


def serve(file):
    ending = Ending()
    die_with_server(ending)
    keep_room_for_frames()
    # Before the file is imported, which may clear its environment.
    place = os.environ[SOCKET_VARIABLE]
    channel = Channel(int(os.environ[REPORTS_VARIABLE]) if REPORTS_VARIABLE in os.environ else None)
    # Before the file is imported: a logger keeps the stream that it finds.
    sys.stdout, sys.stderr = heard = Heard(sys.stdout, "stdout"), Heard(sys.stderr, "stderr")
    try:
        model = load_file(file)
        try:
            loaded = None if model.load is None else model.load()
            state = None if model.init is None else model.init(loaded)
            unwrap_output(heard)
        except BaseException as error:
            print_traceback(error)
            raise NoModel(f"{file} could not be loaded: {name_of_type(error)}: {text_of_value(error)}") from None
    except NoModel as error:
        print(error, file=sys.stderr, flush=True)
        sys.stdout.flush()
        # Threads that the file has started must not keep the process.
        os._exit(1)
    if model.cleanup is not None:
        ending.clean_up_with(lambda: model.cleanup(state))
    listener = socket.socket(socket.AF_UNIX)
    listener.settimeout(None)
    listener.bind(place)
    listener.listen(128)
    workers = Workers(model, channel, loaded, state)
    threading.Thread(target=or_die, args=(listen, listener, workers), daemon=True).start()
    or_die(workers.work_here)


def inspect(file):
    told = int(os.environ[REPORTS_VARIABLE]) if REPORTS_VARIABLE in os.environ else None
    try:
        inspection = {"kind": load_file(file).takes}
    except NoModel as error:
        inspection = {"error": str(error)}
    # A file may have printed, and started threads: the answer goes where it prints nothing, or is the last line, and nothing is waited for.
    if told is not None:
        with open(told, "w") as reports:
            reports.write(f"{json_dumps(inspection)}\n")
    else:
        print(f"\n{json_dumps(inspection)}", flush=True)
    os._exit(0)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    if sys.argv[1] == "--inspect":
        inspect(sys.argv[2])
    else:
        serve(sys.argv[1])
