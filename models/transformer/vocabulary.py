"""Gene identifiers ↔ tokens, what is usual for a gene, and how well a data set matches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.transformer.counts import Counts, offsets_of
from models.transformer.errors import VocabularyError
from models.transformer.values import quantiles

PAD, MASK = "<pad>", "<mask>"
MIN_GENE_SHARE = 0.5
MIN_COUNT_SHARE = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """Tokens 0… are ``specials`` (padding is 0, mask is 1), then one token a gene, in sorted order.

    ``medians`` and ``means`` (G): of the non-zero ``count / cell total · 10⁴`` over the corpus.
    ``edges`` (G, bins − 1): what parts those of each gene into equal shares, where a recipe asks for it.
    Sorting the genes makes tokens independent of the corpus's column order.
    """

    specials: tuple[str, ...]
    genes: tuple[str, ...]
    medians: np.ndarray
    means: np.ndarray
    edges: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.specials[:2] != (PAD, MASK) or len(set(self.specials)) != len(self.specials):
            raise VocabularyError(f"specials must be unique and begin with {PAD}, {MASK}: {self.specials}")
        if not self.genes or list(self.genes) != sorted(set(self.genes)):
            raise VocabularyError("genes must be sorted, unique, and at least one")
        for name, usual in (("median", self.medians), ("mean", self.means)):
            if len(usual) != len(self.genes) or not (usual > 0).all():
                raise VocabularyError(f"every gene needs a {name} above 0")

    def __len__(self) -> int:
        return len(self.specials) + len(self.genes)

    def tokens(self, genes: Sequence[str]) -> np.ndarray:
        """Token of each column, int64 (len(genes),); −1 where the gene is unknown.

        Raises
        ------
        VocabularyError
            If a gene stands twice, which would give one cell two tokens of one gene.
        """
        if len(set(genes)) != len(genes):
            raise VocabularyError("a gene identifier stands twice; sum its columns first")
        known = {gene: i for i, gene in enumerate(self.genes, start=len(self.specials))}
        return np.array([known.get(gene, -1) for gene in genes], dtype=np.int64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """How well cells and vocabulary fit: genes in common, and share of counts on them (NaN: no counts)."""

    matched: int
    measured: int
    vocabulary: int
    count_share: float

    @property
    def gene_share(self) -> float:
        """Share of the data set's genes that the vocabulary knows, in [0, 1]."""
        return self.matched / self.measured

    def require(self, *, genes: float = MIN_GENE_SHARE, counts: float = MIN_COUNT_SHARE) -> None:
        """Refuse data too unlike the corpus.

        Both shares are of the data set: what of it the model can read. How much of the vocabulary
        a data set measures is told (``str``), not judged: a model that cannot stand a small
        panel loses on the page, not before it.
        """
        if self.gene_share < genes:
            raise VocabularyError(
                f"only {self.matched} of the data set's {self.measured} genes are in the vocabulary "
                f"({self.gene_share:.0%}, at least {genes:.0%} needed)"
            )
        if not self.count_share >= counts:
            raise VocabularyError(
                f"only {self.count_share:.0%} of the counts fall on genes of the vocabulary "
                f"(at least {counts:.0%} needed)"
            )

    def __str__(self) -> str:
        return (
            f"vocabulary: {self.matched} of the data set's {self.measured} genes known, "
            f"{self.count_share:.0%} of its counts; {self.matched} of {self.vocabulary} genes measured"
        )


def match(counts: Counts, tokens: np.ndarray, *, vocabulary: Vocabulary) -> Match:
    """Compare cells, whose columns bear ``tokens`` (−1: unknown), with the vocabulary."""
    known = tokens >= 0
    total = float(counts.data.sum(dtype=np.float64))
    inside = float(counts.data[known[counts.indices]].sum(dtype=np.float64))
    return Match(
        matched=int(known.sum()),
        measured=len(tokens),
        vocabulary=len(vocabulary.genes),
        count_share=inside / total if total > 0 else float("nan"),
    )


def fit_vocabulary(
    counts: Counts,
    *,
    genes: Sequence[str],
    specials: Sequence[str] = (),
    min_cells: int,
    most: int | None = None,
    first: np.ndarray | None = None,
    bins: int = 0,
    target: float = 1e4,
) -> Vocabulary:
    """Make the vocabulary of a corpus.

    Parameters
    ----------
    counts
        N cells × G genes; a cell without a total says nothing about genes and is passed over.
    genes
        G identifiers.
    specials
        Further special tokens, after padding and mask.
    min_cells
        A gene enters when at least so many cells with a total express it: the median of a
        few values is noise.
    most
        So many genes at most: those whose log(1 + normalised count) varies most over cells.
    first
        Genes (bool, G) that are taken before others where there are too many: such as all data
        sets measured, for a gene that one of them lacks varies between them by that alone.
    bins
        Equal shares of each gene's values to find the edges of; 0: none.

    Raises
    ------
    VocabularyError
        If no cell has a total, or no gene is supported.

    Cost: O(Z log Z) time and about 40 bytes for each of the Z non-zeros.
    """
    usable = np.isfinite(counts.totals) & (counts.totals > 0)
    if not usable.any():
        raise VocabularyError("no cell has a total count, so gene medians are undefined")
    rows = counts.rows
    keep = usable[rows] & (counts.data > 0)
    values = counts.data[keep] / counts.totals[rows[keep]] * target
    columns = counts.indices[keep]
    medians, support = _medians(values, columns, width=len(genes))
    found = np.flatnonzero(support >= max(min_cells, 1))
    if not len(found):
        raise VocabularyError(f"no gene is expressed in at least {min_cells} cell(s) with a total count")
    if most is not None:
        variance = _variance(np.log1p(values), columns, width=len(genes), cells=int(usable.sum()))
        later = np.zeros(len(found), dtype=bool) if first is None else ~first[found]
        found = found[np.lexsort((-variance[found], later))[:most]]
    chosen = sorted(found, key=lambda column: genes[column])
    means = np.bincount(columns, weights=values, minlength=len(genes))[chosen] / support[chosen]
    return Vocabulary(
        specials=(PAD, MASK, *specials),
        genes=tuple(genes[column] for column in chosen),
        medians=medians[chosen],
        means=means,
        edges=_edges(values, columns, chosen, bins=bins) if bins else None,
    )


def _edges(values: np.ndarray, columns: np.ndarray, chosen: list[int], *, bins: int) -> np.ndarray:
    """Inner quantiles (genes, bins − 1) of the values of each chosen column."""
    place = np.full(max(columns.max(initial=0), *chosen) + 1, -1)
    place[chosen] = np.arange(len(chosen))
    known = place[columns] >= 0
    found = quantiles(place[columns[known]], values[known], groups=len(chosen), levels=bins + 1)
    return found[:, 1:-1]


def _variance(values: np.ndarray, columns: np.ndarray, *, width: int, cells: int) -> np.ndarray:
    """Variance of each column over ``cells`` cells, those without a value counting as 0."""
    mean, square = (np.bincount(columns, weights=v, minlength=width) / cells for v in (values, values**2))
    return square - mean**2


def _medians(values: np.ndarray, columns: np.ndarray, *, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Median and number of values of each column (NaN where there is none)."""
    support = np.bincount(columns, minlength=width)
    values = values[np.lexsort((values, columns))]
    starts = offsets_of(support)[:-1]
    found = support > 0
    low = values[(starts + (support - 1) // 2)[found]]
    high = values[(starts + support // 2)[found]]
    medians = np.full(width, np.nan)
    medians[found] = (low + high) / 2
    return medians, support
