"""Makes polars.json, which `write_ipc` of Polars 2 writes.

pip install polars==2.1.0 && python make-polars.py > polars.json
"""

import base64
import io
import json
from datetime import date

import polars as pl

every = pl.DataFrame(
    {
        "i": [1, 2, None],
        "s": ["a", "ü", "c" * 30],
        "b": [True, False, None],
        "d": [date(2024, 2, 29)] * 3,
        "c": pl.Series(["x", "y", "x"], dtype=pl.Categorical),
        "l": [[1], [2, 3], []],
    }
)


def written(frame, **options):
    sink = io.BytesIO()
    frame.write_ipc(sink, **options)
    return base64.b64encode(sink.getvalue()).decode()


print(
    json.dumps(
        {
            "every": written(every),
            "lz4": written(every, compression="lz4"),
            "zstd": written(every, compression="zstd"),
            "nulls": written(pl.DataFrame({"n": [None, None]})),
            "noRows": written(pl.DataFrame({"n": []}, schema={"n": pl.Int64})),
            "noColumns": written(pl.DataFrame()),
        },
        indent=2,
    )
)
