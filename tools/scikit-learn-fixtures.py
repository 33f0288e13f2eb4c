"""The scores of scikit-learn and SciPy of some seventy small tables.

test/scoring/scikit-learn.test.ts holds src/scoring against them.

Tests read the file and need no Python. It is written again for another version, or with further
tables:

    pip install numpy scipy scikit-learn
    python tools/scikit-learn-fixtures.py && npx oxfmt test/scoring/scikit-learn.json

The same versions write the same file. Null stands for a number that is not finite: NaN where
a metric is not defined, and infinity. It also stands for scores that a class does not have.
"""

import json
import math
import pathlib
import random
import warnings

import numpy as np
import scipy
import sklearn
from scipy.stats import spearmanr
from sklearn import metrics

FIXTURES = pathlib.Path(__file__).parent.parent / "test" / "scoring" / "scikit-learn.json"


def finite(value):
    """The number as JSON has it, or None for NaN and infinity."""
    return float(value) if math.isfinite(value) else None


# Regression: a name, the targets, the predictions.


def regression(name, targets, predictions):
    return {
        "name": name,
        "targets": targets,
        "predictions": predictions,
        "expected": {
            "rmse": finite(metrics.root_mean_squared_error(targets, predictions)),
            "mae": finite(metrics.mean_absolute_error(targets, predictions)),
            "medae": finite(metrics.median_absolute_error(targets, predictions)),
            "r2": finite(metrics.r2_score(targets, predictions)),
            "spearmanr": finite(spearmanr(targets, predictions).statistic),
        },
    }


def noisy(seed, rows, scale=1.0, offset=0.0, noise=0.3):
    """Targets about an offset, and predictions that follow them with some noise."""
    chance = random.Random(seed)
    targets = [chance.gauss(0, 1) for _ in range(rows)]
    predictions = [target + chance.gauss(0, noise) for target in targets]
    return [
        [offset + scale * round(value, 4) for value in values] for values in (targets, predictions)
    ]


def graded(seed, rows, grades):
    """Whole numbers from a few, so that nearly all are ties."""
    chance = random.Random(seed)
    targets = [chance.randrange(grades) for _ in range(rows)]
    return targets, [
        min(grades - 1, max(0, target + chance.choice([-1, 0, 0, 1]))) for target in targets
    ]


def regressions():
    yield regression("one row that is off", [1.5], [2.0])
    yield regression("one row that is exact", [-3.0], [-3.0])
    yield regression("two rows in order", [1, 2], [3, 4])
    yield regression("two rows the wrong way round", [1, 2], [5, 4])
    yield regression("three rows predicted in reverse", [1, 2, 3], [3, 2, 1])
    yield regression("a perfect prediction", [3.25, -1.5, 0.0, 7.125], [3.25, -1.5, 0.0, 7.125])
    yield regression("a prediction that is the mean everywhere", [1, 2, 3, 4], [2.5] * 4)
    yield regression("a constant prediction that is off", [1, 2, 3, 4], [10] * 4)
    yield regression("constant targets, predicted exactly", [5, 5, 5], [5, 5, 5])
    yield regression("constant targets, predicted inexactly", [5, 5, 5], [5, 6, 7])
    yield regression(
        "constant targets whose mean is rounded, predicted exactly", [0.1] * 3, [0.1] * 3
    )
    yield regression(
        "constant targets whose mean is rounded, predicted inexactly", [0.1] * 3, [0.2] * 3
    )
    yield regression("zeros on both sides", [0, 0, 0, 0], [0, 0, 0, 0])
    yield regression("zeros with either sign", [0.0, -0.0, 1.0, -1.0], [-0.0, 0.0, 2.0, -2.0])
    yield regression(
        "errors of an even number of rows", [1, 2, 3, 4, 5, 6], [1.5, 2.25, 3, 5, 5.75, 9]
    )
    yield regression("errors of an odd number of rows", [1, 2, 3, 4, 5], [1.5, 2.25, 3, 5, 9])
    yield regression("negative values alone", [-8.5, -3.25, -1.0, -12.0], [-7.0, -3.5, -2.0, -13.5])
    yield regression(
        "an outlier among small errors", [1, 2, 3, 4, 5, 6, 7], [1.1, 2.1, 2.9, 4.1, 4.9, 600, 7.1]
    )
    yield regression(
        "ties in the targets alone", [1, 1, 2, 2, 3, 3], [0.5, 1.5, 1.0, 2.5, 2.0, 3.5]
    )
    yield regression("ties in the predictions alone", [1, 2, 3, 4, 5, 6], [1, 1, 1, 4, 4, 2])
    yield regression(
        "a monotone relation that is no line", list(range(12)), [x**3 for x in range(12)]
    )
    yield regression("ranks that are not correlated", [1, 2, 3, 4], [2, 4, 1, 3])
    yield regression(
        "numbers that differ in their last bit",
        [1.0, 1.0 + 2**-52, 1.0 + 2**-51],
        [1.0, 1.0 + 2**-51, 1.0],
    )
    yield regression("five grades on 40 rows", *graded(1, 40, 5))
    yield regression("two grades on 25 rows", *graded(2, 25, 2))
    yield regression("60 rows with a little noise", *noisy(3, 60))
    yield regression("59 rows of nothing but noise", *noisy(4, 59, noise=20))
    yield regression("small numbers", *noisy(5, 20, scale=1e-9))
    yield regression("large numbers", *noisy(6, 20, scale=1e12))
    yield regression(
        "numbers that are far from zero for how little they differ", *noisy(7, 30, offset=1e7)
    )
    yield regression(
        "numbers of very different size",
        [10.0**k for k in range(-8, 9)],
        [1.1 * 10.0**k for k in range(-8, 9)],
    )
    yield regression("errors whose squares no number holds", [1e200, -1e200, 0], [-1e200, 1e200, 0])
    yield regression("errors that no number holds", [1.5e308, -1.5e308], [-1.5e308, 1.5e308])
    yield regression(
        "targets whose squares are too large, predicted exactly", [1e200, -1e200], [1e200, -1e200]
    )
    yield regression(
        "targets whose squares are too large, predicted inexactly", [0.0, 3e154], [0.9e154, 2.1e154]
    )
    yield regression(
        "targets whose squares are too small, predicted exactly", [1e-200, 2e-200], [1e-200, 2e-200]
    )
    yield regression(
        "targets whose squares are too small, predicted inexactly",
        [1e-200, 2e-200],
        [1e-200, 2.5e-200],
    )
    yield regression("targets whose sum no number holds", [1e308, 1e308, 0], [1e308, 1e308, 0])


