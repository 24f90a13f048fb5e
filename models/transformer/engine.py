"""The training loop: repeatable to the last bit on a CPU, and resumable.

Nothing random has a state that would have to be saved: batches follow from (seed, epoch),
and masks and dropout from (seed, step). A resumed run therefore needs the weights, the
optimiser's moments and the number of the step, which lie in one file.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.transformer.ahead import ahead
from models.transformer.batch import Batch, batch_of
from models.transformer.choices import Training
from models.transformer.data import POOL_BATCHES, Corpus, by_length, shuffled
from models.transformer.errors import TrainingError
from models.transformer.infer import autocast
from models.transformer.objectives import Network
from models.transformer.ranks import joined
from models.transformer.resume import Record, State, keep, restore
from models.transformer.schedule import Plan, plan, rate_at
from models.transformer.shares import Shares, shares_of
from models.transformer.step import COUNT_AFTER, Losses, Stepper

RECORDS = 10
MOST_STEPS_A_RECORD = 500

VALIDATION_SEED = 0


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
    most_cells: int | None = None,
    compile: bool = False,
    count_after: float = COUNT_AFTER,
) -> list[Record]:
    """Train ``network`` in place and return its loss curve.

    Started by ``torchrun``, each process reads, tokenises and learns from its share of the cells; the
    weights that come out are those of one process, to rounding (but for dropout), and the first
    process alone writes and tells.

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
        Is told each record, and in it ``flops_per_token`` of this process (null until it is counted).
    most_cells
        Cells that go through the network at once (gradients add up to the same batch); by default all,
        and half as many each time memory runs out.
    compile
        Let torch compile the blocks.
    count_after
        Seconds after which the arithmetic of a step is counted.

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
        If a loss or a gradient is not finite, there is no cell to learn from, a batch does not
        fit into memory and cannot be split, or the processes do not start alike.

    Memory: the network with two moments a weight, the counts of one window of cells (``data.WINDOW``)
    and the tokens of one pool of 16 batches.
    """
    if not len(corpus):
        raise TrainingError("no cell to learn from expresses a gene of the vocabulary")
    schedule = plan(training, cells=len(corpus), budget_cells=budget_cells)
    with joined(device) as ranks, shares_of(ranks) as shares, repeatable(device):
        network.to(device).train()
        stepper = Stepper(
            network, training, ranks=ranks, most=most_cells, compile=compile, count_after=count_after
        )
        corpus = corpus.on(stepper.device)
        validation = None if validation is None else validation.on(stepper.device)
        about = {"network": network, "optimiser": stepper.optimiser, "fingerprint": fingerprint}
        state, losses = restore(resume, **about), _Losses()
        ranks.require_same(f"{fingerprint} {state.step}", device=stepper.device)

        def note(rate: float) -> None:
            """Put a record on the curve, and tell it."""
            record = _record(state, schedule, network=network, losses=losses, rate=rate)
            if validation is not None:
                record["validation"] = validate(network, validation, batch_cells=training.batch_cells)
            state.curve.append(record)
            if ranks.first:
                per_token = stepper.flops_per_token and stepper.flops_per_token / ranks.count
                report(record | {"flops_per_token": per_token})

        if not state.curve:
            note(0.0)
        every = min(max(schedule.steps // RECORDS, 1), MOST_STEPS_A_RECORD)
        about_batches = {"training": training, "schedule": schedule, "seed": seed, "start": state.step}
        batches = _batches(corpus, shares=shares, **about_batches)
        for batch in ahead(batches, on=device.type == "cuda"):
            rate = rate_at(state.step, steps=schedule.steps, training=training)
            losses.add(*stepper(batch, rate=rate, seed=[seed, state.step]))
            state.step += 1
            state.cells += len(batch.ids)
            state.tokens += int(batch.real.sum())
            if state.step % every == 0 or state.step == schedule.steps:
                note(rate)
                if resume is not None and ranks.first:
                    keep(resume, state=state, **about)
    return state.curve


def _batches(
    corpus: Corpus, *, training: Training, schedule: Plan, seed: int, start: int, shares: Shares
) -> Iterator[Batch]:
    """The batches of the steps ``start`` … ``schedule.steps`` − 1."""
    step = start
    while step < schedule.steps:
        epoch, first = divmod(step, schedule.steps_per_epoch)
        which = {"seed": seed, "epoch": epoch, "start": first}
        for batch in shuffled(corpus, batch_cells=training.batch_cells, shares=shares, **which):
            yield batch
            step += 1
            if step == schedule.steps:
                return


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


@dataclass(kw_only=True, slots=True)
class _Losses:
    """Losses and gradient norms since the last record."""

    losses: list[Losses] = field(default_factory=list)
    norms: list[Tensor] = field(default_factory=list)

    def add(self, losses: Losses, norm: Tensor) -> None:
        self.losses.append(losses)
        self.norms.append(norm)

    def taken(self, *, step: int) -> dict[str, float]:
        """Mean of each objective; what was summed is forgotten."""
        means = _means(self.losses, step=step)
        if not torch.isfinite(torch.stack(self.norms)).all():
            raise TrainingError(
                f"a gradient became NaN or infinite at or before step {step}; lower the learning rate"
            )
        self.losses.clear()
        self.norms.clear()
        return means


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


def _record(state: State, schedule: Plan, *, network: Network, losses: _Losses, rate: float) -> Record:
    parts = losses.taken(step=state.step) if losses.losses else {}
    return {
        "step": state.step,
        "steps": schedule.steps,
        "cells": state.cells,
        "tokens": state.tokens,
        "rate": rate,
        "loss": _sum(parts, network) if parts else None,
        "parts": parts,
        "validation": None,
    }


@contextlib.contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Deterministic kernels on a CPU, and the caller's random state untouched.

    Filling fresh memory, which the deterministic mode adds, guards against reading it before
    writing; nothing here does, and it costs a tenth of the time. On a GPU deterministic kernels
    need an environment variable set before CUDA starts, and cost speed; there, runs agree to
    rounding.
    """
    before = torch.get_deterministic_debug_mode()
    filling = torch.utils.deterministic.fill_uninitialized_memory
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        # `use_deterministic_algorithms` does the same, and loads torch's compiler first: seconds.
        torch.set_deterministic_debug_mode("error" if device.type == "cpu" else before)
        torch.utils.deterministic.fill_uninitialized_memory = False
        try:
            yield
        finally:
            torch.set_deterministic_debug_mode(before)
            torch.utils.deterministic.fill_uninitialized_memory = filling
