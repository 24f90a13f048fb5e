"""What a contestant is: a card and two methods, and two more if it can be trained on a corpus."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from models.card import ModelCard

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

    from models.cells_file import Cells, CellsFile


@runtime_checkable
class Embedder(Protocol):
    """Cells come in as ``AnnData``: integer counts in ``X`` (CSR), Ensembl ids, never a cell type.

    Two attributes keep memory flat in the number of cells, and none need be there. ``rowwise =
    True``: a row of the embedding depends on that cell alone, so that ``embed`` is handed some
    thousand cells at a time. ``streams = True``: ``fit`` (and ``embed``, unless rowwise) is handed a
    ``models.cells_file.CellsFile`` and reads its blocks, as often as it needs to.
    """

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


def as_asked(embedder: Embedder, cells: "CellsFile") -> "Cells":
    """The file for who says ``streams``, all of its cells in memory for everybody else."""
    return cells if getattr(embedder, "streams", False) else cells.read()
