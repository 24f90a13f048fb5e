"""What is told while it runs, on standard error: a line a record, and in a terminal a line that moves."""

import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

import torch

from models.transformer.flops import peak_flops

TOLD_SECONDS = 30.0
MOVED_SECONDS = 0.5


class Progress:
    """A ``report`` for ``engine.pretrain``: losses, speeds since the last record, MFU, and time to go."""

    def __init__(self) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._last: dict[str, Any] | None = None
        self._time = 0.0

    def __call__(self, record: dict[str, Any]) -> None:
        """Print one record."""
        now = time.monotonic()
        parts = [f"step {record['step']}/{record['steps']}"]
        parts += [f"{name} {record[name]:.3f}" for name in ("loss", "validation") if record[name] is not None]
        if self._last is not None:
            seconds = max(now - self._time, 1e-9)
            gone = {key: record[key] - self._last[key] for key in ("step", "cells", "tokens")}
            parts += [f"{gone[key] / seconds:,.0f} {key}/s" for key in ("cells", "tokens")]
            flops = gone["tokens"] * (record["flops_per_token"] or 0.0)
            if flops:
                parts.append(f"MFU {flops / seconds / peak_flops(self._device):.0%}")
            parts.append(f"{(record['steps'] - record['step']) * seconds / gone['step']:,.0f} s to go")
        print("pretrain: " + ", ".join(parts), file=sys.stderr, flush=True)
        self._last, self._time = record, time.monotonic()


class Count:
    """So many of so many cells, told every half minute; in a terminal twice a second on one line."""

    def __init__(
        self, what: str, cells: int, *, to: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what, self._cells, self._to, self._clock = what, cells, to or sys.stderr, clock
        self._begun = self._told = clock()
        self._done = 0

    def __call__(self, cells: int) -> None:
        """So many more are done."""
        self._done += cells
        now, moves = self._clock(), self._to.isatty()
        if now - self._told < (MOVED_SECONDS if moves else TOLD_SECONDS):
            return
        self._told, speed = now, self._done / max(now - self._begun, 1e-9)
        left = (self._cells - self._done) / speed
        done = f"{self._done:,}/{self._cells:,} cells"
        text = f"{self._what}: {done}, {speed:,.0f} cells/s, {left:,.0f} s to go"
        end = "\r" if moves and self._done < self._cells else "\n"
        print(text, end=end, file=self._to, flush=True)
