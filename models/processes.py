"""One step in several processes, started by ``torchrun``: the first writes, and they share one fate."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

GRACE = 3.0
"""Seconds that a failed process leaves the first one, which writes, to fail alike and say why."""
REASON = "another process of the training failed; its log says why"


class AnotherFailed(Exception):
    """``torchrun`` ends this process, because another one failed."""


def number_and_count() -> tuple[int, int]:
    """Which of how many processes this is: 0 of 1 without ``torchrun``."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def sharing_fate(count: int) -> Iterator[None]:
    """Of ``count`` processes, the first learns by ``AnotherFailed`` that ``torchrun`` ends it.

    Afterwards that signal means nothing: what became of the step is written, whatever others do.
    """
    if count > 1:
        signal.signal(signal.SIGTERM, _raise)
    yield
    if count > 1:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _raise(*_: object) -> None:
    raise AnotherFailed
