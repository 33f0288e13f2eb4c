"""Errors of the runner, and how an error of any kind is told."""

import os
import sys

DETAIL_MAX = 16_384
"""Longest text of an error, in characters."""

_OWN_FOLDER = os.path.dirname(__file__)


class InvalidOutput(Exception):
    """A fault of the output and not of the model's work."""


class BadInput(Exception):
    """An input that cannot be read; the message says what is wrong, where, and what to do."""


class NoModel(Exception):
    """A file that is no model; the message says why."""


def described(error):
    """Returns an error in its own words, at most DETAIL_MAX characters of them.

    A missing key and an exit code say nothing alone, so the name of their error stands before them.
    """
    try:
        # Joining makes a text of Python's own kind of a text of the model's kind.
        name, text = type(error).__name__, "".join([str(error)])[:DETAIL_MAX]
        if text == "":
            return name
        parts = getattr(error, "exceptions", None)
        if isinstance(parts, tuple) and 0 < len(parts) <= 10:
            told = "; ".join(f"{type(part).__name__}: {described(part)}" for part in parts)
            return f"{text}: {told}"[:DETAIL_MAX]
        return f"{name}: {text}" if isinstance(error, (KeyError, SystemExit)) else text
    except BaseException as second:
        kind = name_of_type(error)
        return f"A {kind} whose text cannot be had: that raised a {name_of_type(second)}."


def text_of_value(value):
    """Returns a value as text, also where the value raises when it is asked for it."""
    try:
        return "".join([str(value)])
    except BaseException:
        return f"a {name_of_type(value)} that has no text"


def name_of_type(value):
    """Returns the name of a value's type. The type itself is not asked, since it may raise."""
    return type.__dict__["__name__"].__get__(type(value))


def print_traceback(error):
    """Prints an error as Python prints an uncaught one, from the first line of the model on."""
    try:
        trace = error.__traceback__
        while trace is not None and _is_own(trace.tb_frame.f_code.co_filename):
            trace = trace.tb_next
        sys.__excepthook__(type(error), error.with_traceback(trace), trace)
    except BaseException:
        # The error may raise when it is looked at. So may the model's own standard error.
        pass


def _is_own(file):
    return os.path.dirname(file) == _OWN_FOLDER
