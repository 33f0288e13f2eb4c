"""The third kind of model: a SageMaker script."""

import math
import os

from .digits import numbers_in, with_digits
from .faults import BadInput, InvalidOutput
from .frames import frame_rows, in_places, places_of
from .json_text import json_text, no_output, utf8
from .plain_values import NoForm, is_frame, plain
from .protocol import (
    CONTENT_TYPES,
    FORMATS,
    RUN_ID_HEADER,
    is_json,
    media_type,
    table_format_of,
)
from .row_and_any import parameters_of
from .table_input import csv_lines, parsed, text_of
from .table_output import csv_line, write_lines, write_rows


class Script:
    """A SageMaker script: model_fn, input_fn, predict_fn and output_fn.

    A transform_fn may stand in place of the last three. Each function gets a context behind its
    other parameters where it has a place for one, as in SageMaker's toolkits.
    """

    takes = "any"
    functions = ("model_fn", "input_fn", "predict_fn", "output_fn", "transform_fn")
    init = cleanup = None

    def __init__(self, module):
        self.model_dir = os.environ.get("SM_MODEL_DIR") or os.path.dirname(module.__file__)
        accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT")
        self.accept = accept or CONTENT_TYPES["json"]
        self.model_fn, self.input_fn, self.predict_fn, self.output_fn, self.transform_fn = (
            getattr(module, name, None) for name in self.functions
        )

    def load(self):
        """Returns the model of model_fn; None without one."""
        if self.model_fn is None:
            return None
        return _called(self.model_fn, _ScriptContext(self.model_dir), self.model_dir)

    def answer(self, call):
        """Returns the content type and the bytes of the script's output."""
        model = call.context.model
        context = _ScriptContext(self.model_dir, call)
        # Scripts compare types as wholes, so they get them without parameters.
        content_type = media_type(call.content_type)
        accept = self.accept if call.accept in (None, "", "*/*") else media_type(call.accept)
        body = text_of(call.body) if _is_text(content_type) else call.body
        if self.transform_fn is not None:
            output = _called(self.transform_fn, context, model, body, content_type, accept)
            return _as_chunk(call, *_sent(output, context.response_type or accept, "transform_fn"))
        headed = True
        if self.input_fn is not None:
            data = _called(self.input_fn, context, body, content_type)
        else:
            data, headed = _default_input(body, content_type, call.rows)
        if self.predict_fn is None:
            prediction = model.predict(data)
        else:
            prediction = _called(self.predict_fn, context, data, model)
        if self.output_fn is not None:
            output = _called(self.output_fn, context, prediction, accept)
            return _as_chunk(call, *_sent(output, context.response_type or accept, "output_fn"))
        prediction = _in_order(prediction, data)
        if is_json(content_type) or table_format_of(content_type) == "jsonl":
            table_format = None if is_json(content_type) else "jsonl"
            prediction = with_digits(prediction, numbers_in(body, table_format))
        return _default_output(prediction, accept, headed)


def _called(function, context, *given):
    """Calls a function of a script.

    It gets the context where it needs one value more, or has a parameter of that name.
    """
    names, required, _ = parameters_of(function) or ((), 0, False)
    if required > len(given) or names[len(given) : len(given) + 1] == ("context",):
        return function(*given, context)
    if "context" in _keywords_of(function):
        return function(*given, context=context)
    return function(*given)


def _keywords_of(function):
    """Returns the names of a function's parameters that can only be given by name."""
    code = getattr(function, "__code__", None)
    if code is None:
        return ()
    return code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]


class _ScriptContext:
    """The context of a script's functions.

    It has the names of that of SageMaker's model servers, and during a run those of a model's.
    """

    def __init__(self, model_dir, call=None):
        self.system_properties = {
            "model_dir": model_dir,
            "gpu_id": None,
            "batch_size": 1,
            "server_name": "claimcheck",
        }
        self.manifest = {}
        self.headers = {} if call is None else _headers_of(call)
        self.request_processor = [self]
        self.response_type = None
        self.call = call

    def get_request_properties(self):
        return self.headers

    def get_request_property(self, name):
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), None)

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


def _headers_of(call):
    accept = call.accept or "*/*"
    return {"Content-Type": call.content_type, "Accept": accept, **call.headers}


def _as_chunk(call, content_type, body):
    """Returns a script's answer to a chunk of a table with a header line.

    SageMaker's own answers have no header line, so one is written where the script wrote none.
    """
    if call.rows is None or table_format_of(content_type) != "csv":
        return content_type, body
    try:
        lines = [values for _, values, is_blank in csv_lines(body.decode("utf-8")) if not is_blank]
    except (BadInput, UnicodeDecodeError):
        # The server says what is wrong with it.
        return content_type, body
    if len(lines) != call.rows:
        return content_type, body
    if not all(_is_number(value) for value in lines[0]):
        raise InvalidOutput(
            f"The script answered {call.rows} rows with as many lines of CSV: a table in chunks "
            "needs a header line before them, unless the first line has numbers alone."
        )
    header = csv_line(_prediction_names(len(lines[0])))
    return content_type, f"{header}\n".encode() + body


