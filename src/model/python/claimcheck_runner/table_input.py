"""Tables to rows: CSV, JSON and JSON Lines, read as src/table reads them."""

import re
from json import JSONDecodeError
from json import dumps as json_dumps
from json import loads as json_loads

from .faults import BadInput

_WANTED = 'send an array of objects, [{"column": value, ...}, ...]'
_LONE_RETURN = (
    "holds a carriage return with no line feed after it; "
    "end lines with LF or CRLF, or put quotes around the value."
)
_CSV_FIELD = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|((?!")[^,\r\n]*))(,|\r?\n|\Z)')


def text_of(body):
    """Decodes UTF-8, without a byte order mark; raises BadInput with the line that is none."""
    try:
        return body.decode("utf-8").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise BadInput(f"The input is not valid UTF-8 (line {line}); save it as UTF-8.") from None


def parsed(text, what, first_line=1, parse_float=None):
    """Reads JSON by RFC 8259: Python alone would take NaN as well.

    `what` names the text in errors, and `first_line` is the number of its first line there.
    """

    def refuse(name):
        raise BadInput(f"{what} holds {name}, which is no JSON; send null or a string.")

    try:
        return json_loads(text, parse_constant=refuse, parse_float=parse_float)
    except JSONDecodeError as error:
        line = error.lineno + first_line - 1
        place = f"line {line}, column {error.colno}"
        raise BadInput(f"{what} cannot be read: {error.msg} ({place}).") from None
    except RecursionError:
        raise BadInput(f"{what} is nested too deeply to be read.") from None
    except ValueError as error:
        # Python reads no integer of more than 4,300 digits.
        raise BadInput(f"{what} cannot be read: {error}.") from None


def read_rows(text, table_format, parse_float=None):
    """Returns the rows of a table, and whether they are one JSON object alone."""
    if table_format == "json":
        return _read_json(text, parse_float)
    return (read_csv(text) if table_format == "csv" else _read_jsonl(text, parse_float)), False


def _read_json(text, parse_float=None):
    """Reads JSON records. One object alone is one row, so that a model can be tried with one."""
    value = parsed(text, "The JSON table", parse_float=parse_float)
    where = ""
    if isinstance(value, dict):
        if not isinstance(value.get("instances"), list):
            return [value], True
        if len(value) > 1:
            other = next(name for name in value if name != "instances")
            raise BadInput(
                f'The JSON table has {json_dumps(other)} beside "instances", '
                "which nothing would read; leave it out."
            )
        value, where = value["instances"], "/instances"
    if not isinstance(value, list):
        raise BadInput(f"The JSON table is not an array; {_WANTED}.")
    for position, row in enumerate(value):
        if not isinstance(row, dict):
            place = f"Row {position + 1} of the JSON table ({where}/{position})"
            raise BadInput(f"{place} is not an object; {_WANTED}.")
    return value, False


def _read_jsonl(text, parse_float=None):
    rows = []
    # splitlines() would end lines at eight more characters.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip(" \t\r") == "":
            continue
        row = parsed(line, f"Line {number}", number, parse_float)
        if not isinstance(row, dict):
            raise BadInput(
                f"Line {number} is not an object; "
                'write one object, {"column": value, ...}, on each line.'
            )
        rows.append(row)
    return rows


def csv_lines(text):
    """Yields the lines of a CSV text by RFC 4180.

    Each is a tuple: the number of the line where it starts, its values exactly as they stand, and
    whether it is blank.
    """
    if "\0" in text:
        fault = "holds a NUL byte; save the table as UTF-8 text (it may be UTF-16 now)."
        raise _csv_fault(text, text.index("\0"), fault)
    if '"' in text:
        return _quoted_csv_lines(text)
    text = text.replace("\r\n", "\n")
    if "\r" in text:
        raise _csv_fault(text, text.index("\r"), _LONE_RETURN)
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return ((number, line.split(","), line == "") for number, line in enumerate(lines, 1))


def _quoted_csv_lines(text):
    at, number = 0, 1
    while at < len(text):
        start, values, end = at, [], ","
        while end == ",":
            field = _CSV_FIELD.match(text, at)
            if field is None:
                raise _csv_fault(text, at, _why_no_field(text, at))
            quoted, bare, end = field.groups()
            values.append(bare if quoted is None else quoted.replace('""', '"'))
            at = field.end()
        yield number, values, values == [""] and quoted is None
        number += text.count("\n", start, at)


def _why_no_field(text, at):
    if text[at] != '"':
        return _LONE_RETURN
    end = text.find('"', at + 1)
    while end != -1 and text[end + 1 : end + 2] == '"':
        end = text.find('"', end + 2)
    if end == -1:
        return (
            "has a quote that is never closed; "
            "close it, and write a quote inside a value as two quotes."
        )
    if text[end + 1] == "\r":
        return _LONE_RETURN
    return "has text after a closing quote; write a quote inside a value as two quotes."


def _csv_fault(text, at, fault):
    line = text.count("\n", 0, at) + 1
    return BadInput(f"The CSV table (line {line}) {fault}")


def read_csv(text):
    """Returns the rows of a CSV text as dicts.

    Every value is the string that stands in the file: there is no trimming, no number, no null.
    """
    lines = iter(csv_lines(text))
    header = next(((number, values) for number, values, is_blank in lines if not is_blank), None)
    if header is None:
        raise BadInput(
            "The CSV table is empty; it needs a header line with the names of its columns."
        )
    number, names = header
    check_names(names, BadInput, f" (line {number})")
    rows, blanks = [], 0
    for number, values, is_blank in lines:
        if is_blank:
            blanks += 1
            continue
        if len(values) != len(names):
            place = f"Row {len(rows) + 1} (line {number})"
            raise BadInput(
                f"{place} has {len(values)} values where the header names {len(names)}; write the "
                "missing ones between commas, and put quotes around a value that holds a comma."
            )
        # A blank line inside a table of one column is an empty value. Elsewhere, and after the
        # last row, it is nothing.
        if len(names) == 1:
            rows.extend({names[0]: ""} for _ in range(blanks))
        blanks = 0
        rows.append(dict(zip(names, values)))
    return rows


def check_names(names, error, place=""):
    """Refuses names of columns that are empty or occur twice.

    Rows are dicts, so one of two equal names would be lost. `error` is the class of the error that
    is raised.
    """
    seen = set()
    for position, name in enumerate(names, 1):
        if name == "":
            raise error(
                f"Column {position} of the header{place} has no name; "
                "give every column one (pandas: index=False)."
            )
        if "\0" in name:
            raise error(
                f"The name of column {position}{place} holds a NUL character; rename the column."
            )
        if name in seen:
            raise error(
                f"The header{place} names {json_dumps(name)} more than once; "
                "give every column a name of its own."
            )
        seen.add(name)
