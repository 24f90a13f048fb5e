"""No network at all: a cell as the expression-weighted mean of gene vectors (form of scELMo and GenePT)."""

import dataclasses
from pathlib import Path
from typing import Self

import numpy as np
from anndata import AnnData

from contract.errors import NotApplicable
from models.cells_file import Cells
from models.gene_table import read_gene_table
from models.normalise import find_genes, log_normalised
from models.options import GeneVectorOptions
from models.reading import counts_of
from models.registry import ADAPTERS
from models.state import read_state, write_state
from models.transformer.counts import blocks
from models.transformer.gene_vectors import codetection
from models.transformer.vocabulary import MASK, PAD, Vocabulary

MIN_CELLS = 3


class WeightedVectors:
    """Gene vectors, weighted by log-normalised expression x: x / Σx (``share``) or x / G (``plain``).

    Published: vectors of texts about genes by a language model, which are not there offline; give
    them as a file. Without one the vectors say which genes are detected together in the fitted cells.
    A gene without a vector counts with the zero vector, as published.
    """

    card = ADAPTERS["weighted_vectors"].card
    streams = rowwise = True

    def __init__(self, options: GeneVectorOptions) -> None:
        self.options = options
        self.genes: list[str] = []
        self.vectors = np.zeros((0, 0), dtype=np.float32)
        self.file: dict[str, str] | None = None

    def fit(self, train: Cells, *, seed: int) -> Self:
        """Read the vectors, or make them of ``train``, a block at a time; ``seed`` changes nothing.

        Raises
        ------
        NotApplicable
            If no gene is expressed in three cells of ``train``.
        """
        if self.options.gene_vectors is None:
            self.genes, self.vectors = _codetected(train, width=self.options.width)
        else:
            table = read_gene_table(Path(self.options.gene_vectors))
            self.genes, self.vectors = table.genes, table.vectors
            self.file = {"name": table.name, "sha256": table.sha256}
        return self

    def embed(self, cells: AnnData) -> np.ndarray:
        """Weighted means (N, width of the vectors), float32.

        Raises
        ------
        NotApplicable
            If fewer than a tenth of the genes are known, or a cell has no count.
        """
        there, columns = find_genes(cells, self.genes)
        values = log_normalised(cells)
        weight = np.asarray(values.sum(axis=1)).ravel()
        if self.options.weights == "plain":
            weight = np.full(cells.n_obs, float(cells.n_vars))
        elif not (weight > 0).all():
            raise NotApplicable(f"{int((weight <= 0).sum())} cell(s) without a count have no weighted mean")
        found = values[:, columns] @ self.vectors[there].astype(np.float64)
        return np.ascontiguousarray(found / weight[:, None], dtype=np.float32)

    def save(self, state: Path) -> None:
        """Write genes and vectors, and what file they came from."""
        about = {"options": dataclasses.asdict(self.options), "genes": self.genes, "file": self.file}
        write_state(state, arrays={"vectors": self.vectors}, about=about)

    @classmethod
    def load(cls, state: Path) -> Self:
        """Read what ``save`` wrote."""
        arrays, about = read_state(state)
        self = cls(GeneVectorOptions(**about["options"]))
        self.genes, self.file, self.vectors = about["genes"], about["file"], arrays["vectors"]
        return self


def _codetected(train: Cells, *, width: int) -> tuple[list[str], np.ndarray]:
    """Genes that three cells express (in a corpus: that all its data sets measured), and their vectors."""
    counts = counts_of(train)
    support = np.zeros(train.n_vars, dtype=np.int64)
    for _, part in blocks(counts):
        support += np.bincount(part.indices[part.data > 0], minlength=train.n_vars)
    allowed = support >= MIN_CELLS
    if "in_all" in train.var:
        allowed &= train.var["in_all"].to_numpy(dtype=bool)
    genes = sorted(train.var_names[allowed])
    if not genes:
        raise NotApplicable(f"no gene is expressed in {MIN_CELLS} of the cells to be fitted")
    ones = np.ones(len(genes))
    vocabulary = Vocabulary((PAD, MASK), tuple(genes), ones, ones)
    columns = vocabulary.tokens(list(train.var_names))
    return genes, codetection(counts, columns, vocabulary=vocabulary, width=width).numpy()
