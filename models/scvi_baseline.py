"""scVI, as scvi-tools trains it; only the encoder is kept (10.1038/s41592-018-0229-2)."""

import dataclasses
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from contract.errors import UserError
from models.cells_file import Cells
from models.normalise import find_genes
from models.options import ScviOptions
from models.registry import ADAPTERS
from models.state import read_state, write_state
from models.variable_genes import choose_genes

Layers = list[tuple[np.ndarray, np.ndarray]]
"""Weights (in, out) and biases (out,) from log counts to the latent mean; ReLU between them."""


class Scvi:
    """The mean of scVI's latent space; counts of variable genes in, batch as a covariate of the decoder.

    The encoder does not see the batch, so cells of unseen batches can be embedded. A gene that
    they lack counts as zero.
    """

    card = ADAPTERS["scvi"].card
    streams = rowwise = True

    def __init__(self, options: ScviOptions) -> None:
        self.options = options
        self.genes: list[str] = []
        self.layers: Layers = []

    def fit(self, train: Cells, *, seed: int) -> Self:
        """Train on all of ``train`` without early stopping, the KL weight rising over the whole training.

        The cells are read twice, block by block; what is held of them are their chosen genes.
        Cells without a count in the chosen genes cannot be trained on; the log says how many.

        Raises
        ------
        NotApplicable
            If fewer than two cells can be trained on.
        """
        from models.scvi_training import in_one_order, layers_of, trained, training_table

        self.genes = choose_genes(in_one_order(train), n_genes=self.options.n_genes)
        model = trained(training_table(train, self.genes), self.options, seed=seed)
        self.layers = layers_of(model.module.z_encoder)
        return self

    def embed(self, cells: AnnData) -> np.ndarray:
        """Latent means (N, latent), float32."""
        if not self.layers:
            raise RuntimeError("fit or load comes first")
        return encoded(self.layers, counts_of_genes(cells, self.genes))

    def save(self, state: Path) -> None:
        """Write the encoder's weights, the genes and the options."""
        if not self.layers:
            raise RuntimeError("fit comes first")
        arrays = {}
        for number, (weight, bias) in enumerate(self.layers):
            arrays |= {f"weight_{number}": weight, f"bias_{number}": bias}
        about = {"options": dataclasses.asdict(self.options), "genes": self.genes}
        write_state(state, arrays=arrays, about=about)

    @classmethod
    def load(cls, state: Path) -> Self:
        """Read what ``save`` wrote; weights that do not fit are a ``UserError``."""
        arrays, about = read_state(state)
        self = cls(ScviOptions(**about["options"]))
        self.genes = about["genes"]
        widths = [len(self.genes), *[self.options.hidden] * self.options.layers, self.options.latent]
        for number, shape in enumerate(pairwise(widths)):
            weight, bias = arrays.get(f"weight_{number}"), arrays.get(f"bias_{number}")
            if weight is None or bias is None or (weight.shape, bias.shape) != (shape, shape[1:]):
                found = f"no weights of layer {number} that fit"
                raise UserError(str(state), found=found, expected=f"{shape}", todo="train it again")
            self.layers.append((weight, bias))
        return self


def counts_of_genes(cells: AnnData, genes: list[str]) -> sp.csr_matrix:
    """Counts (N, G) of the fitted genes as float32, zero where the cells lack one."""
    there, columns = find_genes(cells, genes)
    pick = sp.csr_matrix(
        (np.ones(len(there), dtype=np.float32), (columns, there)), shape=(cells.n_vars, len(genes))
    )
    return sp.csr_matrix(cells.X, dtype=np.float32) @ pick


def encoded(layers: Layers, counts: sp.csr_matrix) -> np.ndarray:
    """Latent means (N, latent), float32, of counts (N, G)."""
    values = counts.log1p()
    for number, (weight, bias) in enumerate(layers):
        values = (np.maximum(values, 0) if number else values) @ weight + bias
    return np.asarray(values, dtype=np.float32)
