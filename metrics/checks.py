"""What must hold before a number means anything: ``Undefined`` and the gates that raise it."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]


class Undefined(ValueError):
    """The question has no answer on these cells (one batch, one label, one point); the text says why."""


def embedding(Z: ArrayLike) -> Floats:
    """Return Z (N, D) as float64; ValueError on a wrong shape, Undefined on NaN or infinite values."""
    values = np.asarray(Z, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(f"expected a matrix of cells × dimensions, found shape {values.shape}")
    if len(values) < 2:
        raise Undefined(f"{len(values)} cells; at least 2 are needed")
    if not np.isfinite(values).all():
        broken = int((~np.isfinite(values)).any(axis=1).sum())
        raise Undefined(f"{broken} of {len(values)} cells have NaN or infinite coordinates")
    return values


def spread_out(Z: ArrayLike) -> Floats:
    """Return Z as ``embedding`` does; Undefined where all cells lie on one point."""
    values = embedding(Z)
    if (values == values[0]).all():
        raise Undefined("all cells lie on one point")
    return values


def codes(names: ArrayLike, *, what: str, n: int, at_least: int = 1) -> tuple[NDArray, Ints]:
    """Return the sorted distinct names (L,) and each cell's index into them (N,).

    ValueError on a wrong length or a missing name (the caller drops unlabelled
    cells), Undefined with fewer than ``at_least`` distinct names.
    """
    values = np.asarray(names)
    if values.shape != (n,):
        raise ValueError(f"expected one {what} for each of {n} cells, found shape {values.shape}")
    if values.dtype == object or values.dtype.kind == "f":
        missing = sum(v is None or v != v for v in values.tolist())
        if missing:
            raise ValueError(f"{missing} of {n} cells have no {what}; drop them and count them first")
        if values.dtype == object:
            values = values.astype(str)
    distinct, index = np.unique(values, return_inverse=True)
    if len(distinct) < at_least:
        plural = {"batch": "batches"}.get(what, f"{what}s")
        raise Undefined(
            f"{len(distinct)} {what if len(distinct) == 1 else plural}; at least {at_least} are needed"
        )
    return distinct, index.astype(np.int64)


def mean_of_defined(values: ArrayLike, *, otherwise: str) -> float:
    """Mean of the entries that are not NaN; Undefined with the reason ``otherwise`` where none is left."""
    array = np.asarray(values, dtype=np.float64)
    kept = array[~np.isnan(array)]
    if not len(kept):
        raise Undefined(otherwise)
    return float(kept.mean())
