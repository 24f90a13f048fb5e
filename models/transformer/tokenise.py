"""Counts → ragged token sequences: which genes of a cell, in which order, with which values."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch

from models.transformer.choices import Thinning, Value
from models.transformer.counts import Counts, offsets_of
from models.transformer.keyed import cell_keys, uniform
from models.transformer.order import CPU, lexsort
from models.transformer.recipe import Design
from models.transformer.sample import group_names, queries_of, sampled, without_hidden
from models.transformer.token_choices import (
    SOURCE,
    TARGET,
    PanelTokens,
    RankTokens,
    SampleTokens,
    SetTokens,
    TokeniserChoice,
)
from models.transformer.values import NORMAL, Entries, scaled
from models.transformer.vocabulary import Vocabulary

EMBED_SEED = 0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tokens:
    """Token sequences of N cells, end to end: ``ids`` int64 (T,), ``offsets`` (N + 1).

    ``values``, ``targets``, ``counts`` (float32, T): what the network is shown, what it is asked
    (the same at full depth), and the raw count; NaN where a special token has none. ``expressed``
    (N): genes of the vocabulary that the cell expresses. ``queries`` int64 (N, Q) are genes asked
    for, ``answers`` int8 whether they are expressed (−1: not scored). ``marks`` as of ``Counts``.
    """

    ids: np.ndarray
    values: np.ndarray
    targets: np.ndarray
    counts: np.ndarray
    offsets: np.ndarray
    expressed: np.ndarray
    queries: np.ndarray
    answers: np.ndarray
    marks: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each cell, special ones included, int64 (N,)."""
        return np.diff(self.offsets)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tokeniser:
    """Counts under a vocabulary → ``Tokens``, as a recipe chooses.

    A cell's tokens are a function of the cell and the seed alone: draws are keyed by its genes,
    so neither its batch nor the order of the columns matters. Sorted is on ``device``; the tokens are
    the same on each.
    """

    vocabulary: Vocabulary
    choice: TokeniserChoice
    value: Value
    length: int
    thinning: Thinning | None = None
    device: torch.device = CPU

    def __call__(self, counts: Counts, columns: np.ndarray, *, seed: int | None = None) -> Tokens:
        """Tokenise N cells whose columns bear the tokens ``columns`` (−1: none).

        ``seed`` is that of a pass of training; without one, nothing is thinned, kept back or
        asked for, and what is drawn is drawn the same each time.
        """
        shown = full = self._entries(counts, columns)
        training, seed = seed is not None, EMBED_SEED if seed is None else seed
        expressed = np.bincount(full.rows, minlength=len(full))
        queries = np.zeros((len(full), 0), dtype=np.int64)
        answers = queries.astype(np.int8)
        if training and self.thinning is not None:
            shown = thinned(full, self.thinning, seed=seed)
        if training and isinstance(self.choice, SampleTokens):
            queries, answers = queries_of(full, self.choice, vocabulary=self.vocabulary, seed=seed)
            shown = full = without_hidden(full, self.choice, seed=seed)
        values = self._scaled(shown, seed=seed)
        targets = values if shown is full else self._scaled(full, seed=seed)
        where, rows, token = self._arranged(full, seed=seed)
        real = where >= 0
        picked = [
            np.where(real, a[where], 0.0) if len(a) else 0.0 * rows for a in (values, targets, full.count)
        ]
        tokens = self._framed(rows, token, picked, shown, full, expressed, queries, answers)
        return tokens if counts.marks is None else dataclasses.replace(tokens, marks=counts.marks)

    def room(self) -> int:
        """Genes that fit into a sequence."""
        return self.length - len(self.choice.prefix) - len(self.choice.suffix)

    def _entries(self, counts: Counts, columns: np.ndarray) -> Entries:
        token = columns[counts.indices]
        keep = (token >= 0) & (counts.data > 0)
        rows, token, count = counts.rows[keep], token[keep], counts.data[keep].astype(np.float64)
        keys = cell_keys(rows, token, cells=len(counts))
        order = lexsort((token, rows), device=self.device)
        totals = np.asarray(counts.totals, dtype=np.float64)
        ordered = {"rows": rows[order], "token": token[order], "count": count[order]}
        return Entries(**ordered, totals=totals, keys=keys, device=self.device)

    def _scaled(self, entries: Entries, *, seed: int) -> np.ndarray:
        usual = self.vocabulary.medians[entries.token - len(self.vocabulary.specials)]
        return scaled(entries, value=self.value, usual=usual, seed=seed)

    def _bins(self, full: Entries) -> np.ndarray:
        """Which share of its gene's values each entry falls into, by bisection: the edges not above it."""
        edges, gene = self.vocabulary.edges, full.token - len(self.vocabulary.specials)
        value = full.count / full.totals[full.rows] * NORMAL
        low, high = np.zeros(len(gene), dtype=np.int64), np.full(len(gene), edges.shape[1])
        while (low < high).any():
            middle = (low + high) // 2
            reached = (low < high) & (edges[gene, np.minimum(middle, edges.shape[1] - 1)] <= value)
            low, high = np.where(reached, middle + 1, low), np.where(reached, high, np.minimum(middle, high))
        return low

    def _arranged(self, full: Entries, *, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each gene token: its entry (−1: not expressed), its cell (ascending), its id."""
        first, genes = len(self.vocabulary.specials), len(self.vocabulary.genes)
        match self.choice:
            case RankTokens(norm=norm):
                score = full.count
                if norm == "gene_bin":
                    score = self._bins(full)
                elif norm != "count":
                    usual = self.vocabulary.medians if norm == "gene_median" else self.vocabulary.means
                    score = score / usual[full.token - first]
                order = self._first_of_each(full.rows, (-score,), cells=len(full))  # equal ones by token
                return order, full.rows[order], full.token[order]
            case PanelTokens():
                return _panel(full, first=first, genes=genes)
            case SampleTokens():
                return sampled(full, self.choice, vocabulary=self.vocabulary, room=self.room(), seed=seed)
            case SetTokens() as choice:
                where, rows, token = (
                    _panel(full, first=first, genes=genes)
                    if choice.zeros
                    else (np.arange(len(full.rows)), full.rows, full.token)
                )
                last = _overflow_key(choice, full, where, rows, token, seed=seed)
                kept = np.sort(self._first_of_each(rows, last, cells=len(full)))
                if choice.order == "random":
                    shuffle = uniform(full.keys[rows[kept]], token[kept], seed, 2)
                    kept = kept[lexsort((shuffle, rows[kept]), device=self.device)]
                return where[kept], rows[kept], token[kept]

    def _first_of_each(self, rows: np.ndarray, keys: tuple[np.ndarray, ...], *, cells: int) -> np.ndarray:
        """Entries in the order of ``keys`` within each cell, as many of each as fit into a sequence."""
        order = lexsort((*keys, rows), device=self.device)
        start = offsets_of(np.bincount(rows, minlength=cells))[:-1]
        return order[np.arange(len(order)) - start[rows[order]] < self.room()]

    def _framed(
        self,
        rows: np.ndarray,
        token: np.ndarray,
        picked: list[np.ndarray],
        shown: Entries,
        full: Entries,
        expressed: np.ndarray,
        queries: np.ndarray,
        answers: np.ndarray,
    ) -> Tokens:
        """Put each cell's genes between prefix and suffix."""
        prefix, suffix = (
            [self.vocabulary.specials.index(name) for name in names]
            for names in (self.choice.prefix, self.choice.suffix)
        )
        sizes = np.bincount(rows, minlength=len(full))
        offsets = offsets_of(sizes + len(prefix) + len(suffix))
        ids = np.empty(offsets[-1], dtype=np.int64)
        arrays = [np.full(offsets[-1], np.nan, dtype=np.float32) for _ in picked]
        place = np.arange(len(rows)) + (offsets[:-1] + len(prefix) - offsets_of(sizes)[:-1])[rows]
        ids[place] = token
        for array, values in zip(arrays, picked, strict=True):
            array[place] = np.where(token < len(self.vocabulary.specials), np.nan, values)
        for i, special in enumerate(prefix):
            at = offsets[:-1] + i
            ids[at] = special
            depth = {SOURCE: shown, TARGET: full}.get(self.vocabulary.specials[special])
            if depth is not None:
                arrays[0][at] = arrays[1][at] = np.log10(np.maximum(depth.totals, 1.0))
        for i, special in enumerate(reversed(suffix), start=1):
            ids[offsets[1:] - i] = special
        values, targets, counts = arrays
        return Tokens(
            ids=ids,
            values=values,
            targets=targets,
            counts=counts,
            offsets=offsets,
            expressed=expressed,
            queries=queries,
            answers=answers,
        )


def tokeniser_of(design: Design, vocabulary: Vocabulary) -> Tokeniser:
    """The tokeniser that a design chooses."""
    return Tokeniser(
        vocabulary=vocabulary,
        choice=design.tokeniser,
        value=design.value,
        length=design.size.length,
        thinning=design.thinning,
    )


def specials_of(choice: TokeniserChoice) -> tuple[str, ...]:
    """Special tokens that a tokeniser needs besides padding and mask."""
    groups = group_names(choice) if isinstance(choice, SampleTokens) else ()
    return choice.prefix + choice.suffix + groups


def thinned(entries: Entries, thinning: Thinning, *, seed: int) -> Entries:
    """Each molecule kept with one chance a cell, and the total scaled alike."""
    chosen = uniform(entries.keys, seed, 3) < thinning.cells
    rate = thinning.low + uniform(entries.keys, seed, 4) * (thinning.high - thinning.low)
    rate = np.where(chosen, rate, 1.0)
    count = entries.count.astype(np.int64)
    ends = np.cumsum(np.bincount(entries.rows, minlength=len(entries)))
    kept = [
        np.random.default_rng([seed, int(key)]).binomial(part, chance)
        for key, part, chance in zip(entries.keys, np.split(count, ends)[:-1], rate, strict=True)
    ]
    count = np.concatenate([np.zeros(0), *kept])
    return dataclasses.replace(entries, count=count, totals=entries.totals * rate)


def _panel(full: Entries, *, first: int, genes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All genes in all cells; −1 where a gene is not expressed."""
    where = np.full((len(full), genes), -1, dtype=np.int64)
    where[full.rows, full.token - first] = np.arange(len(full.rows))
    rows, gene = np.divmod(np.arange(where.size), genes)
    return where.ravel(), rows, gene + first


def _overflow_key(
    choice: SetTokens, full: Entries, where: np.ndarray, rows: np.ndarray, token: np.ndarray, *, seed: int
) -> tuple[np.ndarray, ...]:
    """Sort keys, the last one first in rank: genes that shall stay come first."""
    absent = where < 0
    if choice.overflow == "first":
        return (token, absent)
    chance = -np.log(uniform(full.keys[rows], token, seed, 1))
    if choice.overflow == "weighted":  # the smallest of exponential times: a draw without replacement
        count = np.where(absent, 1.0, full.count[where]) if len(full.count) else np.ones(len(rows))
        chance = chance / np.log1p(count)
    return (chance, absent)
