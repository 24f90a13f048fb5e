"""Counts → numbers on the scale that a recipe reads. Pure functions of ragged cells."""

from dataclasses import dataclass

import numpy as np
import torch

from models.transformer.choices import Value
from models.transformer.counts import offsets_of
from models.transformer.keyed import uniform
from models.transformer.order import CPU, lexsort, searchsorted

NORMAL = 1e4
STRETCH, FINE = 2.0**24, 2.0**12


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Entries:
    """Expressed genes of N cells, sorted by cell and token: ``rows``, ``token`` and ``count`` of each (Z).

    ``totals`` (N): counts of the whole cell, NaN where unknown. ``keys`` (N): of ``keyed.cell_keys``.
    ``device``: where they are sorted.
    """

    rows: np.ndarray
    token: np.ndarray
    count: np.ndarray
    totals: np.ndarray
    keys: np.ndarray
    device: torch.device = CPU

    def __len__(self) -> int:
        return len(self.totals)


def scaled(entries: Entries, *, value: Value, usual: np.ndarray, seed: int) -> np.ndarray:
    """Value of each entry, float64 (Z); a count of 0 has the value 0 on every scale.

    ``usual`` (Z): the median of the entry's gene. ``count`` is cut at ``value.most``; ``log2`` is
    log2(1 + count); ``log1p_norm`` is log(1 + count / total · 10⁴); ``log2_median`` is
    log2(1 + count / total · 10⁴ / median). Bins are whole numbers below ``value.bins``, 0 for
    no count: ``quantile_bins`` and ``equal_bins`` (of ``log1p_norm``) within the cell, ``log2_bins``
    is the floor of log2(1 + normalised), ``count_bins`` the count itself.
    """
    count = np.minimum(entries.count, value.most)
    if value.scale == "count":
        return count
    if value.scale == "log2":
        return np.log2(1 + count)
    if value.scale == "count_bins":
        return np.minimum(count, value.bins - 1)
    if value.scale == "quantile_bins":
        return quantile_bins(entries, bins=value.bins, seed=seed)
    normal = count / entries.totals[entries.rows] * NORMAL
    if value.scale == "log2_median":
        return np.log2(1 + normal / usual)
    if value.scale == "log2_bins":
        return np.minimum(np.floor(np.log2(1 + normal)), value.bins - 1)
    logged = np.log1p(normal)
    return logged if value.scale == "log1p_norm" else _equal_bins(logged, entries, bins=value.bins)


def quantile_bins(entries: Entries, *, bins: int, seed: int) -> np.ndarray:
    """Rank bin 1 … ``bins`` − 1 of each count within its cell, 0 where the count is 0.

    Edges are the quantiles of the cell's non-zero counts at ``bins`` − 1 equally spaced levels of
    [0, 1]. A count on several equal edges gets one of their bins by chance (scGPT's rule), a
    function of the cell, the gene and ``seed``.
    """
    found = np.zeros(len(entries.count))
    real = entries.count > 0
    rows, count = entries.rows[real], entries.count[real]
    if not len(count):
        return found
    groups, device = len(entries), entries.device
    edges = np.round(quantiles(rows, count, groups=groups, levels=bins - 1, device=device) * FINE) / FINE
    # One search for all cells: cell i takes up a stretch of the line of its own. All sums are exact
    # (24 + 16 + 12 bits), so that a count is on an edge or not whatever its cell's place in a batch.
    line = (edges + STRETCH * np.arange(len(entries))[:, None]).ravel()
    place = np.minimum(count, STRETCH - 1) + STRETCH * rows
    base = rows * (bins - 1)
    left, right = (searchsorted(line, place, side=side, device=device) - base for side in ("left", "right"))
    chance = uniform(entries.keys[rows], entries.token[real], seed)
    found[real] = np.clip(left + np.ceil(chance * (right - left)), 1, bins - 1)
    return found


def quantiles(
    rows: np.ndarray, values: np.ndarray, *, groups: int, levels: int, device: torch.device = CPU
) -> np.ndarray:
    """Quantiles (groups, levels) of each group's values, linear between neighbours; 0 for an empty group."""
    ordered = values[lexsort((values, rows), device=device)]
    sizes = np.bincount(rows, minlength=groups)
    start = offsets_of(sizes)[:-1]
    at = np.linspace(0, 1, levels) * np.maximum(sizes - 1, 0)[:, None]
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(sizes - 1, 0)[:, None])
    padded = np.append(ordered, 0.0)
    first, second = (padded[np.minimum(start[:, None] + i, len(ordered))] for i in (low, high))
    return np.where(sizes[:, None] > 0, first + (second - first) * (at - low), 0.0)


def _equal_bins(values: np.ndarray, entries: Entries, *, bins: int) -> np.ndarray:
    """Bins of equal width between 0 and the cell's largest value; 0 is a bin of its own."""
    largest = np.zeros(len(entries))
    np.maximum.at(largest, entries.rows, values)
    share = values / np.maximum(largest[entries.rows], np.finfo(float).tiny)
    return np.ceil(share * (bins - 1))
