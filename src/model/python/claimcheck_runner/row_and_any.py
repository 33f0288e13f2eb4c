"""The two kinds of model: predict(rows, context) and invoke(input, context)."""

import re

from .digits import numbers_in, with_digits
from .faults import BadInput, InvalidOutput, name_of_type
from .frames import frame_rows
from .json_text import json_text, no_output, utf8
from .plain_values import is_frame
from .protocol import CONTENT_TYPES, is_json, table_format_of
from .table_input import parsed, read_rows, text_of
from .table_output import write_rows


class RowModel:
    """predict(rows, context): takes a chunk of rows, and returns as many in the same order."""

    takes = "rows"

    def __init__(self, module):
        self.load = _load_of(module)
        self.init, self.cleanup = _hooks_of(module)
        self.predict = _with_context(module.predict)
        self.parse_float = _decimals_of(module)

    def answer(self, call):
        """Returns the content type and the bytes of the rows that the model predicts."""
        table_format = table_format_of(call.content_type)
        if table_format is None:
            raise BadInput(
                "This model takes tables (CSV, JSON Lines, JSON records) "
                f"and was sent {call.content_type}."
            )
        text = text_of(call.body)
        rows, alone = read_rows(text, table_format, self.parse_float)
        count = len(rows)
        outputs = self.predict(rows, call.context)
        _check_outputs(outputs, count)
        if is_frame(outputs):
            outputs = _alone_named(lambda: frame_rows(outputs, rows), count)
        wanted = (call.accept and table_format_of(call.accept)) or table_format
        outputs = with_digits(outputs, numbers_in(text, table_format))
        body = _alone_named(lambda: write_rows(outputs, wanted), count)
        # One object is answered with one object.
        return CONTENT_TYPES[wanted], body[1:-1] if alone and wanted == "json" else body


def _check_outputs(outputs, count):
    """Refuses an output that is no list of as many rows as the input has."""
    if not is_frame(outputs) and not isinstance(outputs, (list, tuple)):
        hint = "; return frame.collect()" if hasattr(outputs, "collect") else ""
        kind = name_of_type(outputs)
        raise InvalidOutput(f"predict() must return a list of rows, and returned a {kind}{hint}.")
    if hasattr(outputs, "__len__") and len(outputs) != count:
        given = "a row" if count == 1 else f"{count} rows"
        raise InvalidOutput(f"predict() was given {given} and returned {len(outputs)}.")


def _alone_named(work, count):
    """Words an error of a row that is alone without its number.

    Such a row may be any row of its table: its number here would be taken for its place there.
    """
    try:
        return work()
    except InvalidOutput as error:
        text = str(error)
        if count == 1:
            text = re.sub(r"^Row 1\b", "The output row", text)
        raise InvalidOutput(text) from None


class AnyModel:
    """invoke(input, context): any JSON value, or the bytes of any other content type."""

    takes = "any"

    def __init__(self, module):
        self.load = _load_of(module)
        self.init, self.cleanup = _hooks_of(module)
        self.invoke = _with_context(module.invoke)
        self.parse_float = _decimals_of(module)

    def answer(self, call):
        """Returns the content type and the bytes of the model's output."""
        text = text_of(call.body) if is_json(call.content_type) else None
        given = (
            call.body if text is None else parsed(text, "The input", parse_float=self.parse_float)
        )
        output = self.invoke(given, call.context)
        if isinstance(output, (bytes, bytearray, memoryview)):
            return call.accept or "application/octet-stream", bytes(output)
        if text is not None:
            output = with_digits(output, numbers_in(text, None))
        return CONTENT_TYPES["json"], utf8(json_text(output, no_output))


def _decimals_of(module):
    """Returns what reads the fractions of JSON for a model: Decimal, or None for float.

    It is Decimal where the file says DECIMALS = True.
    """
    if getattr(module, "DECIMALS", False) is not True:
        return None
    from decimal import Decimal

    return Decimal


def parameters_of(function):
    """Returns what a function says of its positional parameters; None where it says nothing.

    That is a tuple: their names, how many must be given, and whether it takes more.
    """
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    if not hasattr(function, "__code__"):
        function = getattr(function, "__call__", None)  # noqa: B004
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    names = code.co_varnames[1 if hasattr(function, "__self__") else 0 : code.co_argcount]
    takes_more = code.co_flags & 0x04 != 0
    return names, len(names) - len(function.__defaults__ or ()), takes_more


def _with_context(function):
    """Returns a function that can be given a context: one without a place for it gets none."""
    names, required, takes_more = parameters_of(function) or ((), 0, True)
    has_place = takes_more or required > 1 or names[1:2] == ("context",)
    return function if has_place else lambda given, _: function(given)


def _load_of(module):
    """Returns the file's load(), or None.

    One that needs a parameter is another's: many files import the load of pickle or joblib.
    """
    load = getattr(module, "load", None)
    parameters = parameters_of(load)
    return load if parameters is not None and parameters[1] == 0 else None


def _hooks_of(module):
    """Returns the file's init(model) and, beside it, cleanup(state); None where there is none.

    A function of these names that needs more parameters is another's.
    """
    init = _hook_of(getattr(module, "init", None))
    return init, None if init is None else _hook_of(getattr(module, "cleanup", None))


def _hook_of(function):
    names, required, takes_more = parameters_of(function) or ((), 2, False)
    if required > 1:
        return None
    return function if names or takes_more else lambda _: function()
