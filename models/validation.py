"""Which training cells choose hyper-parameters and when to stop: whole units, drawn once for everybody."""

import numpy as np

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