# Classification: a name, the targets, the predictions, and the scores of each row for some classes.


def classification(name, targets, predictions, scores=None):
    labels = sorted({*targets, *predictions})
    scores = [(scores or {}).get(label) for label in labels]
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        targets, predictions, labels=labels, zero_division=0
    )
    weighted = metrics.precision_recall_fscore_support(
        targets, predictions, labels=labels, average="weighted", zero_division=0
    )
    is_of = [[target == label for target in targets] for label in labels]
    return {
        "name": name,
        "targets": targets,
        "predictions": predictions,
        "labels": labels,
        "scores": scores,
        "expected": {
            "accuracy": metrics.accuracy_score(targets, predictions),
            "support": support.tolist(),
            "precision": precision.tolist(),
            "recall": recall.tolist(),
            "f1": f1.tolist(),
            "roc_auc": [auc(rows, column) for rows, column in zip(is_of, scores)],
            "weighted": dict(
                zip(("precision", "recall", "f1"), map(float, weighted)),
                roc_auc=weighted_auc(is_of, scores),
            ),
            "confusion": metrics.confusion_matrix(targets, predictions, labels=labels).tolist(),
        },
    }


def auc(is_of_class, scores):
    """The area under the ROC curve of one class, or None where it has no scores to ask for."""
    return None if scores is None else finite(metrics.roc_auc_score(is_of_class, scores))


def weighted_auc(is_of, scores):
    """As multi_class="ovr": one class against the others, and the mean by support.

    That takes probabilities alone, and rows of every class. This takes any scores.
    """
    present = [(rows, column) for rows, column in zip(is_of, scores) if any(rows)]
    if any(column is None for _, column in present):
        return None
    return finite(
        metrics.roc_auc_score(*(np.transpose(side) for side in zip(*present)), average="weighted")
    )


def guessed(seed, rows, labels, digits=3, right=0.6):
    """Classes, predictions that are mostly right, and probabilities that lean towards these."""
    chance = random.Random(seed)
    targets = [chance.choice(labels) for _ in range(rows)]
    predictions = [
        target if chance.random() < right else chance.choice(labels) for target in targets
    ]
    scores = {label: [] for label in labels}
    for predicted in predictions:
        weights = [chance.random() + (label == predicted) for label in labels]
        for label, weight in zip(labels, weights):
            scores[label].append(round(weight / sum(weights), digits))
    return targets, predictions, scores


