"""How long to train, and how fast to learn."""

import math
from dataclasses import dataclass

from models.transformer.choices import Training
from models.transformer.data import batches_in_epoch

WSD_FALL = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """``steps`` optimiser steps of ``batch_cells`` cells, in passes of ``steps_per_epoch``."""

    steps: int
    steps_per_epoch: int


def plan(training: Training, *, cells: int, budget_cells: int | None = None) -> Plan:
    """Steps that show the network ``budget_cells`` cells (repeats counted), or ``epochs`` passes."""
    wanted = budget_cells if budget_cells is not None else round(training.epochs * cells)
    per_epoch = batches_in_epoch(cells, batch_cells=training.batch_cells)
    whole, rest = divmod(wanted, cells)
    steps = whole * per_epoch + batches_in_epoch(rest, batch_cells=training.batch_cells)
    return Plan(steps=steps, steps_per_epoch=per_epoch)


def rate_at(step: int, *, steps: int, training: Training) -> float:
    """Learning rate of step 0 … ``steps`` − 1: linear rise over the warm-up, then a fall towards 0.

    ``wsd`` stays at the peak in between and falls linearly over the last fifth (arXiv:2405.18392), so that
    the steps before it are the same whatever the budget.
    """
    warmup = math.ceil(training.warmup * steps)
    if step < warmup:
        return training.rate * (step + 1) / warmup
    gone = (step - warmup) / max(steps - warmup, 1)
    match training.schedule:
        case "cosine":
            return training.rate * 0.5 * (1 + math.cos(math.pi * gone))
        case "wsd":
            falling = max(math.ceil(WSD_FALL * steps), 1)
            return training.rate * min((steps - step) / falling, 1.0)
    return training.rate * (1 - gone)
