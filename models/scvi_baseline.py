"""scVI, as scvi-tools trains it; only the encoder is kept (10.1038/s41592-018-0229-2)."""

import dataclasses
import logging
import warnings
from pathlib import Path
from typing import Self

import numpy as np
import scipy.sparse as sp
import scvi
import torch
from anndata import AnnData
from scvi.nn import Encoder

from contract.errors import NotApplicable, UserError
from models.normalise import find_genes
from models.options import ScviOptions
from models.registry import ADAPTERS
from models.state import read_state, write_state
from models.variable_genes import choose_genes

ROWS = 1024
BATCH = 128
DROPOUT = 0.1
LONGEST = 400
EPOCH_CELLS = 20_000
QUIET = {
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
    "logger": False,
}


class Scvi:
    """The mean of scVI's latent space; counts of variable genes in, batch as a covariate of the decoder.

    The encoder does not see the batch, so cells of unseen batches can be embedded. A gene that
    they lack counts as zero.
    """

    card = ADAPTERS["scvi"].card

    def __init__(self, options: ScviOptions) -> None:
        self.options = options
        self.genes: list[str] = []
        self.encoder: Encoder | None = None

    def fit(self, train: AnnData, *, seed: int) -> Self:
        """Train on all of ``train`` without early stopping, the KL weight rising over the whole training.

        Cells without a count in the chosen genes cannot be trained on; the log says how many.

        Raises
        ------
        NotApplicable
            If fewer than two cells can be trained on.
        """
        self.genes = choose_genes(in_one_order(train), n_genes=self.options.n_genes)
        model = trained(training_table(train, self.genes), self.options, seed=seed)
        self.encoder = model.module.z_encoder.eval().cpu()
        return self

    def embed(self, cells: AnnData) -> np.ndarray:
        """Latent means (N, latent), float32."""
        if self.encoder is None:
            raise RuntimeError("fit or load comes first")
        return encoded(self.encoder, counts_of_genes(cells, self.genes))

    def save(self, state: Path) -> None:
        """Write the encoder's weights, the genes and the options."""
        if self.encoder is None:
            raise RuntimeError("fit comes first")
        arrays = {name: value.numpy() for name, value in self.encoder.state_dict().items()}
        about = {"options": dataclasses.asdict(self.options), "genes": self.genes}
        write_state(state, arrays=arrays, about=about)

    @classmethod
    def load(cls, state: Path) -> Self:
        """Read what ``save`` wrote; weights that do not fit are a ``UserError``."""
        arrays, about = read_state(state)
        self = cls(ScviOptions(**about["options"]))
        self.genes = about["genes"]
        self.encoder = _encoder(self.options, n_genes=len(self.genes))
        try:
            self.encoder.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
        except RuntimeError as error:
            raise UserError(
                str(state), found=f"weights that do not fit ({error})", todo="train it again"
            ) from None
        return self


def in_one_order(train: AnnData) -> AnnData:
    """The same cells sorted by name, so that the order in which they come changes nothing."""
    return train[np.argsort(train.obs_names.to_numpy(dtype=str))]


def training_table(train: AnnData, genes: list[str]) -> AnnData:
    """Counts and batches of the cells that can be trained on, sorted by name.

    Raises
    ------
    NotApplicable
        If fewer than two cells have a count in the chosen genes.
    """
    cells = in_one_order(train)
    obs = cells.obs[["batch"]].astype(str).astype("category")
    table = AnnData(X=counts_of_genes(cells, genes), obs=obs.copy())
    speaks = np.asarray(table.X.sum(axis=1)).ravel() > 0
    if speaks.sum() < 2:
        raise NotApplicable(f"{int(speaks.sum())} cell(s) with a count in the chosen genes")
    if not speaks.all():
        print(f"scvi: {int((~speaks).sum())} of {len(speaks)} cells without a count are not trained on")
    return table[speaks].copy()


def counts_of_genes(cells: AnnData, genes: list[str]) -> sp.csr_matrix:
    """Counts (N, G) of the fitted genes as float32, zero where the cells lack one."""
    there, columns = find_genes(cells, genes)
    pick = sp.csr_matrix(
        (np.ones(len(there), dtype=np.float32), (columns, there)), shape=(cells.n_vars, len(genes))
    )
    return sp.csr_matrix(cells.X, dtype=np.float32) @ pick


def trained(table: AnnData, options: ScviOptions, *, seed: int) -> scvi.model.SCVI:
    """scVI fitted on all cells of a table of counts and batches."""
    epochs = options.epochs or min(LONGEST, max(1, round(LONGEST * EPOCH_CELLS / table.n_obs)))
    scvi.settings.seed = seed
    scvi.settings.verbosity = logging.ERROR
    for name in ("lightning.pytorch", "lightning.pytorch.utilities.rank_zero", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice of lightning on workers and loggers
        scvi.model.SCVI.setup_anndata(table, batch_key="batch")
        model = scvi.model.SCVI(
            table,
            n_hidden=options.hidden,
            n_latent=options.latent,
            n_layers=options.layers,
            dropout_rate=DROPOUT,
            gene_likelihood=options.likelihood,
        )
        model.train(
            max_epochs=epochs,
            accelerator="cuda" if torch.cuda.is_available() else "cpu",
            devices=1,
            train_size=1.0,
            batch_size=batch_size(table.n_obs),
            early_stopping=False,
            plan_kwargs={"n_epochs_kl_warmup": epochs},
            **QUIET,
        )
    return model


def batch_size(*sizes: int) -> int:
    """128, or the next smaller number that leaves no batch of one of so many cells: it has no variance."""
    return next((size for size in range(BATCH, 1, -1) if all(n % size != 1 for n in sizes)), BATCH)


def encoded(encoder: Encoder, counts: sp.csr_matrix) -> np.ndarray:
    """Latent means (N, latent), float32, of counts (N, G)."""
    blocks = []
    with torch.inference_mode():
        for start in range(0, counts.shape[0], ROWS):
            block = torch.from_numpy(counts[start : start + ROWS].toarray())
            blocks.append(encoder.mean_encoder(encoder.encoder(torch.log1p(block))).numpy())
    return np.concatenate(blocks)


def _encoder(options: ScviOptions, *, n_genes: int) -> Encoder:
    """An encoder of the same shape as the one inside scvi-tools' SCVI."""
    return Encoder(
        n_genes,
        options.latent,
        n_layers=options.layers,
        n_hidden=options.hidden,
        dropout_rate=DROPOUT,
        use_batch_norm=True,
        use_layer_norm=False,
    ).eval()
