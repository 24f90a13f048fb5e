"""Classifiers that stand on an embedding, or on any table of numbers, as a contestant's head.

All learn from labelled training cells alone and give no class a weight. Each has three candidates
for its one hyper-parameter: the same small search, by balanced accuracy on validation units.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier

from contract.errors import NotApplicable
from models.labelled import Labels, Prediction
from models.linear_svm import LinearSvm
from models.validation import choose, validation_cells


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """``build`` makes a classifier from a value and a seed; ``name`` is the hyper-parameter's.

    The first of ``values`` is taken where there is nothing to choose by. ``linear``: centred
    and brought to a common scale by all training cells first, labelled or not, as an L2 penalty needs.
    """

    build: Callable[[float, int], Any]
    name: str
    values: tuple[float, ...]
    linear: bool = False


HEADS: Mapping[str, Head] = {
    "logistic": Head(
        build=lambda value, seed: LogisticRegression(C=value, max_iter=1000),
        name="C",
        values=(1.0, 0.03, 30.0),
        linear=True,
    ),
    "ridge": Head(
        build=lambda value, seed: RidgeClassifier(alpha=value),
        name="alpha",
        values=(1.0, 100.0, 0.01),
        linear=True,
    ),
    "svm": Head(
        build=lambda value, seed: LinearSvm(value),
        name="C",
        values=(0.1, 1.0, 0.01),
        linear=True,
    ),
    "boosting": Head(
        build=lambda value, seed: HistGradientBoostingClassifier(
            learning_rate=value, max_iter=60, early_stopping=False, random_state=seed
        ),
        name="learning_rate",
        values=(0.1, 0.3, 0.03),
    ),
    "knn": Head(
        build=lambda value, seed: KNeighborsClassifier(
            n_neighbors=int(value), weights="distance", algorithm="brute"
        ),
        name="n_neighbors",
        values=(15, 5, 50),
    ),
}


def classify(head: str, Z: np.ndarray, labels: Labels, Z_test: np.ndarray, *, seed: int) -> Prediction:
    """Fit a head on the labelled rows of ``Z`` (N, D) and apply it to ``Z_test`` (M, D).

    Rows without a label say where the centre is and how far cells spread, and nothing else.

    Raises
    ------
    NotApplicable
        If the labelled cells are of fewer than two types.
    """
    given = labels.given
    if len(labels.classes) < 2:
        raise NotApplicable(f"the labelled training cells are of {len(labels.classes)} type(s)")
    known, kind = labels.take(given), HEADS[head]
    Z, Z_test = (np.asarray(values, dtype=np.float64) for values in (Z, Z_test))
    if kind.linear:
        Z, Z_test = _common_scale(Z, Z_test)
    Z, label = Z[given], known.label.astype(str)
    validation = validation_cells(known.unit, given=known.given)

    def name(value: float) -> np.ndarray:
        fit = ~validation
        classes, probability, _ = _predict(kind, value, Z[fit], label[fit], Z[validation], seed=seed)
        return np.array(classes)[probability.argmax(axis=1)]

    value = choose(kind.values, label, validation, name=name)
    found = _predict(kind, value, Z, label, Z_test, seed=seed)
    return Prediction(
        classes=found[0], probabilities=found[1], unseen_score=found[2], chosen={kind.name: value}
    )


def _predict(
    kind: Head, value: float, Z: np.ndarray, label: np.ndarray, Z_test: np.ndarray, *, seed: int
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Classes, probabilities, and how unlike the training cells each test cell is."""
    if kind.linear:
        Z, Z_test = _rotated(Z, Z_test)
    if kind.name == "n_neighbors":
        value = min(value, len(Z))
    model = kind.build(value, seed).fit(Z, label)
    classes = [str(name) for name in model.classes_]
    if hasattr(model, "predict_proba"):
        probability = model.predict_proba(Z_test)
        unseen = 1 - probability.max(axis=1)
    else:  # a margin is no probability: its softmax is not calibrated, and ECE says so
        margin = model.decision_function(Z_test)
        margin = np.column_stack([-margin, margin]) if margin.ndim == 1 else margin
        probability, unseen = softmax(margin, axis=1), -margin.max(axis=1)
    if isinstance(model, KNeighborsClassifier):  # votes are 0 or 1 for most cells, distances are not
        unseen = model.kneighbors(Z_test)[0].mean(axis=1)
    return classes, probability, unseen


def _common_scale(Z: np.ndarray, Z_test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre by the training cells, and divide by one scale: the root of the columns' mean variance.

    Columns that are constant in training say nothing, and become 0. One scale a column would blow up
    those that hold next to nothing: by few labels that costs more than half of what logistic regression
    on PCA is worth (``docs/LOG.md``).
    """
    centre, spread = Z.mean(axis=0), Z.std(axis=0)
    varies = spread > 1e-12 * np.maximum(1.0, np.abs(centre))
    scale = varies / np.sqrt(np.mean(spread[varies] ** 2)) if varies.any() else np.zeros(len(spread))
    return (Z - centre) * scale, (Z_test - centre) * scale


def _rotated(Z: np.ndarray, Z_test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates in the row space of ``Z``: the same L2 solution in fewer columns when D exceeds N."""
    if Z.shape[1] <= Z.shape[0]:
        return Z, Z_test
    basis = np.linalg.qr(Z.T)[0]
    return Z @ basis, Z_test @ basis
