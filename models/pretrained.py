"""The contestant that this repository trains itself: a recipe, a size, and a corpus."""

import dataclasses
import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch

from contract.errors import NotApplicable, UserError
from contract.files import read_json, sha256, write_json
from models.card import ModelCard
from models.cells_file import Cells
from models.gene_table import fit_to, gene_table_of
from models.options import RecipeOptions
from models.reading import counts_of, gene_organisms_of, units_of
from models.telling import Told, tell
from models.transformer import checkpoint
from models.transformer.counts import Chosen, Marked, blocks
from models.transformer.data import Corpus, held_out_units
from models.transformer.engine import pretrain
from models.transformer.errors import RecipeError, TransformerError, VocabularyError
from models.transformer.infer import embed
from models.transformer.objectives import Network
from models.transformer.progress import Progress
from models.transformer.recipe import Design, Recipe, load_recipe
from models.transformer.tokenise import tokeniser_of
from models.transformer.vocabulary import match
from models.untrained import read_corpus, untrained

VALIDATION_CELLS = 2048
ENGINE = Path(checkpoint.__file__).parent
TOLERANCE = {"cpu": 1e-5, "cuda": 0.05}  # float32, bfloat16


class Pretrained:
    """A transformer pre-trained on the cells that ``fit`` is given, then embedding zero-shot.

    The cells may be those of a file (it ``streams``): counts are then read in blocks, and memory does
    not grow with them, but for names and a few numbers of each cell.

    Making the vocabulary needs total counts, for the gene medians. Embedding needs them where the
    recipe reads counts relative to the whole cell (``Design.needs_totals``); where it reads ranks
    within a cell it does not, because the total scales all genes of a cell alike.
    """

    streams = True

    def __init__(
        self, options: RecipeOptions, *, workdir: Path | None = None, labels: pd.DataFrame | None = None
    ) -> None:
        self.options, self.workdir, self.labels = options, workdir, labels
        self._checkpoint: checkpoint.Checkpoint | None = None
        self._corpus: dict[str, Any] = {}

    @property
    def card(self) -> ModelCard:
        """What is known about this contestant, its corpus included once it is fitted."""
        with refusals(self.options):
            recipe = load_recipe(self.options.recipe)
        trained = self.options.init == "trained"
        organisms = self._corpus.get("organisms", [])
        datasets = self._corpus.get("datasets")
        return ModelCard(
            name=f"{recipe.name} {self.options.size}" + ("" if trained else ", untrained") + self._short(),
            source=recipe.source,
            revision="this repository",
            license="BSD-3-Clause",
            pretrained_on=datasets,
            saw=("counts", *self._asked(recipe), "pretraining") if trained else ("counts",),
            needs_gpu=False,
            equivariance_tolerance=TOLERANCE[device().type],
            organism=", ".join(organisms) or None,
            note=recipe.ours + self._vectors() + self._bugs(recipe),
        )

    def fit(self, train: Cells, *, seed: int) -> Self:
        """Make vocabulary and medians of ``train``, then pre-train on it.

        All genes of the corpus enter, also those that only some of its data sets measured: an
        unmeasured gene makes no token. Cells without a total do not speak about medians; cells
        without a gene of the vocabulary are not trained on; both are counted in the state. Some
        donors (or batches), 5–20 % of the cells, are held out, and the validation loss is that of
        at most 2,048 of their cells.
        With ``init: random`` no step is taken.

        Raises
        ------
        NotApplicable
            If no cell has a total, or no gene is expressed often enough.
        """
        with refusals(self.options):
            encoder = self.options.text_encoder
            design, told = tell(train, self._design(), labels=self.labels, encoder=encoder)
            table = gene_table_of(train, design, file=self.options.gene_vectors, text_encoder=encoder)
            if table is not None:
                design = fit_to(design, table, where=f"recipe {self.options.recipe}")
            corpus, vocabulary, facts = read_corpus(train, design=design, table=table)
            network = untrained(design, corpus, seed=seed, table=table, told=told)
            if told is not None:
                corpus = dataclasses.replace(corpus, counts=Marked(corpus.counts, told.marks))
                facts |= {"types": len(told.types), "cells_of_a_type": int((told.marks[:, 0] >= 0).sum())}
            curve: list[dict[str, Any]] = []
            if self.options.init == "trained":
                held_out = held_out_units(units_of(train), seed=seed)
                facts["held_out_cells"] = int(held_out.sum())
                curve = self._pretrain(network, corpus, held_out, design=design, seed=seed, told=told)
        self._corpus = facts | {"seed": seed}
        self._checkpoint = checkpoint.Checkpoint(
            design=design, vocabulary=vocabulary, network=network, curve=curve
        )
        return self

    def embed(self, cells: Cells) -> np.ndarray:
        """Embeddings, float32 (N, D), rows in the order of ``cells``; on a GPU where there is one.

        Raises
        ------
        NotApplicable
            If the genes of cells and corpus are of different organisms, too few are shared, or a cell
            expresses no gene of the vocabulary or lacks a total that the recipe needs.
        """
        corpus = self.read(cells)
        with refusals(self.options):
            return embed(self.fitted.network.encoder, corpus, device=device())

    def read(self, cells: Cells) -> Corpus:
        """The cells as the network reads them; refuses what ``embed`` does, but for single cells."""
        strangers = gene_organisms_of(cells) - set(self._corpus["organisms"])
        if strangers and self._corpus["organisms"]:
            known = ", ".join(self._corpus["organisms"])
            raise NotApplicable(f"the corpus is {known}, the cells {', '.join(sorted(strangers))}")
        fitted, counts = self.fitted, counts_of(cells)
        with refusals(self.options):
            columns = fitted.vocabulary.tokens(list(cells.var_names))
            found = match(counts, columns, vocabulary=fitted.vocabulary)
            print(found, file=sys.stderr)
            if fitted.design.size.genes is None:  # a recipe that chose a few genes knows a few
                found.require()
        tokenise = tokeniser_of(fitted.design, fitted.vocabulary)
        if self.options.context is not None:
            tokenise = dataclasses.replace(tokenise, length=self.options.context)
        return Corpus(counts=counts, columns=columns, tokenise=tokenise)

    def save(self, state: Path) -> None:
        """Write weights, configuration, vocabulary, loss curve, and ``corpus.json``."""
        checkpoint.save(state, self.fitted)
        write_json(
            Path(state) / "corpus.json", {"options": dataclasses.asdict(self.options), "corpus": self._corpus}
        )

    @classmethod
    def load(cls, state: Path, *, context: int | None = None) -> Self:
        """Read what ``save`` wrote, for ``context`` tokens of a cell; a damaged file is a ``UserError``."""
        state = Path(state)
        try:
            about = read_json(state / "corpus.json")
            self = cls(RecipeOptions(**about["options"] | {"context": context}))
            self._corpus = about["corpus"]
            self._checkpoint = checkpoint.load(state)
        except (TransformerError, OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                str(state), found=f"a damaged checkpoint ({error})", todo="pre-train again"
            ) from None
        return self

    @property
    def fitted(self) -> checkpoint.Checkpoint:
        """What ``fit`` or ``load`` gave."""
        if self._checkpoint is None:
            raise RuntimeError("fit or load comes first")
        return self._checkpoint

    @property
    def seen(self) -> dict[str, int]:
        """What training showed: ``cells`` and ``tokens``, repeats counted; ``parameters`` and ``length``."""
        fitted = self.fitted
        shown = fitted.curve[-1] if fitted.curve else {"cells": 0, "tokens": 0}
        return {
            "cells": shown["cells"],
            "tokens": shown["tokens"],
            "parameters": sum(weights.numel() for weights in fitted.network.parameters()),
            "length": fitted.design.size.length,
        }

    def _short(self) -> str:
        """What the card's name says of a shorter context."""
        return "" if self.options.context is None else f", {self.options.context} tokens a cell"

    def _vectors(self) -> str:
        """What the card says of gene vectors from outside."""
        file = self._corpus.get("gene_vectors")
        return f" Gene vectors are read from {file['name']} (sha256 {file['sha256'][:12]})." if file else ""

    def _bugs(self, recipe: Recipe) -> str:
        """What the card says of published bugs that were brought back."""
        return f" With bugs as published: {', '.join(recipe.quirks)}." if self.options.parity else ""

    def _asked(self, recipe: Recipe) -> tuple[str, ...]:
        """What training was told beside the counts."""
        types, batches = recipe.design(self.options.size).told
        return (*(["pretraining_labels"] if types else []), *(["batch"] if batches else []))

    def _design(self) -> Design:
        design = load_recipe(self.options.recipe).design(self.options.size, parity=self.options.parity)
        if self.options.batch_size is None:
            return design
        training = dataclasses.replace(design.size.training, batch_cells=self.options.batch_size)
        return dataclasses.replace(design, size=dataclasses.replace(design.size, training=training))

    def _pretrain(
        self,
        network: Network,
        corpus: Corpus,
        held_out: np.ndarray,
        *,
        design: Design,
        seed: int,
        told: Told | None,
    ) -> list[dict[str, Any]]:
        """Train in place on the cells that express a gene, and return the loss curve."""
        usable = corpus.expressed() > 0
        if design.needs_totals:
            usable &= corpus.totals() > 0
        learn, check = (np.flatnonzero(part & usable) for part in (~held_out, held_out))
        check = np.sort(np.random.default_rng(seed).permutation(check)[:VALIDATION_CELLS])
        resume = None
        if self.workdir is not None:
            self.workdir.mkdir(parents=True, exist_ok=True)
            resume = self.workdir / "resume.safetensors"
        return pretrain(
            network,
            corpus=dataclasses.replace(corpus, counts=Chosen(corpus.counts, learn)),
            validation=dataclasses.replace(corpus, counts=corpus.counts.take(check)) if len(check) else None,
            training=design.size.training,
            seed=seed,
            budget_cells=self.options.budget_cells,
            device=device(),
            resume=resume,
            fingerprint=_fingerprint(
                corpus, learn, design=design, options=self.options, seed=seed, told=told
            ),
            report=Progress(),
        )


