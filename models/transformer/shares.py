"""Several processes tokenise a pool of cells together, each its share; all train on the same tokens."""

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import distributed

from models.transformer.counts import offsets_of
from models.transformer.ranks import Ranks
from models.transformer.tokenise import Tokens

OF_TOKENS = ("ids", "values", "targets", "counts")
OF_CELLS = ("expressed", "queries", "answers", "marks")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Shares:
    """Which piece of a pool this process reads and tokenises: of one process, all of it."""

    number: int = 0
    count: int = 1
    group: Any = None

    def own(self, rows: np.ndarray) -> np.ndarray:
        """The piece of some rows, neighbours in their order; pieces differ by one row at most."""
        return rows[self._start(len(rows), self.number) : self._start(len(rows), self.number + 1)]

    def joined(self, tokens: Tokens, *, cells: int) -> Tokens:
        """Tokens of all ``cells`` of a pool, from those of this process' piece, as of one process."""
        if self.count == 1:
            return tokens
        first = self._start(cells, self.number)
        offsets = offsets_of(self._filled(tokens.lengths, first=first, size=cells))
        where = {"first": int(offsets[first]), "size": int(offsets[-1])}
        found = {name: self._filled(getattr(tokens, name), **where) for name in OF_TOKENS}
        for name in OF_CELLS:
            array = getattr(tokens, name)
            found[name] = None if array is None else self._filled(array, first=first, size=cells)
        return dataclasses.replace(tokens, offsets=offsets, **found)

    def _start(self, rows: int, number: int) -> int:
        return rows * number // self.count

    def _filled(self, own: np.ndarray, *, first: int, size: int) -> np.ndarray:
        """Rows of all processes, ``size`` of them; those of this one begin at ``first``."""
        whole = torch.zeros((size, *own.shape[1:]), dtype=torch.from_numpy(own).dtype)
        whole[first : first + len(own)] = torch.from_numpy(own)
        if whole.numel():  # what is empty here is empty everywhere
            distributed.all_reduce(whole, group=self.group)
        return whole.numpy()


ALONE = Shares()


@contextlib.contextmanager
def shares_of(ranks: Ranks) -> Iterator[Shares]:
    """How the processes share pools.

    They exchange tokens over gloo, in a group of their own: a thread may make them ahead, while gradients are
    exchanged.
    """
    if ranks.count == 1:
        yield ALONE
        return
    group = distributed.new_group(backend="gloo")
    try:
        yield Shares(number=ranks.number, count=ranks.count, group=group)
    finally:
        distributed.destroy_process_group(group)
