"""SAMPLE: a cell as genes drawn with replacement, in groups between markers; and the genes asked for."""

import dataclasses

import numpy as np

from models.transformer.counts import offsets_of
from models.transformer.keyed import mix, uniform
from models.transformer.order import lexsort
from models.transformer.token_choices import SampleTokens
from models.transformer.values import Entries
from models.transformer.vocabulary import Vocabulary

END = "<end of group>"


def group_names(choice: SampleTokens) -> tuple[str, ...]:
    """The marker that opens each group, and the one that closes any."""
    return (*(f"<group {i}>" for i in range(choice.groups)), END) if choice.groups else ()


def sampled(
    full: Entries, choice: SampleTokens, *, vocabulary: Vocabulary, room: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw genes with replacement, chance log(1 + count), and arrange them by group.

    Groups follow each other in an order that is another one in each cell; each is opened by its
    marker, holds its genes by token, and is closed. As many genes are drawn as leave room for
    the markers. Returns the entry of each token (−1: a marker), its cell, and its id.
    """
    draws = room - 2 * choice.groups
    sizes = np.bincount(full.rows, minlength=len(full))
    cells = np.repeat(np.flatnonzero(sizes), draws)
    number = np.tile(np.arange(draws), int((sizes > 0).sum()))
    entry = _drawn(full, sizes, cells, uniform(full.keys[cells], number, seed, 5))
    token = full.token[entry]
    if not choice.groups:
        order = lexsort((token, cells), device=full.device)
        return entry[order], cells[order], token[order]
    group = (mix(token) % np.uint64(choice.groups)).astype(np.int64)
    opened = np.unique(cells * choice.groups + group)
    opened_cells, opened_group = np.divmod(opened, choice.groups)
    first = vocabulary.specials.index(group_names(choice)[0])
    end = np.full(len(opened), vocabulary.specials.index(END))
    none = np.full(len(opened), -1)
    all_cells = np.concatenate([cells, opened_cells, opened_cells])
    all_groups = np.concatenate([group, opened_group, opened_group])
    all_tokens = np.concatenate([token, first + opened_group, end])
    part = np.repeat([1, 0, 2], [len(token), len(opened), len(opened)])
    shuffle = uniform(full.keys[all_cells], all_groups, seed, 6)
    order = lexsort((all_tokens, part, shuffle, all_cells), device=full.device)
    return np.concatenate([entry, none, none])[order], all_cells[order], all_tokens[order]


def _drawn(full: Entries, sizes: np.ndarray, cells: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Entry of each draw: where ``chance`` falls among the weights of its cell."""
    weight = np.log1p(full.count)
    upto = np.cumsum(weight)
    ends = np.append(0.0, upto)[offsets_of(sizes)]
    at = ends[cells] + chance * (ends[cells + 1] - ends[cells])
    start = offsets_of(sizes)
    return np.clip(np.searchsorted(upto, at, side="right"), start[cells], start[cells + 1] - 1)


def without_hidden(full: Entries, choice: SampleTokens, *, seed: int) -> Entries:
    """The entries that may be drawn in training."""
    keep = ~_hidden(full, choice, seed=seed)
    return dataclasses.replace(full, rows=full.rows[keep], token=full.token[keep], count=full.count[keep])


def queries_of(
    full: Entries, choice: SampleTokens, *, vocabulary: Vocabulary, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Genes asked for, int64 (N, Q), and answers: 1 expressed but kept back, 0 not expressed, −1 not scored.

    The first half is drawn (with replacement) from the genes kept back, the second from all
    genes; one of these that the cell expresses is not scored.
    """
    half = choice.queries // 2
    first, genes = len(vocabulary.specials), len(vocabulary.genes)
    hidden = _hidden(full, choice, seed=seed)
    sizes = np.bincount(full.rows[hidden], minlength=len(full))
    draw = uniform(full.keys[:, None], np.arange(2 * half), seed, 7)
    start, some = offsets_of(sizes)[:-1, None], sizes[:, None] > 0
    at = np.where(some, start + np.floor(draw[:, :half] * sizes[:, None]).astype(np.int64), 0)
    kept_back = np.append(full.token[hidden], first)[np.minimum(at, int(hidden.sum()))]
    kept_back = np.where(some, kept_back, first)
    other = first + np.floor(draw[:, half:] * genes).astype(np.int64)
    expressed = np.isin(np.arange(len(full))[:, None] * genes + other, full.rows * genes + full.token)
    answers = np.hstack([np.where(some, np.ones_like(kept_back), -1), np.where(expressed, -1, 0)])
    return np.hstack([kept_back, other]), answers.astype(np.int8)


def _hidden(full: Entries, choice: SampleTokens, *, seed: int) -> np.ndarray:
    """Entries kept back, bool (Z,); never all of a cell."""
    chance = uniform(full.keys[full.rows], full.token, seed, 8)
    least = np.full(len(full), np.inf)
    np.minimum.at(least, full.rows, -chance)
    return (chance < choice.hide) & (-chance != least[full.rows])
