"""The training loop: repeatable to the last bit on a CPU, and resumable.

Nothing random has a state that would have to be saved: batches follow from (seed, epoch),
and masks and dropout from (seed, step). A resumed run therefore needs the weights, the
optimiser's moments and the number of the step, which lie in one file.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.transformer.batch import Batch, batch_of
from models.transformer.checkpoint import read_tensors, write_tensors
from models.transformer.choices import Training
from models.transformer.data import POOL_BATCHES, Corpus, by_length, shuffled
from models.transformer.errors import CheckpointError, TrainingError
from models.transformer.infer import autocast
from models.transformer.objectives import Network
from models.transformer.schedule import Plan, plan, rate_at

RECORDS = 10
MOST_STEPS_A_RECORD = 500
BETAS = (0.9, 0.999)

VALIDATION_SEED = 0

Record = dict[str, Any]
Losses = dict[str, tuple[Tensor, Tensor]]


@dataclass(kw_only=True, slots=True)
class _State:
    """Where the training stands; sums run since the last record."""

    step: int = 0
    cells: int = 0
    tokens: int = 0
    curve: list[Record] = field(default_factory=list)


def pretrain(
    network: Network,
    *,
    corpus: Corpus,
    validation: Corpus | None,
    training: Training,
    seed: int,
    budget_cells: int | None = None,
    device: torch.device,
    resume: Path | None = None,
    fingerprint: str = "",
    report: Callable[[Record], None] = lambda record: None,
) -> list[Record]:
    """Train ``network`` in place and return its loss curve.

    Parameters
    ----------
    corpus, validation
        Cells that are learnt from, and held-out cells whose loss is recorded.
    budget_cells
        Cells to show, repeats counted; by default ``training.epochs`` passes.
    resume
        File that keeps the state at each record; when it exists and bears the same
        ``fingerprint`` (of data, recipe and seed), training goes on from there.
    report
        Is told each record.

    Returns
    -------
    list
        Records at the start, the end, and each tenth of the steps (each 500 at most): ``step``,
        ``steps``, ``cells`` and ``tokens`` so far, ``rate``, ``loss`` (the weighted sum of the objectives,
        each a mean over its terms since the last record; null at step 0), ``parts`` (each objective;
        empty at step 0) and ``validation`` (the loss of held-out cells; null without them).

    Raises
    ------
    TrainingError
        If a loss is not finite, or there is no cell to learn from.

    Memory: the network with two moments a weight, and one pool of 16 batches of cells.
    """
    if not len(corpus):
        raise TrainingError("no cell to learn from expresses a gene of the vocabulary")
    schedule = plan(training, cells=len(corpus), budget_cells=budget_cells)
    network.to(device).train()
    optimiser = torch.optim.AdamW(
        [weight for weight in network.parameters() if weight.requires_grad],
        lr=training.rate,
        betas=BETAS,
        weight_decay=training.decay,
    )
    with repeatable(device):
        state = _resume(resume, network=network, optimiser=optimiser, fingerprint=fingerprint)
        every = min(max(schedule.steps // RECORDS, 1), MOST_STEPS_A_RECORD)
        if not state.curve:
            start = _record(state, schedule, loss=None, parts={}, rate=0.0)
            _note(state, start, network=network, validation=validation, training=training, report=report)
        losses: list[Losses] = []
        for batch in _batches(corpus, training=training, schedule=schedule, seed=seed, start=state.step):
            rate = rate_at(state.step, steps=schedule.steps, training=training)
            losses.append(
                _step(network, batch, optimiser, rate=rate, clip=training.clip, seed=[seed, state.step])
            )
            state.step += 1
            state.cells += len(batch.ids)
            state.tokens += int(batch.real.sum())
            if state.step % every == 0 or state.step == schedule.steps:
                parts = _means(losses, step=state.step)
                record = _record(state, schedule, loss=_sum(parts, network), parts=parts, rate=rate)
                losses.clear()
                _note(state, record, network=network, validation=validation, training=training, report=report)
                if resume is not None:
                    _keep(resume, network=network, optimiser=optimiser, state=state, fingerprint=fingerprint)
    return state.curve


def _batches(corpus: Corpus, *, training: Training, schedule: Plan, seed: int, start: int) -> Iterator[Batch]:
    """The batches of the steps ``start`` … ``schedule.steps`` − 1."""
    step = start
    while step < schedule.steps:
        epoch, first = divmod(step, schedule.steps_per_epoch)
        for batch in shuffled(corpus, batch_cells=training.batch_cells, seed=seed, epoch=epoch, start=first):
            yield batch
            step += 1
            if step == schedule.steps:
                return


def _step(
    network: Network,
    batch: Batch,
    optimiser: torch.optim.Optimizer,
    *,
    rate: float,
    clip: float,
    seed: list[int],
) -> Losses:
    """One optimiser step; summed loss and number of terms of each objective."""
    mask_seed, dropout_seed = np.random.SeedSequence(seed).generate_state(2).tolist()
    device = next(network.parameters()).device
    batch = batch.to(device)
    torch.manual_seed(dropout_seed)
    with autocast(device):
        losses = network(batch, network.mask(batch, seed=mask_seed))
    total = sum(network.weights[kind] * loss / n.clamp(min=1) for kind, (loss, n) in losses.items())
    optimiser.zero_grad(set_to_none=True)
    total.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.step()
    network.after_step()
    return {kind: (loss.detach(), n) for kind, (loss, n) in losses.items()}


@torch.no_grad()
def validate(network: Network, corpus: Corpus, *, batch_cells: int) -> float:
    """Loss on held-out cells, the weighted sum of the objectives; the same is hidden on every call."""
    device = next(network.parameters()).device
    network.eval()
    losses = []
    pool_cells = batch_cells * corpus.pool(batch_cells=batch_cells, most=POOL_BATCHES)
    for start in range(0, len(corpus), pool_cells):
        rows = np.arange(start, min(start + pool_cells, len(corpus)))
        tokens = corpus.tokens(rows, seed=VALIDATION_SEED)
        for group in by_length(tokens.lengths, batch_cells=batch_cells):
            batch = batch_of(tokens, group).to(device)
            with autocast(device):
                losses.append(network(batch, network.mask(batch, seed=len(losses))))
    network.train()
    return _sum(_means(losses, step=None), network)


def _means(losses: list[Losses], *, step: int | None) -> dict[str, float]:
    """Mean of each objective over its terms. A NaN stays in the sum, so one look a record finds it."""
    means = {}
    for kind in losses[0]:
        total = sum(float(part[kind][0]) for part in losses)
        if not np.isfinite(total):
            where = "in validation" if step is None else f"at or before step {step}"
            raise TrainingError(f"the loss became {total} {where}; lower the learning rate or clip harder")
        means[kind] = total / max(sum(int(part[kind][1]) for part in losses), 1)
    return means


def _sum(means: dict[str, float], network: Network) -> float:
    return sum(network.weights[kind] * mean for kind, mean in means.items())


def _record(
    state: _State, schedule: Plan, *, loss: float | None, parts: dict[str, float], rate: float
) -> Record:
    return {
        "step": state.step,
        "steps": schedule.steps,
        "cells": state.cells,
        "tokens": state.tokens,
        "rate": rate,
        "loss": loss,
        "parts": parts,
    }


def _note(
    state: _State,
    record: Record,
    *,
    network: Network,
    validation: Corpus | None,
    training: Training,
    report: Callable[[Record], None],
) -> None:
    """Add the validation loss to a record, put it on the curve and tell it."""
    held_out = None
    if validation is not None:
        held_out = validate(network, validation, batch_cells=training.batch_cells)
    state.curve.append(record | {"validation": held_out})
    report(state.curve[-1])


def _keep(
    path: Path, *, network: Network, optimiser: torch.optim.Optimizer, state: _State, fingerprint: str
) -> None:
    """Write weights, moments and position as one file, so that they can never disagree."""
    tensors = {f"weight.{name}": tensor for name, tensor in network.state_dict().items()}
    for index, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": tensor for name, tensor in moments.items()}
    write_tensors(
        path,
        tensors,
        metadata={
            "fingerprint": fingerprint,
            "step": state.step,
            "cells": state.cells,
            "tokens": state.tokens,
            "curve": state.curve,
        },
    )


def _resume(
    path: Path | None, *, network: Network, optimiser: torch.optim.Optimizer, fingerprint: str
) -> _State:
    """Restore what ``_keep`` wrote for this very training, or start at step 0.

    A file that a full disk or a power cut damaged costs the steps in it, not the training.
    """
    if path is None or not path.is_file():
        return _State()
    try:
        tensors, kept = read_tensors(path)
    except CheckpointError as error:
        print(f"pretrain: {error}; starting over", file=sys.stderr)
        return _State()
    if kept.get("fingerprint") != fingerprint:
        return _State()
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        part, key, *moment = name.split(".")
        if part == "optimiser":
            moments.setdefault(int(key), {})[moment[0]] = tensor
    weights = {k.removeprefix("weight."): v for k, v in tensors.items() if k.startswith("weight.")}
    network.load_state_dict(weights)
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    return _State(step=kept["step"], cells=kept["cells"], tokens=kept["tokens"], curve=kept["curve"])


@contextlib.contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Deterministic kernels on a CPU, and the caller's random state untouched.

    Filling fresh memory, which the deterministic mode adds, guards against reading it before
    writing; nothing here does, and it costs a tenth of the time. On a GPU deterministic kernels
    need an environment variable set before CUDA starts, and cost speed; there, runs agree to
    rounding.
    """
    before = torch.are_deterministic_algorithms_enabled()
    filling = torch.utils.deterministic.fill_uninitialized_memory
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.use_deterministic_algorithms(before or device.type == "cpu")
        torch.utils.deterministic.fill_uninitialized_memory = False
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)
            torch.utils.deterministic.fill_uninitialized_memory = filling
