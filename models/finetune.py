"""The contestant that learns from labels: a recipe, trained on a corpus, fine-tuned on training cells."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from anndata import AnnData

from contract.errors import NotApplicable
from models.card import ModelCard
from models.finetune_options import FineTuneOptions
from models.labelled import Labels, Prediction
from models.pretrained import ENGINE, Pretrained, device, refusals
from models.transformer.data import Corpus
from models.transformer.finetune_model import Labelled
from models.transformer.finetune_published import tune_as_published
from models.transformer.finetune_search import Tuned, common, fine_tune
from models.transformer.infer import embed
from models.transformer.ranks import Ranks, joined
from models.validation import validation_cells

LEARNS = {
    "head": "a linear readout of the frozen embedding learns",
    "last": "the last {blocks} block(s) and a linear readout learn",
    "lora": "adapters of rank {rank} in all blocks and a linear readout learn",
    "full": "all weights and a linear readout learn",
}


class FineTuned:
    """A pre-trained network that learns cell types by the common protocol (``docs/finetuning.md``).

    Every question starts from the pre-trained weights. Questions that give the same training cells share
    their frozen embedding. ``workdir`` keeps what lets a killed training go on. Started by
    ``torchrun``, each process takes its share of every batch, and all learn the same.
    """

    def __init__(self, options: FineTuneOptions, *, checkpoint: Path, workdir: Path | None = None) -> None:
        self.options, self.workdir = options, workdir
        self.base = Pretrained.load(checkpoint, context=options.context)
        self._fits = 0
        self._names: list[str] = []
        self._corpus: Corpus | None = None
        self._frozen = np.zeros((0, 0), dtype=np.float32)
        self._tuned: Tuned | None = None
        self._classes: list[str] = []

    @property
    def card(self) -> ModelCard:
        """That of the pre-trained network, and what learnt from labels."""
        base, options = self.base.card, self.options
        learns = LEARNS[options.finetune].format(blocks=options.blocks, rank=options.rank)
        return dataclasses.replace(
            base,
            name=f"{base.name}, fine-tuned ({options.finetune})",
            saw=(*base.saw, "train_labels"),
            note=f"{base.note} Fine-tuned: {learns}, by the {options.protocol} protocol.",
        )

    def fit(self, train: AnnData, *, labels: Labels, seed: int) -> Self:
        """Learn from the labelled cells; those without a label are not read.

        Raises
        ------
        NotApplicable
            If the labelled cells are of fewer than two types, or cannot be embedded.
        """
        if len(labels.classes) < 2:
            raise NotApplicable(f"the labelled training cells are of {len(labels.classes)} type(s)")
        self._fits += 1
        with joined(device(), name=f"{self.workdir} {self._fits}") as ranks:
            self._read(train, ranks)
            self._tuned = self._tune(labels, seed=seed, ranks=ranks)
        self._classes = labels.classes
        return self

    def _tune(self, labels: Labels, *, seed: int, ranks: Ranks) -> Tuned:
        rows = np.flatnonzero(labels.given)
        known, Z = labels.take(rows), self._frozen[rows]
        label = np.searchsorted(labels.classes, known.label.astype(str))
        held_out = validation_cells(known.unit, given=known.given)
        if len(set(label[~held_out])) < 2:
            held_out[:] = False
        counts = self._corpus.counts.take(rows)
        cells = Labelled(corpus=dataclasses.replace(self._corpus, counts=counts), label=label)
        options = dataclasses.asdict(self.options)
        fingerprint = _fingerprint(Z, label, held_out, options=options, seed=seed)
        work = None if self.workdir is None else self.workdir / fingerprint[:16]
        about = {"seed": seed, "device": device(), "work": work, "fingerprint": fingerprint, "ranks": ranks}
        with refusals(self.options):
            return self._by_protocol(cells, Z, held_out, about)

    def _by_protocol(
        self, cells: Labelled, Z: np.ndarray, held_out: np.ndarray, about: dict[str, Any]
    ) -> Tuned:
        encoder, options = self.base.fitted.network.encoder, self.options
        if options.protocol == "published":
            return tune_as_published(encoder, cells, **about)
        tuning = common(
            encoder.design,
            options.finetune,
            blocks=options.blocks,
            rank=options.rank,
            budget_cells=options.tune_cells,
        )
        return fine_tune(encoder, cells, Z, held_out=held_out, tuning=tuning, **about)

    def check(self, cells: AnnData) -> None:
        """Raise ``NotApplicable`` if the network cannot read the cells, such as those of another species."""
        self.base.read(cells)

    def predict(self, cells: AnnData) -> Prediction:
        """Name the cells; ``unseen_score`` is 1 − the highest probability."""
        tuned = self._learnt
        probabilities = tuned.readout.probabilities(self.embed(cells))
        return Prediction(
            classes=self._classes,
            probabilities=probabilities,
            unseen_score=1 - probabilities.max(axis=1),
            curve=tuned.curve,
            chosen=tuned.chosen,
        )

    def embed(self, cells: AnnData) -> np.ndarray:
        """The cells' vectors in the fine-tuned network, float32 (N, D), rows in the order of ``cells``."""
        corpus = self.base.read(cells)
        with refusals(self.options):
            return embed(self._learnt.encoder, corpus, device=device())

    @property
    def _learnt(self) -> Tuned:
        if self._tuned is None:
            raise RuntimeError("fit comes first")
        return self._tuned

    def _read(self, train: AnnData, ranks: Ranks) -> None:
        """The cells and their frozen embedding, unless they are those of the last question.

        Every process embeds all cells, so that all refuse alike; then all take each other's share.
        """
        names = train.obs_names.tolist()
        if self._corpus is None or names != self._names:
            self._corpus, Z, self._names = self.base.read(train), self.base.embed(train), names
            own = Z if ranks.count == 1 else Z[ranks.share(len(Z))]
            self._frozen = ranks.gathered(own, cells=len(Z), device=device())


def _fingerprint(*arrays: np.ndarray, options: dict[str, Any], seed: int) -> str:
    """Hash of what a fine-tuning depends on, its code too; the embedding stands for cells and weights."""
    code = [path.read_bytes() for path in sorted(ENGINE.glob("*.py"))]
    about = json.dumps([options, seed, torch.__version__]).encode()
    digest = hashlib.sha256(b"".join([about, *code]))
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
