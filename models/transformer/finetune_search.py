"""Fine-tuning whole: the frozen probe, a small search on held-out units, and the answer from all cells."""

import copy
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from models.transformer.choices import Training
from models.transformer.finetune import Record, Run, measured, tune, worth
from models.transformer.finetune_head import Head, fit_readout
from models.transformer.finetune_model import Classifier, Labelled, free
from models.transformer.model import Encoder
from models.transformer.ranks import ALONE, Ranks
from models.transformer.recipe import Design
from models.transformer.room import Room
from models.transformer.schedule import Plan, plan

STRENGTHS = (1.0, 0.03, 30.0)
"""As of logistic regression on any embedding: the same search for the frozen probe of everybody."""
RATES = (0.3, 1.0, 0.1)
PASSES, LEAST_CELLS, BATCH_CELLS = 5.0, 2000, 32
MOST_PASSES = 20.0
"""However few the cells are: on held-out donors a run gains nothing by more (``docs/finetuning.md``)."""
VALIDATION_CELLS = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Tuning:
    """What learns and how: ``part`` of the network, the last ``blocks``, the ``rank`` of adapters.

    Each run trains as ``training`` says, with one of ``rates`` for its peak; the first is taken where
    no unit can be held out to choose by. ``budget_cells``: cells that a run of the search may show,
    repeats counted; null: five passes over the cells, 2,000 cells at least. No run makes more than 20
    passes.
    """

    part: Literal["head", "last", "lora", "full"]
    training: Training
    rates: tuple[float, ...]
    blocks: int = 1
    rank: int = 8
    budget_cells: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tuned:
    """The encoder and readout fitted on all cells, curves of all runs, and what the search chose."""

    encoder: Encoder
    readout: Head
    curve: list[Record]
    chosen: dict[str, float]


def common(
    design: Design, part: str, *, blocks: int = 1, rank: int = 8, budget_cells: int | None = None
) -> Tuning:
    """The protocol that is the same for all recipes.

    AdamW with decay 0.01, batches of 32, gradients clipped at 1, a tenth of warm-up, a linear fall. Rates
    are 0.3, 1 and 0.1 times the peak rate of the size's pre-training. Dropout is that of the size.
    """
    training = replace(
        design.size.training,
        batch_cells=BATCH_CELLS,
        warmup=0.1,
        schedule="linear",
        decay=0.01,
        clip=1.0,
    )
    rates = tuple(training.rate * times for times in RATES)
    return Tuning(
        part=part, training=training, rates=rates, blocks=blocks, rank=rank, budget_cells=budget_cells
    )


