"""Prepared cells whose counts stay in their file until they are asked for, some thousand cells at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import h5py
import numpy as np
import pandas as pd

from contract.errors import UserError
from contract.progress import Progress
from models.h5ad import read_frame, read_rows, read_value

if TYPE_CHECKING:
    from anndata import AnnData

    from models.protocol import Embedder

BLOCK_VALUES = 1 << 21
"""Stored values of a block: some 100 MB while they are log-normalised."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CellsFile:
    """N cells of a prepared file, as an ``AnnData`` but for ``X``.

    ``rows`` (N,) are their rows in the file, ascending; ``ends[i]`` is how many values the rows of
    the file before i hold. Names, ``obs`` and ``var`` are in memory.
    """

    path: Path
    obs: pd.DataFrame
    var: pd.DataFrame
    uns: dict[str, Any]
    rows: np.ndarray
    ends: np.ndarray

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read what names the cells and genes; a file whose ``X`` is not CSR is a ``UserError``."""
        with h5py.File(path, "r") as file:
            kind = file["X"].attrs.get("encoding-type")
            if kind != "csr_matrix":
                raise UserError(str(path), found=f"X as {kind}", expected="CSR", todo="run `atlas prepare`")
            obs, var = (read_frame(file[name]) for name in ("obs", "var"))
            uns = {name: read_value(file["uns"][name]) for name in file["uns"]}
            ends = np.asarray(file["X/indptr"][:], dtype=np.int64)
        return cls(path=Path(path), obs=obs, var=var, uns=uns, rows=np.arange(len(obs)), ends=ends)

    @property
    def obs_names(self) -> pd.Index:
        """Names of the cells (N,)."""
        return self.obs.index

    @property
    def var_names(self) -> pd.Index:
        """Ensembl ids of the genes (G,)."""
        return self.var.index

    @property
    def n_obs(self) -> int:
        """Number of cells N."""
        return len(self.obs)

    @property
    def n_vars(self) -> int:
        """Number of genes G."""
        return len(self.var)

    def of(self, chosen: np.ndarray) -> "CellsFile":
        """The cells of a boolean mask (N,) or of ascending places among them."""
        return replace(self, obs=self.obs.iloc[chosen], rows=self.rows[chosen])

    def blocks(self, what: str = "cells") -> Iterator["AnnData"]:
        """Yield the cells in order, a copy of some at a time; ``what`` names the pass to whoever waits."""
        told = Progress(what, self.n_obs)
        with h5py.File(self.path, "r") as file:
            yield from told((self._block(file["X"], a, b) for a, b in self._spans()), size=lambda x: x.n_obs)

    def read(self) -> "AnnData":
        """All the cells at once."""
        from anndata import AnnData
        from scipy import sparse

        blocks = [block.X for block in self.blocks("reading")]
        counts = sparse.vstack(blocks, format="csr") if len(blocks) > 1 else blocks[0]
        return AnnData(X=counts, obs=self.obs.copy(), var=self.var.copy(), uns=dict(self.uns))

    def _block(self, stored: h5py.Group, first: int, last: int) -> "AnnData":
        from anndata import AnnData  # a second, which is not spent on who asks for no block
        from scipy import sparse

        rows = self.rows[first:last]
        ends = self.ends[int(rows[0]) : int(rows[-1]) + 2]
        counts = sparse.csr_matrix(read_rows(stored, ends[:-1], ends[1:]), shape=(len(ends) - 1, self.n_vars))
        if counts.shape[0] > len(rows):
            counts = counts[rows - rows[0]]
        obs = self.obs.iloc[first:last].copy()
        return AnnData(X=counts, obs=obs, var=self.var.copy(), uns=dict(self.uns))

    def _spans(self) -> Iterator[tuple[int, int]]:
        """Places (first, last) of cells whose rows lie within ``BLOCK_VALUES`` values of the file."""
        first = 0
        while first < self.n_obs:
            row = int(self.rows[first])
            stop = int(np.searchsorted(self.ends, self.ends[row] + BLOCK_VALUES, side="right")) - 1
            last = int(np.searchsorted(self.rows, max(stop, row + 1)))
            yield first, last
            first = last


Cells: TypeAlias = "AnnData | CellsFile"


def blocks_of(cells: Cells, what: str) -> Iterable["AnnData"]:
    """The cells of a file block by block; what is in memory is one block."""
    return cells.blocks(what) if isinstance(cells, CellsFile) else (cells,)


def rows_of(embedder: "Embedder", cells: Cells) -> np.ndarray:
    """Embed block by block: rows (N, D) of an embedder to whom each cell stands alone."""
    return np.concatenate([embedder.embed(block) for block in blocks_of(cells, "embed")])
