"""Counts → ragged token sequences. One class a kind of tokeniser; each returns ``Tokens``."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.transformer.counts import Counts, offsets_of
from models.transformer.vocabulary import Vocabulary

Norm = Literal["count", "gene_median"]


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Token sequences of N cells, end to end: ``ids`` int64 (T,), ``offsets`` (N + 1)."""

    ids: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each cell, special ones included, int64 (N,)."""
        return np.diff(self.offsets)

    def genes_of(self, specials: int) -> np.ndarray:
        """Gene tokens of each cell, int64 (N,): ids from ``specials`` on are genes."""
        cell = np.repeat(np.arange(len(self)), self.lengths)
        return np.bincount(cell[self.ids >= specials], minlength=len(self))

    def padded(self, cells: np.ndarray) -> np.ndarray:
        """Ids of the given cells, int64 (B, longest of them), padded with 0 on the right."""
        lengths = self.lengths[cells]
        columns = np.arange(lengths.max(initial=0))
        inside = columns < lengths[:, None]
        where = self.offsets[:-1][cells][:, None] + columns
        ids = np.zeros(inside.shape, dtype=np.int64)
        ids[inside] = self.ids[where[inside]]
        return ids


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RankTokeniser:
    """RANK: a cell's expressed genes, highest score first, cut at ``length`` tokens.

    ``norm`` says what is ranked: the ``count``, or the count over the ``gene_median``. The
    cell's total and the factor 10⁴ are the same for all genes of a cell, so they leave the
    order as it is and are not needed here: cells without a total can be tokenised. Ties go
    to the lower token, so that the order of the columns never matters.
    ``prefix`` and ``suffix`` are special tokens around each cell and count towards ``length``.
    """

    vocabulary: Vocabulary
    norm: Norm
    length: int
    prefix: tuple[str, ...] = ()
    suffix: tuple[str, ...] = ()

    def __call__(self, counts: Counts, tokens: np.ndarray) -> Tokens:
        """Tokenise N cells whose columns bear ``tokens`` (−1: no token)."""
        token = tokens[counts.indices]
        keep = (token >= 0) & (counts.data > 0)
        row, token = counts.rows[keep], token[keep]
        score = self._score(counts.data[keep].astype(np.float64), token)
        order = np.lexsort((token, -score, row))
        return self._cut(token[order], np.bincount(row, minlength=len(counts)))

    def _score(self, counts: np.ndarray, token: np.ndarray) -> np.ndarray:
        if self.norm == "count":
            return counts
        return counts / self.vocabulary.medians[token - len(self.vocabulary.specials)]

    def _cut(self, ranked: np.ndarray, expressed: np.ndarray) -> Tokens:
        """First tokens of each cell of ``ranked``, between prefix and suffix."""
        rank = np.arange(len(ranked)) - np.repeat(offsets_of(expressed)[:-1], expressed)
        room = self.length - len(self.prefix) - len(self.suffix)
        kept = np.minimum(expressed, room)
        offsets = offsets_of(kept + len(self.prefix) + len(self.suffix))
        ids = np.empty(offsets[-1], dtype=np.int64)
        for i, name in enumerate(self.prefix):
            ids[offsets[:-1] + i] = self.vocabulary.specials.index(name)
        for i, name in enumerate(reversed(self.suffix), start=1):
            ids[offsets[1:] - i] = self.vocabulary.specials.index(name)
        start = np.repeat(offsets[:-1] + len(self.prefix), expressed)
        inside = rank < room
        ids[(start + rank)[inside]] = ranked[inside]
        return Tokens(ids=ids, offsets=offsets)