def fine_tune(
    encoder: Encoder,
    cells: Labelled,
    Z: np.ndarray,
    *,
    held_out: np.ndarray,
    tuning: Tuning,
    seed: int,
    device: torch.device,
    work: Path | None = None,
    fingerprint: str = "",
    ranks: Ranks = ALONE,
) -> Tuned:
    """Fit on labelled cells, in two stages, each with a search on the cells ``held_out``, bool (N,).

    First the readout is fitted on the frozen embedding ``Z`` (N, D) of the cells with each of three
    penalties: the frozen probe. Then, unless ``tuning.part`` is ``head``, one run a rate starts from it.
    The best record of any run (balanced accuracy, then loss) says rate and step; then all is done once
    more on all cells up to as many passes. With nobody held out nothing is searched: the first penalty,
    the first rate, all steps.

    ``encoder`` is left as it is. ``work`` keeps what lets a killed call go on, where ``fingerprint`` is
    the same. Of several processes (``ranks``) each is to call this with the same cells and ``Z``. Costs three
    runs and one more.

    Raises
    ------
    TrainingError
        If a loss is not finite.
    RecipeError
        If no block is there to learn.
    """
    learn, check = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    check = np.sort(np.random.default_rng(seed).permutation(check)[:VALIDATION_CELLS])
    classes = int(cells.label.max()) + 1
    strength, curve = _strength(Z, cells.label, learn, check, classes=classes)
    readout = fit_readout(Z, cells.label, classes=classes, strength=strength)
    chosen = {"strength": strength}
    if tuning.part == "head":
        return Tuned(encoder=encoder, readout=readout, curve=curve, chosen=chosen)
    runs = _Runs(
        encoder=encoder,
        tuning=tuning,
        seed=seed,
        device=device,
        work=work,
        fingerprint=fingerprint,
        ranks=ranks,
        room=Room(device, cells=tuning.training.batch_cells),
        passes=_passes(len(learn), tuning),
    )
    rate, share = tuning.rates[0], 1.0
    if len(check):
        probe = fit_readout(Z[learn], cells.label[learn], classes=classes, strength=strength)
        found = [
            runs.run(number, rate, probe, cells.take(learn), validation=cells.take(check))[1]
            for number, rate in enumerate(tuning.rates)
        ]
        curve += [record for records in found for record in records]
        rate, share = _best(found, steps=runs.plan(len(learn)).steps)
    model, last = runs.run(len(tuning.rates), rate, readout, cells, share=share)
    chosen |= {"rate": rate, "passes": last[-1]["cells"] / len(cells)}
    return Tuned(encoder=model.encoder, readout=model.readout, curve=curve + last, chosen=chosen)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Runs:
    """What all runs of a search have in common."""

    encoder: Encoder
    tuning: Tuning
    seed: int
    device: torch.device
    work: Path | None
    fingerprint: str
    ranks: Ranks
    room: Room
    passes: float

    def plan(self, cells: int) -> Plan:
        """Steps of a run over so many cells: the same number of passes over few and many."""
        return plan(replace(self.tuning.training, epochs=self.passes), cells=cells)

    def run(
        self,
        number: int,
        rate: float,
        readout: Head,
        cells: Labelled,
        *,
        validation: Labelled | None = None,
        share: float = 1.0,
    ) -> tuple[Classifier, list[Record]]:
        """Train a copy of the encoder and readout for a share of the plan."""
        tuning, steps = self.tuning, self.plan(len(cells))
        model = Classifier(copy.deepcopy(self.encoder), copy.deepcopy(readout))
        free(model.encoder, tuning.part, blocks=tuning.blocks, rank=tuning.rank, seed=self.seed)
        run = Run(
            number=number,
            training=replace(tuning.training, rate=rate),
            plan=steps,
            stop=round(share * steps.steps),
            seed=self.seed,
            keep=None if self.work is None else self.work / f"run-{number}.safetensors",
            fingerprint=self.fingerprint,
        )
        where = {"room": self.room, "device": self.device, "ranks": self.ranks}
        return model, tune(model, cells, validation=validation, run=run, report=say, **where)


def _passes(cells: int, tuning: Tuning) -> float:
    """Passes of a run over so many cells."""
    shown = tuning.budget_cells or max(PASSES * cells, LEAST_CELLS)
    return min(shown / cells, MOST_PASSES)


def _strength(
    Z: np.ndarray, label: np.ndarray, learn: np.ndarray, check: np.ndarray, *, classes: int
) -> tuple[float, list[Record]]:
    """The readout's inverse penalty, by balanced accuracy (the first of equals), and a record each."""
    if not len(check):
        return STRENGTHS[0], []
    records = []
    for strength in STRENGTHS:
        readout = fit_readout(Z[learn], label[learn], classes=classes, strength=strength)
        records.append({"strength": strength} | measured(readout.probabilities(Z[check]), label[check]))
    return max(records, key=lambda record: record["validation_balanced_accuracy"])["strength"], records


def _best(found: list[list[Record]], *, steps: int) -> tuple[float, float]:
    """Rate and share of the plan of the best record."""
    best = max((record for records in found for record in records), key=worth)
    return best["rate"], best["step"] / steps


def say(record: Record) -> None:
    """One line a record on stderr."""
    print("fine-tune: " + ", ".join(f"{name} {value:.4g}" for name, value in record.items()), file=sys.stderr)
