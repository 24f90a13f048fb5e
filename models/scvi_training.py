"""Training scVI with scvi-tools, whose import takes ten seconds: only who trains pays them."""

import logging
import warnings

import numpy as np
import scvi
import torch
from anndata import AnnData
from lightning.pytorch.callbacks import Callback
from scipy import sparse
from scvi.nn import Encoder
from scvi.train import TrainingPlan

from contract.errors import NotApplicable
from contract.progress import Progress
from models.cells_file import Cells, CellsFile, blocks_of
from models.options import ScviOptions
from models.scvi_baseline import Layers, counts_of_genes

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


class Unlogged(TrainingPlan):
    """A training whose losses nobody reads: keeping them is an eighth of its time, and changes no weight."""

    def log(self, *args: object, **kwargs: object) -> None:
        """Keep nothing."""

    def compute_and_log_metrics(self, *args: object, **kwargs: object) -> None:
        """Keep nothing."""


class Told(Callback):
    """A line now and then on how many passes over the cells are done; lightning's bar is for terminals."""

    def __init__(self, epochs: int) -> None:
        self.progress = Progress("passes over the cells", epochs)

    def on_train_epoch_end(self, *args: object) -> None:
        """One more."""
        self.progress.add(1)


def in_one_order(train: Cells) -> Cells:
    """The same cells sorted by name, so that their order changes nothing; those of a file as they lie."""
    return train if isinstance(train, CellsFile) else train[np.argsort(train.obs_names.to_numpy(dtype=str))]


def training_table(train: Cells, genes: list[str]) -> AnnData:
    """Counts and batches of the cells that can be trained on, sorted by name; memory of these genes alone.

    Raises
    ------
    NotApplicable
        If fewer than two cells have a count in the chosen genes.
    """
    blocks = [counts_of_genes(block, genes) for block in blocks_of(train, "counts of variable genes")]
    counts = sparse.vstack(blocks, format="csr")
    del blocks
    order = np.argsort(train.obs_names.to_numpy(dtype=str))
    speaks = np.asarray(counts.sum(axis=1)).ravel()[order] > 0
    if speaks.sum() < 2:
        raise NotApplicable(f"{int(speaks.sum())} cell(s) with a count in the chosen genes")
    if not speaks.all():
        print(f"scvi: {int((~speaks).sum())} of {len(speaks)} cells without a count are not trained on")
    order = order[speaks]
    obs = train.obs[["batch"]].iloc[order].astype(str).astype("category")
    return AnnData(X=counts[order], obs=obs)


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
        model._training_plan_cls = Unlogged
        model.train(
            max_epochs=epochs,
            accelerator="cuda" if torch.cuda.is_available() else "cpu",
            devices=1,
            train_size=1.0,
            batch_size=batch_size(table.n_obs),
            early_stopping=False,
            plan_kwargs={"n_epochs_kl_warmup": epochs},
            callbacks=[Told(epochs)],
            **QUIET,
        )
    return model


def batch_size(*sizes: int) -> int:
    """128, or the next smaller number that leaves no batch of one of so many cells: it has no variance."""
    return next((size for size in range(BATCH, 1, -1) if all(n % size != 1 for n in sizes)), BATCH)


def layers_of(encoder: Encoder) -> Layers:
    """The way to the latent mean; each batch norm, as training left it, is part of the layer before it."""
    layers = []
    weights = {name: value.double().cpu() for name, value in encoder.state_dict().items()}
    for number, block in enumerate(encoder.encoder.fc_layers):
        of = {name: weights[f"encoder.fc_layers.Layer {number}.{name}"] for name in block.state_dict()}
        scale = of["1.weight"] / torch.sqrt(of["1.running_var"] + block[1].eps)
        bias = (of["0.bias"] - of["1.running_mean"]) * scale + of["1.bias"]
        layers.append(((of["0.weight"] * scale[:, None]).T, bias))
    layers.append((weights["mean_encoder.weight"].T, weights["mean_encoder.bias"]))
    return [(weight.float().numpy(), bias.float().numpy()) for weight, bias in layers]
