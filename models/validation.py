"""Which training cells choose hyper-parameters and when to stop: whole units, drawn once for everybody."""

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.metrics import recall_score

SHARE = 1 / 3
FEWEST = 20
"""Labelled cells on the validation side without which nothing is chosen."""


def validation_cells(unit: np.ndarray, *, given: np.ndarray) -> np.ndarray:
    """Mask (N,) of the labelled training cells of the validation units; all False where it cannot be.

    About a third of the units of the training cells (``unit`` (N,) text, ``None`` is left out),
    the same ones for every contestant. There is no validation with fewer than two units, fewer than 20
    labelled cells on its side, or none left to learn from. ``given`` (N,): cells whose label is told.
    """
    nothing = np.zeros(len(unit), dtype=bool)
    names = sorted({name for name in unit[given] if name is not None})
    if len(names) < 2:
        return nothing
    n = max(1, round(SHARE * len(names)))
    chosen = set(np.random.default_rng(0).permutation(np.array(names, dtype=object))[:n])
    inside = given & np.array([name in chosen for name in unit], dtype=bool)
    return inside if FEWEST <= inside.sum() < given.sum() else nothing


def choose(
    values: Sequence[float],
    label: np.ndarray,
    validation: np.ndarray,
    *,
    name: Callable[[float], np.ndarray],
) -> float:
    """The value with the best balanced accuracy on validation cells; the first of equals.

    ``label`` (N,) text; ``validation`` is a mask (N,). ``name`` learns from the other cells with a
    value, and names the validation cells. Where there are none, or the others are of one type, nothing
    can be chosen, and the first value is taken.
    """
    if not validation.any() or len(set(label[~validation])) < 2:
        return values[0]
    true = label[validation]
    types = sorted(set(true))
    gains = [recall_score(true, name(value), average="macro", labels=types) for value in values]
    return values[int(np.argmax(gains))]
