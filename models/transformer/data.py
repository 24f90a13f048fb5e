"""Cells → batches of tokens: shuffled for training, bucketed by length so that little is padding."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from models.transformer.batch import Batch, batch_of
from models.transformer.counts import Counts, Reader, blocks
from models.transformer.errors import TrainingError
from models.transformer.shares import ALONE, Shares
from models.transformer.tokenise import Tokeniser, Tokens

POOL_BATCHES = 16
BLOCK, WINDOW = 64, 8192
"""Cells that lie together in the file and are read together; cells that are shuffled among each other."""
POOL_TOKENS = 2**23
HELD_OUT = (0.05, 0.20)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Corpus:
    """Cells behind a reader, and how to tokenise them; ``columns`` holds the token of each column."""

    counts: Reader
    columns: np.ndarray
    tokenise: Tokeniser

    def __len__(self) -> int:
        return len(self.counts)

    def tokens(self, rows: np.ndarray, *, seed: int | None = None) -> Tokens:
        """Tokens of the given cells, in the given order; ``seed`` as of ``Tokeniser``."""
        return self.tokenise(self.counts.take(rows), self.columns, seed=seed)

    def on(self, device: torch.device) -> "Corpus":
        """The same, sorted on a device when it is tokenised."""
        return dataclasses.replace(self, tokenise=dataclasses.replace(self.tokenise, device=device))

    def pool(self, *, batch_cells: int, most: int) -> int:
        """Batches to read and tokenise at once: ``most``, fewer where they would not fit into memory."""
        choice = self.tokenise.choice
        every_gene = choice.kind == "panel" or (choice.kind == "set" and choice.zeros)
        longest = len(self.tokenise.vocabulary) if every_gene else self.tokenise.length
        return min(most, max(POOL_TOKENS // (longest * batch_cells), 1))

    def totals(self) -> np.ndarray:
        """Counts of each whole cell, float64 (N,), NaN where unknown; read in blocks."""
        found = np.full(len(self), np.nan)
        for rows, counts in blocks(self.counts):
            found[rows] = counts.totals
        return found

    def expressed(self) -> np.ndarray:
        """Genes of the vocabulary that each cell expresses, int64 (N,); read in blocks."""
        found = np.zeros(len(self), dtype=np.int64)
        for rows, counts in blocks(self.counts):
            known = (self.columns[counts.indices] >= 0) & (counts.data > 0)
            found[rows] = np.bincount(counts.rows[known], minlength=len(rows))
        return found


def batches_in_epoch(cells: int, *, batch_cells: int) -> int:
    """Number of batches in one pass: pools hold whole batches, only the last pool has a shorter one."""
    return -(-cells // batch_cells)


def shuffled(
    corpus: Corpus, *, batch_cells: int, seed: int, epoch: int, start: int = 0, shares: Shares = ALONE
) -> Iterator[Batch]:
    """Batches of one pass over the corpus from batch ``start`` on.

    Cells are read a window at a time (``shuffled_rows``) and tokenised in pools of 16 batches (fewer of
    long cells); within a pool, cells of like length share a batch and the batches are shuffled. Which
    cells share a batch is a function of the corpus, ``seed`` and ``epoch``, so a resumed run sees the
    same, and so does each of several processes, which reads and tokenises its share (``shares``) and is
    given the rest; so are the draws of the tokeniser.

    Memory: the counts of a window (of a share of it), the tokens of a pool, and the order, 8 bytes a cell.
    """
    pool_batches = corpus.pool(batch_cells=batch_cells, most=POOL_BATCHES)
    pool_cells = pool_batches * batch_cells
    window = max(WINDOW // pool_cells, 1) * pool_cells
    order = shuffled_rows(len(corpus), window=window, seed=[seed, epoch])
    draw = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
    sizes = {"pool_cells": pool_cells, "window": window, "first": start // pool_batches}
    for pool, cells, counts in _pools(corpus.counts, order, shares=shares, **sizes):
        tokens = shares.joined(corpus.tokenise(counts, corpus.columns, seed=draw), cells=cells)
        if (tokens.expressed == 0).any():
            raise TrainingError(
                "a cell of the corpus expresses no gene of the vocabulary; leave it out first"
            )
        rng = np.random.default_rng([seed, epoch, pool])
        groups = by_length(tokens.lengths, batch_cells=batch_cells, ties=rng.random(len(tokens)))
        skip = max(start - pool * pool_batches, 0)
        for i in rng.permutation(len(groups))[skip:]:
            yield batch_of(tokens, groups[i])


def shuffled_rows(cells: int, *, window: int, seed: list[int]) -> np.ndarray:
    """All rows in the order of a pass, int64 (``cells``,).

    Blocks of 64 neighbours are permuted, then the cells within each ``window`` of the result: a file is
    read in pieces, and a batch still holds cells of a hundred places. A corpus that fits into one
    window is permuted cell by cell.
    """
    rng = np.random.default_rng(seed)
    if cells <= window:
        return rng.permutation(cells)
    starts = BLOCK * rng.permutation(-(-cells // BLOCK))
    order = (starts[:, None] + np.arange(BLOCK)).ravel()
    order = order[order < cells]
    for start in range(0, cells, window):
        rng.shuffle(order[start : start + window])
    return order


def _pools(
    reader: Reader, order: np.ndarray, *, pool_cells: int, window: int, first: int, shares: Shares
) -> Iterator[tuple[int, int, Counts]]:
    """Number and size of each pool from the ``first`` on, and the counts of this process' share of it.

    Cells are in file order; each window is read once.
    """
    for start in range(first * pool_cells // window * window, len(order), window):
        lows = range(max(start, first * pool_cells), min(start + window, len(order)), pool_cells)
        pools = [np.sort(order[low : low + pool_cells]) for low in lows]
        rows = np.sort(np.concatenate([shares.own(pool) for pool in pools]))
        held = reader.take(rows)
        for low, pool in zip(lows, pools, strict=True):
            yield low // pool_cells, len(pool), held.take(np.searchsorted(rows, shares.own(pool)))
        del held  # before the next window is read


def by_length(lengths: np.ndarray, *, batch_cells: int, ties: np.ndarray | None = None) -> list[np.ndarray]:
    """Positions of the cells in groups of ``batch_cells``, longest first; ``ties`` orders equal lengths."""
    keys = np.zeros(len(lengths)) if ties is None else ties
    order = np.lexsort((keys, -lengths))
    return [order[i : i + batch_cells] for i in range(0, len(order), batch_cells)]


def held_out_units(units: np.ndarray, *, seed: int) -> np.ndarray:
    """Cells to keep for the validation loss, bool (N,): whole units (N names), never single cells.

    Units are taken in random order until 5 % of the cells are held out, passing over those that
    would make it more than 20 %. So none is where every unit is large: half a corpus is too dear.
    """
    names, code, cells = np.unique(units, return_inverse=True, return_counts=True)
    least, most = (share * len(units) for share in HELD_OUT)
    chosen: list[int] = []
    for i in np.random.default_rng(seed).permutation(len(names)):
        if cells[chosen].sum() < least and cells[chosen].sum() + cells[i] <= most:
            chosen.append(i)
    return np.isin(code, chosen)