def classifications():
    no_yes = ["no", "no", "yes", "yes"]
    yield classification("one row that is right", ["a"], ["a"], {"a": [0.9]})
    yield classification("one row that is wrong", ["a"], ["b"], {"a": [0.4], "b": [0.6]})
    yield classification("no mistake at all", ["a", "b", "c", "a"], ["a", "b", "c", "a"])
    yield classification("nothing but mistakes", ["a", "b", "a"], ["b", "a", "b"])
    yield classification(
        "a class that is never predicted", ["a", "b", "b", "c"], ["a", "b", "a", "b"]
    )
    yield classification(
        "a class that is never the target", ["a", "b", "b", "a"], ["a", "b", "c", "c"]
    )
    yield classification(
        "classes that are never predicted, and others that are never the target",
        ["a", "b"],
        ["c", "d"],
    )
    yield classification(
        "targets of one class alone",
        ["a"] * 5,
        ["a", "a", "b", "a", "a"],
        {"a": [0.9, 0.8, 0.3, 0.7, 0.6], "b": [0.1, 0.2, 0.7, 0.3, 0.4]},
    )
    yield classification("one class on 19 rows of 20", ["rare", *["usual"] * 19], ["usual"] * 20)
    yield classification(
        "scores that tell every row apart",
        no_yes,
        no_yes,
        {"no": [0.9, 0.8, 0.3, 0.1], "yes": [0.1, 0.2, 0.7, 0.9]},
    )
    yield classification(
        "scores that are the wrong way round",
        no_yes,
        no_yes[::-1],
        {"no": [0.1, 0.2, 0.8, 0.9], "yes": [0.9, 0.8, 0.2, 0.1]},
    )
    yield classification(
        "scores that are all the same", no_yes, no_yes, {"no": [0.5] * 4, "yes": [0.5] * 4}
    )
    yield classification(
        "scores with ties across the classes",
        no_yes,
        no_yes,
        {"no": [0.7, 0.5, 0.5, 0.3], "yes": [0.3, 0.5, 0.5, 0.7]},
    )
    yield classification(
        "scores that differ in their last bit",
        no_yes,
        no_yes,
        {"no": [1, 1 + 2**-52, 1, 1 - 2**-53], "yes": [0.1, 0.3, 0.1 + 0.2, 0.4]},
    )
    yield classification(
        "scores that are no probabilities",
        no_yes,
        no_yes,
        {"no": [12, -3.5, 0, -40], "yes": [-1e300, 2, 1e300, 2.5]},
    )
    yield classification(
        "scores that are tiny",
        no_yes,
        no_yes,
        {"no": [4e-300, 2e-300, 3e-300, 1e-300], "yes": [5e-324, 1e-323, 0, 2e-323]},
    )
    yield classification(
        "scores of one of two classes", no_yes, no_yes, {"yes": [0.1, 0.6, 0.35, 0.8]}
    )
    yield classification(
        "scores of a class that is never the target",
        ["a", "b", "a"],
        ["a", "c", "b"],
        {"a": [0.6, 0.2, 0.1], "b": [0.3, 0.2, 0.5], "c": [0.1, 0.6, 0.4]},
    )
    yield classification("booleans", *guessed(11, 20, [False, True]))
    yield classification("zeros and ones", *guessed(12, 30, [0, 1]))
    yield classification(
        "numbers whose order as texts is another", *guessed(13, 24, [-1, 2, 10, 9])
    )
    yield classification("whole numbers with a point", *guessed(14, 12, [1.0, 2.0, 3.0]))
    yield classification("texts of digits and words", *guessed(15, 15, ["1", "10", "9", "none"]))
    yield classification("names that differ in case alone", *guessed(16, 20, ["NO", "No", "no"]))
    yield classification(
        "names in several scripts", *guessed(17, 30, ["ja", "да", "はい", "نعم", "είναι"])
    )
    yield classification(
        "names beyond the basic plane", *guessed(18, 25, ["ｱ", "😀", "😁", "𝒳", "z"])
    )
    yield classification(
        "a letter that is composed, and one that is not", *guessed(19, 15, ["\u00e9", "e\u0301"])
    )
    yield classification(
        "names with blanks, quotes and commas", *guessed(20, 15, ["a b", 'say "c"', "d, e", "f\ng"])
    )
    yield classification(
        "two classes on 60 rows, with coarse scores", *guessed(21, 60, ["off", "on"], digits=1)
    )
    yield classification("three classes on 60 rows", *guessed(22, 60, ["low", "middle", "high"]))
    yield classification(
        "three classes on 45 rows, with coarse scores",
        *guessed(23, 45, ["low", "middle", "high"], digits=1),
    )
    yield classification(
        "three classes that are guessed at", *guessed(24, 40, ["low", "middle", "high"], right=0)
    )
    yield classification(
        "twelve classes on 60 rows", *guessed(25, 60, [f"c{k}" for k in range(12)], digits=2)
    )
    yield classification("forty classes on 50 rows", *guessed(26, 50, list(range(40)))[:2])


def main():
    # Overflows and what is not defined are what some of the tables are for.
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    fixtures = {
        "versions": {
            "scikit-learn": sklearn.__version__,
            "scipy": scipy.__version__,
            "numpy": np.__version__,
        },
        "regression": list(regressions()),
        "classification": list(classifications()),
    }
    FIXTURES.write_text(
        json.dumps(fixtures, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