def _is_text(content_type):
    """Tells whether input_fn gets an input as str; it gets every other one as bytes."""
    return content_type.startswith("text/") or is_json(content_type) or content_type in FORMATS


def _default_input(body, content_type, rows=None):
    """Returns what SageMaker gives to predict_fn without an input_fn, as lists.

    Returns beside it whether a CSV had a header line.
    """
    table_format = table_format_of(content_type)
    if table_format == "csv":
        return _numbers_of(body, rows)
    if table_format == "jsonl":
        lines = enumerate(body.split("\n"), 1)
        return [parsed(line, f"Line {n}", n) for n, line in lines if line.strip(" \t\r")], True
    if is_json(content_type):
        return parsed(body, "The input"), True
    raise BadInput(
        "This script has no input_fn, and without one it takes JSON and CSV; "
        f"it was sent {content_type}."
    )


def _numbers_of(text, count):
    """Returns the numbers of a CSV, and whether it has a header line.

    A first line without any number is a header. So is that of a chunk, whose rows are counted.
    Every other value that is no number is an error.
    """
    lines = [(number, values) for number, values, is_blank in csv_lines(text) if not is_blank]
    headed = bool(lines) and (
        len(lines) - 1 == count or not any(_is_number(value) for value in lines[0][1])
    )
    rows = []
    for number, values in lines[1:] if headed else lines:
        wrong = next((value for value in values if not _is_number(value)), None)
        if wrong is not None:
            raise BadInput(
                f"Line {number} of the CSV has a value that is no number; "
                "without an input_fn every value must be one."
            )
        rows.append([float(value) for value in values])
    return rows, headed


def _is_number(text):
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _in_order(prediction, data):
    """Returns a prediction with nothing missing, and in the order of its data.

    An array, a series or a DataFrame becomes lists and rows. It is ordered where it and its data
    each have an index, or it alone has one.
    """
    labels = _labels_like(prediction, data)
    if is_frame(prediction):
        return frame_rows(prediction, labels=labels)
    if not hasattr(prediction, "tolist"):
        return prediction
    try:
        values = plain(prediction)
    except NoForm as error:
        raise no_output((), error.what, error.advice) from None
    return in_places(values, None if labels is None else places_of(labels))


def _labels_like(prediction, data):
    """Returns the index of a prediction, in places of the data that it was made of.

    Returns None where it has no index, or another number of rows.
    """
    index = getattr(prediction, "index", None)
    if not hasattr(index, "tolist") or not hasattr(data, "__len__"):
        return None
    if len(data) != len(prediction):
        return None
    labels, given = index.tolist(), getattr(data, "index", None)
    if not hasattr(given, "tolist"):
        return labels
    given = given.tolist()
    if labels == given:
        return None
    places = {label: place for place, label in enumerate(given)}
    # Labels that occur twice, or are none of the data's, say nothing of the data. They stand for
    # themselves.
    is_of_data = len(places) == len(given) and all(label in places for label in labels)
    return [places[label] for label in labels] if is_of_data else labels


def _default_output(prediction, accept, headed):
    """Returns what SageMaker answers without an output_fn.

    That is JSON, or CSV with a header unless the input came without one.
    """
    if is_json(accept):
        return accept, utf8(json_text(prediction, no_output))
    table_format = table_format_of(accept)
    if table_format is None or not isinstance(prediction, (list, tuple)):
        raise InvalidOutput(
            "This script has no output_fn, and without one it answers JSON, or lists as CSV and "
            f"JSON Lines; {accept} was asked for, "
            f"and predict_fn returned a {type(prediction).__name__}."
        )
    if table_format == "jsonl":
        return accept, write_lines(prediction)
    table = write_rows(_prediction_rows(prediction), "csv")
    return accept, table if headed else table.partition(b"\n")[2]


def _prediction_rows(prediction):
    """Returns rows as they are; numbers and lists of numbers get the names that a table needs."""
    if any(isinstance(row, dict) for row in prediction):
        return prediction
    lists = [row if isinstance(row, (list, tuple)) else [row] for row in prediction]
    widths = {len(row) for row in lists}
    if len(widths) > 1:
        raise InvalidOutput(
            f"predict_fn returned lists of {min(widths)} to {max(widths)} values; "
            "a table has as many in each."
        )
    names = _prediction_names(max(widths, default=1))
    return [dict(zip(names, row)) for row in lists]


def _prediction_names(width):
    return ["prediction"] if width == 1 else [f"prediction_{n}" for n in range(1, width + 1)]


def _sent(output, accept, name):
    """Returns the content type and the bytes that a script's function returned, as they are.

    It returns a text or bytes, or one of these with its content type.
    """
    if isinstance(output, tuple) and len(output) == 2:
        output, accept = output
    if isinstance(output, str):
        output = output.encode("utf-8")
    if not isinstance(output, (bytes, bytearray, memoryview)) or not isinstance(accept, str):
        raise InvalidOutput(
            f"{name} must return str, bytes, or one of them and its content type as a tuple."
        )
    return accept, bytes(output)
