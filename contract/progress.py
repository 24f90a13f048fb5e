"""A line every ten seconds for whoever waits: how far, and when it will be done."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
SECONDS_A_LINE = 10.0


class Progress:
    """Counts what passes through; silent for the first ten seconds."""

    def __init__(self, name: str, total: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._total, self._clock = name, total, clock
        self._done, self._started = 0, clock()
        self._told = self._started

    def __call__(self, blocks: Iterable[T], *, size: Callable[[T], int]) -> Iterator[T]:
        """Yield the blocks; ``size`` says how much of the total each is. Several readings add up."""
        for block in blocks:
            yield block
            self.add(size(block))

    def add(self, size: int) -> None:
        """So much more is done."""
        self._done += size
        now = self._clock()
        if now - self._told >= SECONDS_A_LINE:
            self._told = now
            print(self._line(now - self._started), file=sys.stderr, flush=True)

    def _line(self, seconds: float) -> str:
        left = seconds * (self._total - self._done) / max(self._done, 1)
        share = 100 * self._done / max(self._total, 1)
        return f"{self._name}: {self._done:,} of {self._total:,} ({share:.0f}%), {left:.0f} s left"
