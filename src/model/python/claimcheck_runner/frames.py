"""DataFrames of pandas and Polars to rows: in the order of the input, with nothing missing."""

from json import dumps as json_dumps

from .faults import InvalidOutput
from .json_text import no_cell


def frame_rows(frame, given=None, labels=None):
    """Returns the rows of a DataFrame.

    They are in the order of the rows that the model was `given`, by the index of the DataFrame; or
    by `labels`, which say for each row where it belongs. A missing value becomes None only where
    the given row has None in its place: a computed value that is missing would hide an error.
    """
    names = list(frame.columns)
    if len(set(names)) < len(names):
        raise InvalidOutput(
            "The DataFrame has two columns of the same name; give every column a name of its own."
        )
    is_polars = hasattr(frame, "to_dicts")
    rows = frame.to_dicts() if is_polars else frame.to_dict(orient="records")
    index = None if is_polars or given is None else getattr(frame, "index", None)
    if index is not None:
        labels = index.tolist()
    places = None if labels is None else places_of(labels)
    rows = in_places(rows, places)
    # An object that only has the shape of a DataFrame has no columns to look into. Its missing
    # values are found when JSON is written.
    for at, name in enumerate(names if is_polars or hasattr(frame, "iloc") else ()):
        column = frame.get_column(name) if is_polars else frame.iloc[:, at]
        for position in _missing_in(column):
            place = position if places is None else places[position]
            if _given_cell(given, place, name, 0) is not None:
                raise _no_missing(place, name, column)
            rows[place][name] = None
        if is_polars or "pyarrow" in str(column.dtype):
            _refuse_nulls_within(rows, name, given)
    return rows


def in_places(values, places):
    """Puts each value at its place; leaves them as they are where `places` is None."""
    if places is None:
        return values
    ordered = [None] * len(values)
    for value, place in zip(values, places):
        ordered[place] = value
    return ordered


def _given_cell(given, place, name, default):
    """Returns a value of the given rows, or the default where it has none."""
    if given is None or not isinstance(given[place], dict):
        return default
    return given[place].get(name, default)


def _refuse_nulls_within(rows, name, given):
    """Refuses nulls in a list or a struct of a typed column, unless they came with the row."""
    for place, row in enumerate(rows):
        value = row[name]
        if not isinstance(value, (list, dict)) or not _holds_none(value):
            continue
        if value != _given_cell(given, place, name, None):
            raise no_cell((place, name), "a missing value (null)")


def _holds_none(value):
    members = value.values() if isinstance(value, dict) else value
    return any(
        member is None or (isinstance(member, (list, dict)) and _holds_none(member))
        for member in members
    )


def places_of(labels):
    """Returns where each row of a DataFrame belongs by its index; None where they are in order.

    One row is always in order. Raises InvalidOutput for an index that does not number the rows.
    """
    in_order = list(range(len(labels)))
    if len(labels) < 2 or (labels == in_order and not isinstance(labels[0], bool)):
        return None
    if any(type(label) is not int for label in labels) or sorted(labels) != in_order:
        raise InvalidOutput(
            "The index of the DataFrame does not say which row is which: "
            f"it begins with {labels[:3]!r}, and has to have every number from 0 "
            f"to {len(labels) - 1} once, as it has when a DataFrame is made of the rows. Where "
            "its rows are in the order in which they came, return frame.reset_index(drop=True)."
        )
    return labels


def _missing_in(column):
    """Returns the positions of a column where something is missing.

    A None among objects is there on purpose, and is not missing.
    """
    if hasattr(column, "null_count"):
        if column.null_count() == 0:
            return []
        return [at for at, value in enumerate(column.to_list()) if value is None]
    if not column.isna().any():
        return []
    is_object = str(column.dtype) == "object"
    values = column.tolist() if is_object else ()
    missing = column.isna().tolist()
    return [
        at
        for at, is_missing in enumerate(missing)
        if is_missing and not (is_object and values[at] is None)
    ]


def _no_missing(row, name, column):
    kind = getattr(column.dtype, "kind", "")
    is_float = kind == "O" or str(column.dtype).startswith("float")
    what = "NaT" if kind in ("m", "M") else "NaN" if is_float else "NA"
    return InvalidOutput(
        f"Row {row + 1}, column {json_dumps(str(name))}: the value is missing ({what}), "
        "which would hide an error; return a finite number, or where you mean null, rows that hold "
        "None: frame.astype(object).where(frame.notna(), None), in Polars frame.to_dicts()."
    )
