"""Random numbers as a function of keys: the same for a cell whatever batch or process it is in."""

import numpy as np

_STEP, _A, _B = (np.uint64(k) for k in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def mix(*keys: np.ndarray | int) -> np.ndarray:
    """Scramble integer keys, broadcast, to uint64 (SplitMix64, 10.1145/2660193.2660195)."""
    with np.errstate(over="ignore"):
        state = np.zeros(1, dtype=np.uint64)
        for key in keys:
            state = (state ^ np.asarray(key).astype(np.uint64)) + _STEP
            state = (state ^ (state >> np.uint64(30))) * _A
            state = (state ^ (state >> np.uint64(27))) * _B
            state = state ^ (state >> np.uint64(31))
    return state


def uniform(*keys: np.ndarray | int) -> np.ndarray:
    """Numbers in (0, 1), float64, one for each combination of keys."""
    return ((mix(*keys) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def cell_keys(rows: np.ndarray, token: np.ndarray, *, cells: int) -> np.ndarray:
    """A key a cell, uint64 (cells,), of the genes it expresses; neither their order nor depth matters."""
    keys = np.zeros(cells, dtype=np.uint64)
    np.add.at(keys, rows, mix(token))
    return keys
