"""Numbers that a model only hands through keep their digits, as in kept-digits.ts."""

import math
import re
import sys
from json import loads as json_loads

from .table_input import read_csv

_MAY_CHANGE = re.compile(r"\d[eE][-+\d]|\.\d+0(?!\d)|(?<![\w.])-0(?!\.)|\d[\d.]{15}")
"""Matches in a text that may hold a number that Python would write otherwise."""
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


class Digits:
    """A number of the input, as the input writes it."""

    def __init__(self, text):
        self.text = text


class HasDigits(Exception):
    """A value holds a number whose digits json does not keep."""


def is_decimal(value):
    """Tells whether a value is a Decimal. There is none as long as nobody has imported decimal."""
    module = sys.modules.get("decimal")
    return module is not None and isinstance(value, module.Decimal)


def with_digits(value, given):
    """Returns the value with the digits of the input.

    A number gets the digits of the number of `given` in the same place, if it is the float next to
    that number.
    """
    if isinstance(given, Digits):
        return Digits(given.text) if _is_number_of(value, given.text) else value
    if isinstance(value, dict) and isinstance(given, dict):
        kept = {
            key: with_digits(member, given[key])
            for key, member in value.items()
            if given.get(key) is not None
        }
        is_same = all(value[key] is member for key, member in kept.items())
        return value if is_same else {**value, **kept}
    if isinstance(value, (list, tuple)) and isinstance(given, list):
        kept = [
            with_digits(item, given[at] if at < len(given) else None)
            for at, item in enumerate(value)
        ]
        return value if all(item is value[at] for at, item in enumerate(kept)) else kept
    return value


def _is_number_of(value, digits):
    """Tells whether a number is the input's and would be written otherwise.

    Zeros are told apart by their sign.
    """
    if isinstance(value, float):
        if float.__repr__(value) == digits or float(digits) != value:
            return False
        return math.copysign(1, float(digits)) == math.copysign(1, value)
    if is_decimal(value):
        given = type(value)(digits)
        return given == value and given.is_signed() == value.is_signed()
    return type(value) is int and value == 0 and digits == "-0"


def _float_digits(text):
    """Returns Digits; None where Python writes the float so anyhow, as nearly all floats."""
    return None if float.__repr__(float(text)) == text else Digits(text)


def numbers_in(text, table_format):
    """Returns the rows of a text, with Digits for each number that Python may write otherwise.

    A `table_format` of None stands for one JSON value. Returns None where no number may change.
    """
    if not _MAY_CHANGE.search(text):
        return None
    if table_format == "csv":
        return [
            {
                name: Digits(value) if _JSON_NUMBER.fullmatch(value) else value
                for name, value in row.items()
            }
            for row in read_csv(text)
        ]
    texts = text.split("\n") if table_format == "jsonl" else [text]
    values = [
        json_loads(one, parse_float=_float_digits, parse_int=Digits)
        for one in texts
        if one.strip(" \t\r\n") != ""
    ]
    if table_format == "jsonl":
        return values
    value = values[0]
    if table_format is None or isinstance(value, list):
        return value
    return value["instances"] if isinstance(value.get("instances"), list) else [value]
