"""Where a training stands: kept in one file at each record, so that a killed one goes on."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.transformer.adamw import AdamW
from models.transformer.checkpoint import read_tensors, write_tensors
from models.transformer.errors import CheckpointError
from models.transformer.objectives import Network

Record = dict[str, Any]


@dataclass(kw_only=True, slots=True)
class State:
    """Steps done, what was shown, and the loss curve so far."""

    step: int = 0
    cells: int = 0
    tokens: int = 0
    curve: list[Record] = field(default_factory=list)


def keep(path: Path, *, network: Network, optimiser: AdamW, state: State, fingerprint: str) -> None:
    """Write weights, moments and position as one file, so that they can never disagree."""
    tensors = {f"weight.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"optimiser.{name}": tensor for name, tensor in optimiser.state().items()}
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


def restore(path: Path | None, *, network: Network, optimiser: AdamW, fingerprint: str) -> State:
    """Take up what ``keep`` wrote for this very training, or start at step 0.

    A file that a full disk or a power cut damaged costs the steps in it, not the training.
    """
    if path is None or not path.is_file():
        return State()
    try:
        tensors, kept = read_tensors(path)
    except CheckpointError as error:
        print(f"pretrain: {error}; starting over", file=sys.stderr)
        return State()
    if kept.get("fingerprint") != fingerprint:
        return State()
    weights, moments = (
        {name.removeprefix(kind): tensor for name, tensor in tensors.items() if name.startswith(kind)}
        for kind in ("weight.", "optimiser.")
    )
    network.load_state_dict(weights)
    optimiser.take_up(moments)
    return State(step=kept["step"], cells=kept["cells"], tokens=kept["tokens"], curve=kept["curve"])