def _fingerprint(
    corpus: Corpus, rows: np.ndarray, *, design: Design, options: RecipeOptions, seed: int, told: Told | None
) -> str:
    """Hash of all that a training depends on, its code too, so that a resumed one never mixes two."""
    vocabulary = corpus.tokenise.vocabulary
    table = None if options.gene_vectors is None else sha256(Path(options.gene_vectors))
    about = [
        design.to_dict(),
        options.budget_cells,
        seed,
        table,
        options.text_encoder,
        None if told is None else told.digest,
        vocabulary.genes,
        vocabulary.medians.tolist(),
    ]
    code = [path.read_bytes() for path in sorted(ENGINE.glob("*.py"))]
    digest = hashlib.sha256(b"".join([json.dumps(about).encode(), torch.__version__.encode(), *code]))
    for array in (corpus.columns, rows):
        digest.update(array.tobytes())
    for _, part in blocks(corpus.counts):
        for array in (part.data, part.indices, part.indptr, part.totals):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def device() -> torch.device:
    """The GPU, where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def refusals(options: RecipeOptions) -> Iterator[None]:
    """Turn the engine's refusals into results and one-line errors."""
    try:
        yield
    except VocabularyError as error:
        raise NotApplicable(str(error)) from None
    except RecipeError as error:
        raise UserError(f"recipe {options.recipe}", found=str(error)) from None
