"""Rows to tables: CSV, JSON and JSON Lines, written as src/table writes them."""

import re
from json import loads as json_loads

from .faults import InvalidOutput
from .json_text import json_text, no_cell, utf8
from .table_input import check_names

# The same as ODD_NAME in table/csv/look.ts, with what stands there for a blank and for any
# character.
_BLANK = r"[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]"
_ANY = r"[^\n\r\u2028\u2029]"
_ODD_NAME = (
    rf"^#{_ANY}*{_BLANK}|^##|[;\t|]"
    rf"|^{_BLANK}*[-+]?(?:[0-9]*\.[0-9]*|[0-9]+[eE]{_ANY}*){_BLANK}*\Z"
    rf"|^{_BLANK}*[-+][0-9]"
)
"""Compiled at its first use: that takes a millisecond, which most replicas need not wait for."""
_WHOLE_NAME = re.compile(r"[0-9]+")


def write_rows(rows, table_format):
    """Returns rows as the bytes of a table; raises InvalidOutput with the place of a fault."""
    columns = _columns_of(rows)
    if table_format == "csv":
        return _write_csv(rows, columns)
    if table_format == "json":
        return utf8(json_text(rows, no_cell))
    return write_lines(rows)


def write_lines(rows):
    """Returns values as JSON Lines."""
    lines = (f"{json_text(row, _at_row(position))}\n" for position, row in enumerate(rows))
    return utf8("".join(lines))


def _columns_of(rows):
    """Returns the keys of all rows, in the order first seen."""
    columns = {}
    for position, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            kind = "None" if row is None else f"a {type(row).__name__}"
            raise InvalidOutput(
                f"Row {position} is {kind}; every row must be a dict, {{column: value, ...}}."
            )
        columns.update(row)
    for name in columns:
        if not isinstance(name, str):
            raise InvalidOutput(
                f"A column is named {name!r}, a {type(name).__name__}; "
                "the names of columns must be strings."
            )
    return list(columns)


def _at_row(position):
    return lambda path, *what: no_cell((position, *path), *what)


def _write_csv(rows, columns):
    if not columns:
        if not rows:
            return b""
        raise InvalidOutput(
            "The rows have no columns, so a CSV table cannot hold them; return at least one column."
        )
    check_names(columns, InvalidOutput)
    lines = [_csv_header_line(columns)]
    for position, row in enumerate(rows):
        lines.append(csv_line([_csv_text(row.get(name), position, name) for name in columns]))
    lines.append("")
    text = "\n".join(lines)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidOutput(
            "A text holds half of a surrogate pair, which UTF-8 cannot; return JSON."
        ) from None


def _csv_text(value, row, column):
    """Returns a value as it stands in a CSV file before quoting.

    None is empty, a string is itself, and every other value is its JSON.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        value = json_text(value, lambda path, *what: no_cell((row, column, *path), *what))
        if not value.startswith('"'):
            return value
        # A date becomes a JSON string. The CSV has the text of that string.
        value = json_loads(value)
    if "\0" in value:
        raise no_cell((row, column), "a NUL character")
    return value


def csv_line(texts):
    """Returns texts as a line of CSV. A lone empty one is written "": a blank line is no row."""
    return ",".join([_csv_field(text) for text in texts]) or '""'


def _csv_header_line(names):
    if _may_be_mistaken(names):
        return ",".join([_quoted_csv(name) for name in names])
    return csv_line(names)


def _may_be_mistaken(names):
    """Tells whether names without quotes would be taken for something else than a header."""
    is_odd = re.compile(_ODD_NAME).search
    if any(is_odd(name) for name in names) or (len(names) == 1 and " " in names[0]):
        return True
    numbers = [float(name) for name in names if _WHOLE_NAME.fullmatch(name)]
    steps = [after - before for before, after in zip(numbers, numbers[1:])]
    return not (all(step > 0 for step in steps) or all(step < 0 for step in steps))


def _csv_field(text):
    """Puts quotes around a text that needs them.

    Blanks at either side need them, because some readers trim those.
    """
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
    return _quoted_csv(text) if needs_quotes else text


def _quoted_csv(text):
    return '"' + text.replace('"', '""') + '"'
