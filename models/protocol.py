"""What a contestant is: a card and two methods, and two more if it can be trained on a corpus."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from models.card import ModelCard

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData


@runtime_checkable
class Embedder(Protocol):
    """Cells come in as ``AnnData``: integer counts in ``X`` (CSR), Ensembl ids, never a cell type."""

    card: ModelCard

    def fit(self, train: "AnnData", *, seed: int) -> Self:
        """Learn from the counts of ``train``; a frozen model returns itself."""

    def embed(self, cells: "AnnData") -> "np.ndarray":
        """Embed N cells as float32 (N, D), rows in input order."""


@runtime_checkable
class Trainable(Embedder, Protocol):
    """An embedder that can be fitted on a corpus in one step and used in another."""

    def save(self, state: Path) -> None:
        """Write all that ``embed`` needs below the folder ``state``, nothing of it pickled."""

    @classmethod
    def load(cls, state: Path) -> Self:
        """Read what ``save`` wrote."""
