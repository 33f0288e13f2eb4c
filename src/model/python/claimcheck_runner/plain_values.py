"""Values of Python, numpy, pandas, Polars and others, as what JSON can hold.

A value that has no honest form in JSON is an error, and never a null. No library is imported for
it: a value is known by its abilities.
"""

import os
from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import Enum

from .digits import Digits, HasDigits, is_decimal
from .faults import name_of_type

_OF_PYTHON = {
    "builtins",
    "datetime",
    "uuid",
    "pathlib",
    "pathlib._local",
    "array",
    "fractions",
}


class NoForm(TypeError):
    """A value that JSON has no form for."""

    def __init__(self, what, advice=None):
        super().__init__(f"{what} has no JSON form")
        self.what = what
        self.advice = advice
        """What to return in its place; None where there is only to say that it hides an error."""


def plain(value):
    """Takes a value one step nearer to JSON; raises NoForm, or HasDigits for a kept number."""
    if isinstance(value, Digits) or is_decimal(value):
        raise HasDigits
    try:
        is_of_python = type(value).__module__ in _OF_PYTHON
        return _plain_of_python(value) if is_of_python else _plain_of_others(value)
    except (NoForm, RecursionError):
        raise
    except Exception as error:
        what = f"a {name_of_type(value)}, which raised a {name_of_type(error)}"
        raise NoForm(f"{what} when it was looked at") from None


def _plain_of_python(value):
    if isinstance(value, (bytes, bytearray, memoryview)):
        advice = "return a text: value.decode() or base64.b64encode(value).decode()"
        raise NoForm("bytes", advice)
    if isinstance(value, (set, frozenset)):
        raise NoForm(f"a {type(value).__name__}, which has no order", "return sorted(value)")
    if isinstance(value, complex):
        raise NoForm("a complex number", "return its real and imaginary parts")
    if isinstance(value, timedelta):
        seconds = value.days * 86_400 + value.seconds
        return _duration_text((seconds * 1_000_000 + value.microseconds) * 1_000)
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
    advice = "return str(value), or the numbers and texts that it is made of"
    raise NoForm(f"a {type(value).__name__}", advice)


def _plain_of_others(value):
    """Takes a step with a value whose class is a library's or the model's own."""
    if _is_missing(value):
        raise NoForm(f"a missing value ({value})")
    if isinstance(value, Enum):
        return value.value
    if hasattr(type(value), "__dataclass_fields__"):
        fields = type(value).__dataclass_fields__
        return {name: getattr(value, name) for name in fields if hasattr(value, name)}
    if isinstance(value, Mapping):
        return dict(value)
    if is_frame(value):
        advice = "return its rows: frame.to_dict(orient='records'), in Polars frame.to_dicts()"
        raise NoForm(f"a {type(value).__name__}", advice)
    if getattr(getattr(value, "dtype", None), "kind", None) is not None:
        return _plain_array(value)
    for way in ("isoformat", "as_py", "model_dump", "__fspath__", "tolist", "to_list"):
        if callable(getattr(value, way, None)):
            if _holds_missing(value):
                raise NoForm("a missing value")
            return getattr(value, way)()
    return _plain_of_python(value)


def is_frame(value):
    """Tells a DataFrame by its abilities: pandas may not be there to be asked."""
    return hasattr(value, "to_dict") and hasattr(value, "columns")


def _plain_array(value):
    """Returns an array or a scalar of numpy or pandas as lists or as a value of Python."""
    dtype = value.dtype
    if _holds_missing(value):
        raise NoForm("a missing value (NaT)" if dtype.kind in "mM" else "a missing value")
    if getattr(dtype, "char", "") in ("g", "G"):
        what = f"a {dtype.name}, of which a JSON number keeps 53 bits"
        raise NoForm(what, "return float(value)")
    # The dates and durations of pandas know their form.
    if dtype.kind in "mM" and type(value).__module__ == "numpy":
        is_date = dtype.kind == "M"
        return value.astype(str).tolist() if is_date else _durations_of(value.tolist(), dtype)
    return value.tolist()


def _durations_of(value, dtype):
    """Returns texts for what numpy gives for durations.

    numpy gives nested lists of timedelta, and whole numbers where timedelta lacks the unit.
    """
    if isinstance(value, list):
        return [_durations_of(item, dtype) for item in value]
    if isinstance(value, int):
        if dtype.name != "timedelta64[ns]":
            raise NoForm(f"a {dtype.name}", "return a number of a unit that you name")
        return _duration_text(value)
    return value


def _duration_text(nanoseconds):
    """Returns a duration by ISO 8601, as pandas writes it."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3_600)
    minutes, seconds = divmod(seconds, 60)
    exact = f"{seconds}.{fraction:09}".rstrip("0").rstrip(".")
    return f"P{days}DT{hours}H{minutes}M{exact}S"


def _is_missing(value):
    """Tells NA, NaT and their kin: by their name, or since they differ from themselves."""
    is_named_so = type(value).__name__ in ("NAType", "NaTType")
    return is_named_so or (hasattr(value, "isoformat") and bool(value != value))


def _holds_missing(value):
    """Tells whether something of an array, a series or a scalar is missing.

    numpy masks it; pandas, Arrow and Polars know it to be null. An array of objects is not judged
    here: its objects are looked at one by one.
    """
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
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    return kind in ("m", "M") and bool((value != value).any())
