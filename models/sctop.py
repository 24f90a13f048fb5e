"""scTOP: a cell's normal scores as a mixture of the types' mean profiles; no parameter is fitted.

Yampolskaya 2023, 10.1242/dev.201873, as used by Souza and Mehta, arXiv:2602.16696.
"""

from typing import Self

import numpy as np
import scipy.sparse as sp
from anndata import AnnData
from scipy.special import softmax

from contract.errors import NotApplicable
from models.labelled import Labels, Prediction
from models.normalise import find_genes
from models.options import ScTopOptions
from models.rank_normal import normal_scores
from models.registry import ADAPTERS


class ScTop:
    """Projection of cells on the (not orthogonal) profiles of types; the largest share names the cell."""

    card = ADAPTERS["sctop"].card

    def __init__(self, options: ScTopOptions) -> None:
        self.options = options
        self.classes: list[str] = []
        self.genes: list[str] = []
        self.profiles = sp.csr_matrix((0, 0))

    def fit(self, train: AnnData, *, labels: Labels, seed: int) -> Self:
        """Mean profile of each type with ``least_cells`` labelled cells; ``seed`` changes nothing.

        Raises
        ------
        NotApplicable
            If there are fewer than two such types.
        """
        label = labels.label[labels.given].astype(str)
        names, code, cells = np.unique(label, return_inverse=True, return_counts=True)
        kept = cells >= self.options.least_cells
        if kept.sum() < 2:
            raise NotApplicable(f"{int(kept.sum())} type(s) with {self.options.least_cells} labelled cells")
        counts = sp.csr_matrix(train.X[labels.given], dtype=np.float64)
        total = np.asarray(counts.sum(axis=1)).ravel()
        share = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
        member = sp.csr_matrix((share / cells[code], (code, np.arange(len(code)))))
        self.classes, self.genes = names[kept].tolist(), train.var_names.tolist()
        self.profiles = sp.csr_matrix(member @ counts)[kept]
        return self

    def predict(self, cells: AnnData) -> Prediction:
        """Types by the largest share, which is no probability: the softmax over them is not calibrated."""
        shares = self._shares(cells)
        return Prediction(
            classes=self.classes, probabilities=softmax(shares, axis=1), unseen_score=-shares.max(axis=1)
        )

    def embed(self, cells: AnnData) -> np.ndarray:
        """Shares of the C types, float32 (N, C)."""
        return self._shares(cells).astype(np.float32)

    def _shares(self, cells: AnnData) -> np.ndarray:
        there, columns = find_genes(cells, self.genes)
        basis = normal_scores(self.profiles[:, there]).dense()
        scores = normal_scores(sp.csr_matrix(cells.X)[:, columns])
        product = scores.above @ basis.T + np.outer(scores.rest, basis.sum(axis=1))
        return np.linalg.lstsq(basis @ basis.T, product.T, rcond=None)[0].T
