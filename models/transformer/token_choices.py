"""What a recipe chooses of a cell's genes: which become tokens, and in which order."""

from dataclasses import dataclass
from typing import Literal

Score = Literal["count", "gene_median", "gene_mean", "gene_bin"]
SOURCE, TARGET = "<source depth>", "<target depth>"
DEPTHS = (SOURCE, TARGET)


@dataclass(frozen=True, kw_only=True, slots=True)
class RankTokens:
    """RANK: expressed genes by falling score: the count, or the count over the gene's median or mean.

    ``gene_bin``: which of ``bins`` equal shares of the gene's own non-zero normalised values over the
    corpus it falls into.
    """

    kind: Literal["rank"]
    norm: Score
    min_cells: int
    bins: int = 0
    prefix: tuple[str, ...] = ()
    suffix: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SetTokens:
    """SET: expressed genes with their values.

    Where there are more than fit, ``overflow`` says which stay: drawn ``uniform``, drawn with a
    ``weighted`` chance of log(1 + count), or the ``first`` by identifier. ``order`` is that of
    the identifiers, or ``random``, another one a cell. ``zeros`` fills up with genes that the
    cell does not express.
    """

    kind: Literal["set"]
    overflow: Literal["uniform", "weighted", "first"]
    min_cells: int
    order: Literal["gene", "random"] = "gene"
    zeros: bool = False
    prefix: tuple[str, ...] = ()
    suffix: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PanelTokens:
    """PANEL: every gene of the vocabulary in each cell, zeros kept.

    Where ``size.patch`` is above 1, so many genes make one token: ``contiguous`` by identifier,
    or ``random`` groups that stay the same.
    """

    kind: Literal["panel"]
    min_cells: int
    patches: Literal["contiguous", "random"] = "contiguous"
    prefix: tuple[str, ...] = ()
    suffix: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleTokens:
    """SAMPLE: genes drawn with replacement, chance log(1 + count), in ``groups`` between markers.

    In training, the share ``hide`` of the expressed genes is kept back, and ``queries`` genes are
    asked for: half of them kept back, half drawn from all genes.
    """

    kind: Literal["sample"]
    groups: int
    hide: float
    queries: int
    min_cells: int
    prefix: tuple[str, ...] = ()
    suffix: tuple[str, ...] = ()


TokeniserChoice = RankTokens | SetTokens | PanelTokens | SampleTokens
