"""Simple readouts of an embedding: they say what it holds, not what a clever model could make of it.

Both are deterministic, know training cells only until they predict, and give no
class a weight of its own.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.neighbors import KNeighborsClassifier

from contract.progress import Progress
from metrics import Undefined, balanced_accuracy

K = 15
STRENGTHS = (0.01, 0.1, 1.0)
"""Inverse L2 penalties that the logistic probe may choose from; 1.0 where it cannot choose."""
FOLDS = 3
MAX_ITER = 1000
BLOCK = 50_000
"""Test cells that are asked at once."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prediction:
    """For M cells: the type (M,) text, and the probability (M,) in 0 to 1 that the probe gave it."""

    label: np.ndarray
    confidence: np.ndarray


def knn(Z: np.ndarray, label: np.ndarray, Z_test: np.ndarray) -> Prediction:
    """Vote of the 15 nearest training cells, weighted by 1/distance; Euclidean, on the embedding as it is.

    ``Z`` (N, D), ``label`` (N,) text, ``Z_test`` (M, D). Ties go to the label that sorts
    first; with fewer than 15 training cells all of them vote. Costs O(N·M·D).

    Raises
    ------
    Undefined
        If the training cells are of one type.
    """
    _need_two(label)
    probe = KNeighborsClassifier(n_neighbors=min(K, len(Z)), weights="distance", algorithm="brute")
    return _predict(probe.fit(Z, label), Z_test)


def logistic(Z: np.ndarray, label: np.ndarray, unit: np.ndarray, Z_test: np.ndarray) -> Prediction:
    """Multinomial logistic regression with an L2 penalty, on the embedding at one common scale.

    Columns are centred and divided by the root of their mean variance in training, as under every other
    head here: one scale a column would blow up those that hold next to nothing. The penalty
    is chosen by balanced accuracy on left-out training units (``unit`` (N,) text, at most three folds;
    ties go to the stronger penalty). Folds with one type on either side cannot choose; where no other is
    left, or with fewer than two units, it is fixed. Arrays as in ``knn``.

    Raises
    ------
    Undefined
        If the training cells are of one type.
    """
    _need_two(label)
    Z, Z_test = _common_scale(Z, Z_test)
    Z, Z_test = _rotated(Z, Z_test)
    strength = _choose(Z, label, unit)
    return _predict(_fit(Z, label, strength=strength), Z_test)


def _need_two(label: np.ndarray) -> None:
    if len(set(label)) < 2:
        raise Undefined(f"the training cells are of {len(set(label))} type(s); a probe needs two")


def _common_scale(Z: np.ndarray, Z_test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and scale by the training cells; a column that is constant there says nothing and becomes 0."""
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


def _choose(Z: np.ndarray, label: np.ndarray, unit: np.ndarray) -> float:
    n_units = len(set(unit))
    if n_units < 2:
        return STRENGTHS[-1]
    cuts = GroupKFold(n_splits=min(FOLDS, n_units)).split(Z, label, unit)
    folds = [cut for cut in cuts if all(len(set(label[side])) > 1 for side in cut)]
    if not folds:
        return STRENGTHS[-1]
    told = Progress("annotation: penalties", len(STRENGTHS))
    tried = (
        np.mean([_held_out(Z, label, fit, test, strength=strength) for fit, test in folds])
        for strength in STRENGTHS
    )
    gains = list(told(tried, size=lambda _: 1))
    return STRENGTHS[int(np.argmax(gains))]


def _held_out(
    Z: np.ndarray, label: np.ndarray, fit: np.ndarray, test: np.ndarray, *, strength: float
) -> float:
    probe = _fit(Z[fit], label[fit], strength=strength)
    return balanced_accuracy(label[test], probe.predict(Z[test]))


def _fit(Z: np.ndarray, label: np.ndarray, *, strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=MAX_ITER).fit(Z, label)


def _predict(probe: KNeighborsClassifier | LogisticRegression, Z_test: np.ndarray) -> Prediction:
    told = Progress("annotation: cells", len(Z_test))
    blocks = (probe.predict_proba(Z_test[start : start + BLOCK]) for start in range(0, len(Z_test), BLOCK))
    probability = np.concatenate(list(told(blocks, size=len)))
    best = probability.argmax(axis=1)
    return Prediction(label=probe.classes_[best], confidence=probability[np.arange(len(best)), best])
