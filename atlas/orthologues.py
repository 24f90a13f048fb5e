"""Cells of two species in one matrix: genes that have one partner in the other species, and no more."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from atlas.source import as_text
from contract.errors import UserError, suggestion

SPECIES = {"Homo sapiens": "human", "Mus musculus": "mouse"}


def one_to_one(ids: Sequence[str], partner: Sequence[str | None]) -> list[str]:
    """The same G gene ids, ``""`` for each gene without a partner, or whose partner another gene has, too.

    What is called one gene must be one in both species.
    """
    times = Counter(name for name, gene in zip(partner, ids, strict=True) if name and gene)
    return [gene if name and times[name] == 1 else "" for gene, name in zip(ids, partner, strict=True)]


def partners(var: pd.DataFrame, column: str, *, known: list[str], where: str) -> np.ndarray:
    """(G,) text: each gene's partner in the other species; a column that is not there is a ``UserError``."""
    if column not in var.columns:
        raise UserError(
            f"{where}: orthologues",
            found=f"no var column {column!r}",
            expected="the column with each gene's partner in the other species",
            todo=suggestion(column, known),
        )
    return as_text(var[column])


def organisms(values: np.ndarray | None, *, default: str, n: int) -> np.ndarray:
    """(N,) text: ``human`` or ``mouse``, another species by its own name, ``""`` where it is unknown."""
    if values is None:
        return np.full(n, default, dtype=object)
    return np.array([SPECIES.get(name, name) or "" for name in values], dtype=object)
