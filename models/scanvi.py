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
from models.scvi_baseline import Layers, counts_of_genes, encoded
from models.scvi_training import QUIET, Told, batch_size, in_one_order, layers_of, trained, training_table
from models.variable_genes import choose_genes

UNKNOWN = "(no label is told)"


class Scanvi:
    """scVI trained on all training cells, then with the labels of those that have one.

    Inductive: neither encoder nor classifier is told the batch (only the decoder is), so cells of
    unseen donors go through both as they are. Nothing is trained on them, unlike in the surgery that
    scvi-tools offers for query cells, which adds weights for new batches to the decoder alone. A gene
    that the cells lack counts as zero. Labels get ``epochs_with_labels``; scvi-tools' own rule, a third
    of scVI's epochs but no more than ten, is its default here, too.
    """

    card = ADAPTERS["scanvi"].card

    def __init__(self, options: ScanviOptions) -> None:
        self.options = options
        self.genes: list[str] = []
        self.classes: list[str] = []
        self.module: torch.nn.Module | None = None
        self._layers: Layers = []
        self._columns: list[int] = []
        self._base: tuple[list[str], int, scvi.model.SCVI, AnnData] | None = None

    def fit(self, train: AnnData, *, labels: Labels, seed: int) -> Self:
        """Train; questions that give the same cells share one scVI, for the labels come after it.

        Raises
        ------
        NotApplicable
            If the labelled cells are of fewer than two types.
        """
        _need_two(labels.classes)
        names = train.obs_names.tolist()
        if self._base is None or self._base[:2] != (names, seed):
            self.genes = choose_genes(in_one_order(train), n_genes=self.options.n_genes)
            table = training_table(train, self.genes)
            self._base = (names, seed, trained(table, self.options, seed=seed), table)
        told = dict(zip(names, labels.label, strict=True))
        label = np.array([told[name] or UNKNOWN for name in self._base[3].obs_names])
        self.classes = sorted(set(label.tolist()) - {UNKNOWN})
        _need_two(self.classes)  # again: cells without a count are not trained on
        model = self._taught(label, seed=seed)
        order = list(model.adata_manager.get_state_registry("labels").categorical_mapping)
        self._columns = [order.index(name) for name in self.classes]
        self.module = model.module.eval().cpu()
        self._layers = layers_of(self.module.z_encoder)
        return self

    def _taught(self, label: np.ndarray, *, seed: int) -> scvi.model.SCANVI:
        """A copy of the shared scVI, trained on with these labels (N,)."""
        base, table = self._base[2], self._base[3].copy()
        table.obs["label"] = label
        sides = (len(label), int((label != UNKNOWN).sum()), int((label == UNKNOWN).sum()))
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
                batch_size=batch_size(*sides),
                callbacks=[Told(self.options.epochs_with_labels)],
                **QUIET,
            )
        return model

    def predict(self, cells: AnnData) -> Prediction:
        """Name the cells by the encoder's means; ``unseen_score`` is 1 − the highest probability."""
        with torch.inference_mode():
            logits = self._trained.classifier(torch.from_numpy(self.embed(cells)))[:, self._columns]
        probability = torch.softmax(logits.double(), dim=1).numpy()
        return Prediction(
            classes=self.classes, probabilities=probability, unseen_score=1 - probability.max(axis=1)
        )

    def embed(self, cells: AnnData) -> np.ndarray:
        """Latent means (N, latent), float32."""
        return encoded(self._layers, counts_of_genes(cells, self.genes))

    @property
    def _trained(self) -> torch.nn.Module:
        if self.module is None:
            raise RuntimeError("fit comes first")
        return self.module


def _need_two(classes: list[str]) -> None:
    if len(classes) < 2:
        raise NotApplicable(f"the labelled training cells are of {len(classes)} type(s)")
