"""Learning from labels: one run of fine-tuning, repeatable and resumable like pre-training.

A run starts from a pre-trained encoder and a readout that is already fitted on its frozen embedding
(arXiv:2202.10054: a random readout would bend the encoder before it knows where to), so record 0 of
each curve is the frozen probe.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.transformer.adamw import AdamW
from models.transformer.batch import batch_of
from models.transformer.checkpoint import read_tensors, write_tensors
from models.transformer.choices import Training
from models.transformer.data import POOL_BATCHES, by_length
from models.transformer.engine import repeatable
from models.transformer.errors import CheckpointError, TrainingError
from models.transformer.finetune_head import balanced_accuracy, cross_entropy
from models.transformer.finetune_model import Classifier, Labelled
from models.transformer.lora import merge
from models.transformer.ranks import ALONE, Ranks
from models.transformer.room import Room, out_of_memory
from models.transformer.schedule import Plan, rate_at
from models.transformer.tokenise import Tokens

Record = dict[str, float]
RECORDS = 10
PATIENCE = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One run: how it trains, for how long, and where it keeps what lets a killed one go on.

    ``stop`` is the step to end after, of the ``steps`` that the learning rate is planned for.
    ``number`` and ``seed`` make its draws its own. ``fall``: instead of the schedule of ``training``,
    the rate is multiplied by it after each pass.
    """

    number: int
    training: Training
    plan: Plan
    stop: int
    seed: int
    keep: Path | None = None
    fingerprint: str = ""
    fall: float | None = None

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        if self.fall is None:
            return rate_at(step, steps=self.plan.steps, training=self.training)
        return self.training.rate * self.fall ** (step // self.plan.steps_per_epoch)


@dataclass(kw_only=True, slots=True)
class _State:
    step: int = 0
    cells: int = 0
    curve: list[Record] = field(default_factory=list)


def tune(
    model: Classifier,
    learn: Labelled,
    *,
    validation: Labelled | None,
    run: Run,
    room: Room,
    device: torch.device,
    ranks: Ranks = ALONE,
    report: Callable[[Record], None] = lambda record: None,
) -> list[Record]:
    """Train ``model`` in place on unweighted cross-entropy, and return its curve.

    Every record at the start, the end and each tenth of the plan holds ``run``, ``rate`` (the peak),
    ``step``, ``cells``, and, where they are known, ``loss`` (mean since the last record) and of the held-out
    cells ``validation_loss`` and ``validation_balanced_accuracy``. Ends early when three
    records in turn were no better than the best of training before them.

    A step is the same however many cells fit into memory at once and however many processes (``ranks``)
    share them, but for rounding and dropout. The first process alone writes and tells.
    """
    model.to(device).train()
    learnt = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = AdamW(learnt, decay=run.training.decay)
    every = max(run.plan.steps // RECORDS, 1)

    def look() -> Record:
        if validation is None:
            return {}
        p = model.probabilities(validation.corpus, device=device, ranks=ranks)
        model.train()
        return measured(p, validation.label)

    def note(loss: Record) -> None:
        where = {"run": run.number, "rate": run.training.rate, "step": state.step, "cells": state.cells}
        state.curve.append(where | loss | look())
        if ranks.first:
            report(state.curve[-1])

    keep = partial(_keep, run if ranks.first else replace(run, keep=None))
    with repeatable(device):
        state = _resume(run, model, optimiser)
        ranks.require_same(f"{run.fingerprint} {state.step}", device=device)
        if not state.curve:
            note({})
        losses: list[float] = []
        for tokens, cells, label in _batches(learn, run=run, start=state.step):
            if exhausted(state.curve):
                break
            about = {"run": run, "step": state.step, "room": room, "ranks": ranks}
            losses.append(_step(model, tokens, cells, label, optimiser, **about))
            state.step += 1
            state.cells += len(cells)
            if state.step % every == 0 or state.step == run.stop:
                (mean,) = ranks.summed([torch.tensor(np.mean(losses))], device=device)
                note({"loss": _finite(float(mean), step=state.step)})
                losses.clear()
                keep(model, optimiser, state)
    if validation is not None:
        keep(None, None, state)  # of a run that only chooses, the curve is all that is wanted
    merge(model.encoder.blocks)
    return state.curve


def worth(record: Record) -> tuple[float, float]:
    """What the best record has most of: balanced accuracy on held-out units, then a small loss there."""
    return record["validation_balanced_accuracy"], -record["validation_loss"]


def exhausted(curve: list[Record]) -> bool:
    """Whether the last three records were no better than the best before them.

    Record 0, the frozen probe, does not count: the first steps cost what later ones win back, and more.
    """
    trained = curve[1:]
    if len(trained) <= PATIENCE or "validation_loss" not in curve[0]:
        return False
    return max(map(worth, trained[-PATIENCE:])) <= max(map(worth, trained[:-PATIENCE]))


def _batches(learn: Labelled, *, run: Run, start: int) -> Iterator[tuple[Tokens, np.ndarray, np.ndarray]]:
    """Steps ``start`` … ``stop`` − 1: tokens of a pool of cells, which of them are the batch, their labels.

    A function of cells, seed and step. Tokens are those of ``embed``: nothing is thinned or kept back.
    """
    cells, corpus = run.training.batch_cells, learn.corpus
    pool_cells = cells * corpus.pool(batch_cells=cells, most=POOL_BATCHES)
    step = start
    while step < run.stop:
        epoch, first = divmod(step, run.plan.steps_per_epoch)
        order = np.random.default_rng([run.seed, epoch]).permutation(len(learn))
        for pool in range(first * cells // pool_cells, -(-len(order) // pool_cells)):
            rows = np.sort(order[pool * pool_cells : (pool + 1) * pool_cells])
            tokens = corpus.tokens(rows)
            rng = np.random.default_rng([run.seed, epoch, pool])
            groups = by_length(tokens.lengths, batch_cells=cells, ties=rng.random(len(rows)))
            skip = max(first - pool * pool_cells // cells, 0)
            for i in rng.permutation(len(groups))[skip:]:
                if step == run.stop:
                    return
                yield tokens, groups[i], learn.label[rows[groups[i]]]
                step += 1


def _step(
    model: Classifier,
    tokens: Tokens,
    cells: np.ndarray,
    label: np.ndarray,
    optimiser: AdamW,
    *,
    run: Run,
    step: int,
    room: Room,
    ranks: Ranks,
) -> float:
    """One optimiser step on the mean loss of a batch, in as many parts as memory asks for.

    Returns what this process' cells add to that mean.
    """
    dropout_seed = int(np.random.SeedSequence([run.seed, run.number, step]).generate_state(1)[0])
    rows = ranks.share(len(cells))

    def afresh() -> tuple[float, int]:
        torch.manual_seed(dropout_seed + ranks.number)
        optimiser.forget_gradients()
        return 0.0, 0

    total, done = afresh()
    while done < len(rows):
        lengths = tokens.lengths[cells[rows[done:]]]
        part = rows[done : done + room.first(lengths)]
        try:
            loss = _loss(model, tokens, cells[part], label[part]) / len(cells)
            loss.backward()
        except RuntimeError as error:
            if len(part) == 1 or not out_of_memory(error):
                raise
            room.halve(len(part), int(lengths[0]))
            total, done = afresh()  # some of this gradient may have been added already
            continue
        total, done = total + float(loss.detach()), done + len(part)
    ranks.sum_gradients(optimiser.weights)
    torch.nn.utils.clip_grad_norm_(optimiser.weights, run.training.clip)
    optimiser.step(rate=run.rate(step))
    return total


def _loss(model: Classifier, tokens: Tokens, cells: np.ndarray, label: np.ndarray) -> Tensor:
    """Summed cross-entropy; no class has a weight of its own."""
    device = next(model.parameters()).device
    logits = model(batch_of(tokens, cells).to(device))
    return F.cross_entropy(logits, torch.from_numpy(label).to(device), reduction="sum")


def _finite(loss: float, *, step: int) -> float:
    if not np.isfinite(loss):
        raise TrainingError(f"the loss became {loss} at or before step {step}; lower the learning rate")
    return loss


def measured(probabilities: np.ndarray, label: np.ndarray) -> Record:
    """What a record says of held-out cells."""
    return {
        "validation_loss": cross_entropy(probabilities, label),
        "validation_balanced_accuracy": balanced_accuracy(probabilities, label),
    }


def _keep(run: Run, model: Classifier | None, optimiser: AdamW | None, state: _State) -> None:
    """Write what learns, its moments and the position as one file, so that they can never disagree."""
    if run.keep is None:
        return
    tensors = {}
    if model is not None and optimiser is not None:
        tensors = {f"weight.{name}": p for name, p in model.named_parameters() if p.requires_grad}
        tensors |= {f"optimiser.{name}": tensor for name, tensor in optimiser.state().items()}
    run.keep.parent.mkdir(parents=True, exist_ok=True)
    about = {"fingerprint": run.fingerprint, "step": state.step, "cells": state.cells, "curve": state.curve}
    write_tensors(run.keep, tensors, metadata=about)


def _resume(run: Run, model: Classifier, optimiser: AdamW) -> _State:
    """Restore what ``_keep`` wrote for this very run, or start at step 0."""
    if run.keep is None or not run.keep.is_file():
        return _State()
    try:
        tensors, kept = read_tensors(run.keep)
    except CheckpointError as error:
        print(f"fine-tune: {error}; starting over", file=sys.stderr)
        return _State()
    if kept.get("fingerprint") != run.fingerprint:
        return _State()
    weights, moments = (
        {name.removeprefix(kind): tensor for name, tensor in tensors.items() if name.startswith(kind)}
        for kind in ("weight.", "optimiser.")
    )
    model.load_state_dict(weights, strict=False)
    optimiser.take_up(moments)
    return _State(step=kept["step"], cells=kept["cells"], curve=kept["curve"])
