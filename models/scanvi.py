"""scANVI, as scvi-tools trains it from scVI; encoder and classifier are kept (10.15252/msb.20209620)."""

import warnings
from typing import Self

import numpy as np
import scvi
import torch
from anndata import AnnData

from contract.errors import NotApplicable
from models.labelled import Labels, Prediction
from models.options import ScanviOptions
from models.registry import ADAPTERS
from models.scvi_baseline import QUIET, batch_size, counts_of_genes, in_one_order, trained, training_table
from models.variable_genes import choose_genes

UNKNOWN = "(no label is told)"
ROWS = 1024


class Scanvi:
    """scVI trained on all training cells, then with the labels of those that have one.

    Neither encoder nor classifier sees the batch, so cells of unseen donors can be named. A gene
    that they lack counts as zero.
    """

    card = ADAPTERS["scanvi"].card

    def __init__(self, options: ScanviOptions) -> None:
        self.options = options
        self.genes: list[str] = []
        self.classes: list[str] = []
        self.module: torch.nn.Module | None = None
        self._base: tuple[list[str], int, scvi.model.SCVI, AnnData] | None = None

    def fit(self, train: AnnData, *, labels: Labels, seed: int) -> Self:
        """Train; questions that give the same cells share one scVI, for the labels come after it."""
        self.classes = labels.classes
        if len(self.classes) < 2:
            raise NotApplicable(f"the labelled training cells are of {len(self.classes)} type(s)")
        names = train.obs_names.tolist()
        if self._base is None or self._base[:2] != (names, seed):
            self.genes = choose_genes(in_one_order(train), n_genes=self.options.n_genes)
            table = training_table(train, self.genes)
            self._base = (names, seed, trained(table, self.options, seed=seed), table)
        told = dict(zip(names, labels.label, strict=True))
        base, table = self._base[2], self._base[3].copy()
        table.obs["label"] = [told[name] or UNKNOWN for name in table.obs_names]
        scvi.settings.seed = seed
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice of lightning on workers and loggers
            model = scvi.model.SCANVI.from_scvi_model(
                base, unlabeled_category=UNKNOWN, labels_key="label", adata=table
            )
            model.train(
                max_epochs=self.options.epochs_with_labels,
                accelerator="cuda" if torch.cuda.is_available() else "cpu",
                devices=1,
                train_size=1.0,
                batch_size=batch_size(table.n_obs),
                **QUIET,
            )
        order = list(model.adata_manager.get_state_registry("labels").categorical_mapping)
        self._columns = [order.index(name) for name in self.classes]
        self.module = model.module.eval().cpu()
        return self

    def predict(self, cells: AnnData) -> Prediction:
        """Name the cells by the mean of their latent place; ``embedding`` (M, latent) is that place."""
        if self.module is None:
            raise RuntimeError("fit comes first")
        counts = counts_of_genes(cells, self.genes)
        places, said = [], []
        with torch.inference_mode():
            for start in range(0, cells.n_obs, ROWS):
                block = torch.from_numpy(counts[start : start + ROWS].toarray())
                encoder = self.module.z_encoder
                place = encoder.mean_encoder(encoder.encoder(torch.log1p(block)))
                places.append(place)
                said.append(torch.softmax(self.module.classifier(place)[:, self._columns], dim=1))
        probability = torch.cat(said).numpy().astype(np.float64)
        return Prediction(
            classes=self.classes,
            probabilities=probability,
            unseen_score=1 - probability.max(axis=1),
            embedding=torch.cat(places).numpy(),
        )
