"""Compressed Arrow as pyarrow and pandas write it, which test/table/arrow/pyarrow.test.ts reads.

Tests read the file and need no Python. It is written again for another version, or with further
tables:

    pip install pyarrow pandas
    python tools/arrow-fixtures.py && npx oxfmt test/table/arrow/pyarrow.json

The same versions write the same file. A table has its `rows`, `times` times one after the other.
"""

import base64
import io
import json
import pathlib

import pandas as pd
import pyarrow as pa

FIXTURES = pathlib.Path(__file__).parent.parent / "test" / "table" / "arrow" / "pyarrow.json"
COMPRESSIONS = ("lz4", "zstd")

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("score", pa.float64()),
        ("small", pa.int8()),
        ("is", pa.bool_()),
        ("text", pa.string()),
        ("large", pa.large_string()),
        ("view", pa.string_view()),
        ("colour", pa.dictionary(pa.int32(), pa.string())),
        ("list", pa.list_(pa.int32())),
        ("pair", pa.struct([("x", pa.float32()), ("y", pa.string())])),
        ("none", pa.null()),
    ]
)


def row(k):
    """A row with a null in some of its columns."""
    return {
        "id": k // 2 * 1_000_003,
        "score": None if k % 5 == 1 else k / 4,
        "small": k % 3,
        "is": k % 4 == 0,
        "text": None if k % 7 == 3 else "é" * (k % 3) + "text",
        "large": "",
        "view": "in its view" if k % 2 == 0 else "longer than what fits a view",
        "colour": ("red", "green", None)[k % 3],
        "list": None if k % 6 == 5 else list(range(k % 4)),
        "pair": {"x": k / 2, "y": None},
        "none": None,
    }


ROWS = [row(k) for k in range(12)]
# Columns without offsets, which compress badly.
NARROW = ("id", "score", "colour")
NARROW_ROWS = [{name: row[name] for name in NARROW} for row in ROWS]


def table(rows):
    return pa.Table.from_pylist(rows, SCHEMA)


def written(made, container, compression, batch_rows=None, **options):
    sink = io.BytesIO()
    open_writer = pa.ipc.new_stream if container == "stream" else pa.ipc.new_file
    with open_writer(
        sink, made.schema, options=pa.ipc.IpcWriteOptions(compression=compression, **options)
    ) as writer:
        writer.write_table(made, batch_rows)
    return sink.getvalue()


def fixture(name, rows, data, times=1):
    return {
        "name": name,
        "rows": rows,
        "times": times,
        "bytes": base64.b64encode(data).decode("ascii"),
    }


def fixtures():
    for compression in COMPRESSIONS:
        for container in ("stream", "file"):
            one_batch = written(table(ROWS), container, compression)
            yield fixture(f"a {container} with {compression}", ROWS, one_batch)
            batches = written(table(ROWS), container, compression, 5)
            yield fixture(
                f"a {container} with {compression} in batches of five rows", ROWS, batches
            )
            empty = written(table([]), container, compression)
            yield fixture(f"a {container} with {compression} without rows", [], empty)
        long = table(NARROW_ROWS * 2_000).select(NARROW)
        yield fixture(
            f"a stream with {compression} whose buffers are long",
            NARROW_ROWS,
            written(long, "stream", compression),
            2_000,
        )
        rows = [{"colour": colour} for colour in ("red", "green", "green", "blue", "red")]
        dictionaries = pa.table(
            {
                "colour": pa.chunked_array(
                    [
                        pa.DictionaryArray.from_arrays(pa.array([0, 1]), ["red", "green"]),
                        pa.DictionaryArray.from_arrays(
                            pa.array([1, 2, 0]), ["red", "green", "blue"]
                        ),
                    ]
                )
            }
        )
        replaced = written(dictionaries, "stream", compression)
        yield fixture(
            f"a stream with {compression} and a dictionary that is replaced", rows, replaced
        )
        grown = written(dictionaries, "stream", compression, emit_dictionary_deltas=True)
        yield fixture(f"a stream with {compression} and a dictionary that grows", rows, grown)
    sink = io.BytesIO()
    frame = [{"id": k, "smiles": "C" * (k % 40)} for k in range(200)]
    pd.DataFrame(frame).to_feather(sink)
    yield fixture("a Feather file of pandas, as it writes them by default", frame, sink.getvalue())


def main():
    written_down = {
        "versions": {"pyarrow": pa.__version__, "pandas": pd.__version__},
        "tables": list(fixtures()),
    }
    FIXTURES.write_text(
        json.dumps(written_down, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
