"""How old is an abalone? A script as SageMaker runs them.

It has model_fn, input_fn, predict_fn and output_fn.

    python3 inference.py    fits the model, and writes weights.json and data/evaluation.csv

Ordinary least squares on the measurements, with nothing but Python's standard library.
"""

import csv
import io
import json
import os

TARGET = "Class_number_of_rings"
MEASUREMENTS = (
    "Length",
    "Diameter",
    "Height",
    "Whole_weight",
    "Shucked_weight",
    "Viscera_weight",
    "Shell_weight",
)
SEXES = ("F", "I", "M")
FEATURES = ("intercept", *(f"Sex_{sex}" for sex in SEXES[1:]), *MEASUREMENTS)

HOLDOUT = 5
"""Every fifth row is kept from the fit, the first one included.

So the model can be scored on rows that it has never seen.
"""


# What SageMaker, or claimcheck, calls.


def model_fn(model_dir):
    with open(os.path.join(model_dir, "weights.json"), encoding="utf-8") as file:
        return list(json.load(file).values())


def input_fn(body, content_type):
    if content_type == "text/csv":
        return list(csv.DictReader(io.StringIO(body)))
    if content_type == "application/json":
        rows = json.loads(body)
        return rows if isinstance(rows, list) else [rows]
    raise ValueError(f"Send text/csv or application/json, not {content_type}.")


def predict_fn(rows, weights):
    return [{**row, "predicted_rings": round(dot(weights, features(row)), 3)} for row in rows]


def output_fn(rows, accept):
    if accept == "text/csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue(), accept
    return json.dumps(rows), "application/json"


# The model.


def features(row):
    """One for the intercept, one or none for each sex but the first, and the measurements."""
    sex = row["Sex"]
    if sex not in SEXES:
        raise ValueError(f"Sex is {sex!r}; it must be F, I (infant) or M.")
    return [
        1.0,
        *(float(sex == other) for other in SEXES[1:]),
        *(float(row[name]) for name in MEASUREMENTS),
    ]


def dot(left, right):
    return sum(a * b for a, b in zip(left, right))


def fit(rows):
    """The weights with the smallest squares: the solution of the normal equations X'X w = X'y."""
    matrix = [features(row) for row in rows]
    target = [float(row[TARGET]) for row in rows]
    columns = list(zip(*matrix))
    return solve([[dot(a, b) for b in columns] for a in columns], [dot(a, target) for a in columns])


def solve(matrix, right):
    """Gaussian elimination with partial pivoting."""
    rows = [[*row, value] for row, value in zip(matrix, right)]
    size = len(rows)
    for step in range(size):
        pivot = max(range(step, size), key=lambda row: abs(rows[row][step]))
        rows[step], rows[pivot] = rows[pivot], rows[step]
        for row in range(step + 1, size):
            factor = rows[row][step] / rows[step][step]
            rows[row] = [a - factor * b for a, b in zip(rows[row], rows[step])]
    weights = [0.0] * size
    for step in reversed(range(size)):
        known = dot(rows[step][step + 1 : size], weights[step + 1 :])
        weights[step] = (rows[step][size] - known) / rows[step][step]
    return weights


def train():
    folder = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(folder, "data", "abalone.csv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    held_out = rows[::HOLDOUT]
    weights = fit([row for position, row in enumerate(rows) if position % HOLDOUT != 0])
    with open(os.path.join(folder, "weights.json"), "w", encoding="utf-8") as file:
        json.dump(
            {name: round(weight, 9) for name, weight in zip(FEATURES, weights)}, file, indent=2
        )
        file.write("\n")
    write_evaluation(os.path.join(folder, "data", "evaluation.csv"), rows)
    errors = [dot(weights, features(row)) - float(row[TARGET]) for row in held_out]
    rmse = (dot(errors, errors) / len(errors)) ** 0.5
    print(
        f"Fitted on {len(rows) - len(held_out)} rows. "
        f"On the {len(held_out)} held out, the error is {rmse:.3f} rings (RMSE)."
    )


def write_evaluation(path, rows):
    """Every row with a number of its own, and whether the fit has seen it."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=["id", *rows[0], "training"], lineterminator="\n")
        writer.writeheader()
        for position, row in enumerate(rows):
            training = "false" if position % HOLDOUT == 0 else "true"
            writer.writerow({"id": position + 1, **row, "training": training})


if __name__ == "__main__":
    train()
