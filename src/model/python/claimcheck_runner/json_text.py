"""Values to JSON. An error names the place of the value that JSON cannot hold."""

import math

# A model may put other functions into json, for speed. So these are taken before it is imported.
from json import JSONEncoder
from json import dumps as json_dumps

from .digits import Digits, HasDigits, is_decimal
from .faults import InvalidOutput
from .plain_values import NoForm, plain

ENCODER = JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain)
"""Writes compact JSON. It raises for NaN, and for a value that has no form."""

_PLAIN = {str, int, float, bool, type(None)}
_STRING = {str}


def json_text(value, refuse):
    """Returns a value as JSON.

    `refuse` makes the error of a value that has none. It is given the path to the value, what
    stands there, and what to return instead.
    """
    try:
        try:
            text = ENCODER.encode(value)
        except HasDigits:
            text = _text_with_digits(value)
        may_be_odd = type(value) not in _PLAIN and _has_odd_keys(value)
        fault = _first_fault(value) if may_be_odd else None
    except (TypeError, ValueError, RecursionError) as error:
        try:
            fault = _first_fault(value) or ((), str(error), None)
        except RecursionError:
            fault = (), "a value that is nested too deeply", None
    if fault is not None:
        raise refuse(*fault)
    return text


def utf8(json_or_lines):
    """Encodes JSON. Half a surrogate pair has no UTF-8; its escape says the same within JSON."""
    return json_or_lines.encode("utf-8", "backslashreplace")


def _text_with_digits(value):
    """Returns a value as JSON, piece by piece where json does not keep the digits of a number."""
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
        members = (
            f"{ENCODER.encode({key: 0})[1:-2]}{_text_with_digits(member)}"
            for key, member in value.items()
        )
        return "{" + ",".join(members) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([_text_with_digits(item) for item in value]) + "]"
    return _text_with_digits(plain(value))


def _first_fault(value, path=(), above=()):
    """Finds the first value that JSON cannot hold; None where there is none.

    Returns its path, what is wrong with it, and what to return instead (None for the usual advice).
    `above` are the ids of the values that hold this one.
    """
    if value is None or isinstance(value, (str, Digits)):
        return None
    if isinstance(value, int):
        advice = "return a float, or fewer digits"
        what = "an integer of more digits than Python writes"
        return None if _is_written(value) else (path, what, advice)
    if isinstance(value, float):
        return None if math.isfinite(value) else (path, _name_of_float(value), None)
    if id(value) in above:
        return path, "a value that holds itself (it is circular)", None
    above += (id(value),)
    if isinstance(value, (dict, list, tuple)):
        is_dict = isinstance(value, dict)
        fault = _key_fault(value, path) if is_dict else None
        members = value.items() if is_dict else enumerate(value)
        # In place, and not in a function: each frame of a level takes from the depth that fits.
        faults = (_first_fault(member, path + (step,), above) for step, member in members)
        return fault or next((fault for fault in faults if fault is not None), None)
    if is_decimal(value):
        return None if value.is_finite() else (path, str(value), None)
    try:
        return _first_fault(plain(value), path, above)
    except NoForm as error:
        return path, error.what, error.advice


def _name_of_float(value):
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _is_written(integer):
    """Tells whether Python writes an integer: of more than 4,300 digits only where told to."""
    try:
        return int.__repr__(integer) != ""
    except ValueError:
        return False


def _key_fault(members, path):
    """Finds a key that is none in JSON, or two that would be the same text there."""
    texts = {}
    for key in members:
        if isinstance(key, str):
            text = key
        elif _is_key(key):
            text = json_dumps(key)
        else:
            return path, f"a {type(key).__name__} as a key", "return keys that are strings"
        if text in texts:
            what = f"the key {json_dumps(text)} twice, as {texts[text]!r} and as {key!r}"
            return path, what, "return keys that differ as strings"
        texts[text] = key
    return None


def _is_key(key):
    """Tells whether json makes a text of a key that is none."""
    if isinstance(key, float):
        return math.isfinite(key)
    return key is None or (isinstance(key, int) and _is_written(key))


def _has_odd_keys(value):
    """Tells whether a value that JSON can hold has a key that is no string.

    The values of numpy and its kin have no keys.
    """
    values = [value]
    while values:
        value = values.pop()
        if isinstance(value, dict):
            if not _STRING.issuperset(map(type, value)):
                return True
            members = value.values()
        elif isinstance(value, (list, tuple)):
            members = value
        else:
            is_number = is_decimal(value) or isinstance(value, (str, int, float, Digits))
            is_leaf = hasattr(value, "tolist") or is_number
            members = () if is_leaf else (plain(value),)
        values.extend([member for member in members if type(member) not in _PLAIN])
    return False


def no_output(path, what, advice=None):
    """Makes the error of a value of an output that JSON has no form for."""
    where = "".join(f"/{step}" for step in path)
    place = f" at {where}" if where else ""
    if advice is not None:
        return InvalidOutput(f"The output has {what}{place}: JSON has no form for it; {advice}.")
    return InvalidOutput(
        f"The output has {what}{place}: JSON has no form for it, and null would hide it. "
        "Return None with a reason beside it, or raise an error."
    )


def no_cell(path, what, advice=None):
    """Makes the error of a value in a table that JSON has no form for; a path begins with a row."""
    row, *column = path
    if not column:
        return InvalidOutput(
            f"Row {row + 1} has {what}; return strings, numbers, booleans, None, lists and dicts."
        )
    place = f"Row {row + 1}, column {json_dumps(str(column[0]))}: the value is or holds {what}"
    if advice is not None:
        return InvalidOutput(f"{place}, which JSON has no form for; {advice}.")
    return InvalidOutput(
        f"{place}, which would hide an error; "
        "return a finite number, or None or a string if you mean one."
    )
