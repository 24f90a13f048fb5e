"""Cells → batches of token ids: shuffled for training, bucketed by length so that little is padding."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.transformer.counts import Reader
from models.transformer.errors import TrainingError
from models.transformer.tokenise import RankTokeniser, Tokens

POOL_BATCHES = 16
HELD_OUT = (0.05, 0.20)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Corpus:
    """Cells behind a reader, and how to tokenise them; ``columns`` holds the token of each column."""

    counts: Reader
    columns: np.ndarray
    tokenise: RankTokeniser

    def __len__(self) -> int:
        return len(self.counts)

    def tokens(self, rows: np.ndarray) -> Tokens:
        """Tokens of the given cells, in the given order."""
        return self.tokenise(self.counts.take(rows), self.columns)


def batches_in_epoch(cells: int, *, batch_cells: int) -> int:
    """Number of batches in one pass: pools hold whole batches, only the last pool has a shorter one."""
    return -(-cells // batch_cells)


def shuffled(
    corpus: Corpus, *, batch_cells: int, seed: int, epoch: int, start: int = 0
) -> Iterator[np.ndarray]:
    """Batches of one pass over the corpus from batch ``start`` on: ids int64 (B, T), padded with 0.

    Cells are permuted, then read and tokenised one pool of 16 batches at a time; within a
    pool, cells of like length share a batch and the batches are shuffled. Which cells share a
    batch is a function of the corpus, ``seed`` and ``epoch``, so a resumed run sees the same.
    """
    order = np.random.default_rng([seed, epoch]).permutation(len(corpus))
    pool_cells = POOL_BATCHES * batch_cells
    for pool in range(start // POOL_BATCHES, -(-len(order) // pool_cells)):
        rows = np.sort(order[pool * pool_cells : (pool + 1) * pool_cells])
        tokens = corpus.tokens(rows)
        if (tokens.genes_of(len(corpus.tokenise.vocabulary.specials)) == 0).any():
            raise TrainingError(
                "a cell of the corpus expresses no gene of the vocabulary; leave it out first"
            )
        rng = np.random.default_rng([seed, epoch, pool])
        groups = by_length(tokens.lengths, batch_cells=batch_cells, ties=rng.random(len(rows)))
        skip = max(start - pool * POOL_BATCHES, 0)
        for i in rng.permutation(len(groups))[skip:]:
            yield tokens.padded(groups[i])


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
