"""Gene identifiers ↔ tokens, what is usual for a gene, and how well a data set matches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.transformer.counts import Reader, blocks, offsets_of
from models.transformer.errors import VocabularyError
from models.transformer.spill import Spill
from models.transformer.values import quantiles

PAD, MASK = "<pad>", "<mask>"
MIN_GENE_SHARE = 0.5
MIN_COUNT_SHARE = 0.7
SHARE_CELLS = 2048


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


def match(counts: Reader, tokens: np.ndarray, *, vocabulary: Vocabulary) -> Match:
    """Compare cells, whose columns bear ``tokens`` (−1: unknown), with the vocabulary; read in blocks."""
    known = tokens >= 0
    total = inside = 0.0
    for _, part in blocks(counts):
        total += float(part.data.sum(dtype=np.float64))
        inside += float(part.data[known[part.indices]].sum(dtype=np.float64))
    return Match(
        matched=int(known.sum()),
        measured=len(tokens),
        vocabulary=len(vocabulary.genes),
        count_share=inside / total if total > 0 else float("nan"),
    )


def fit_vocabulary(
    counts: Reader,
    *,
    genes: Sequence[str],
    specials: Sequence[str] = (),
    min_cells: int,
    most: int | None = None,
    first: np.ndarray | None = None,
    allowed: np.ndarray | None = None,
    bins: int = 0,
    target: float = 1e4,
) -> Vocabulary:
    """Make the vocabulary of a corpus, in one pass over its cells.

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
    allowed
        Genes (bool, G) that may enter; by default all.
    bins
        Equal shares of each gene's values to find the edges of; 0: none.

    Raises
    ------
    VocabularyError
        If no cell has a total, or no gene is supported.

    Cost: O(Z log Z) time for Z non-zeros, 12 bytes each on disk; memory of 2,048 cells and of the
    largest share of the genes' values, whatever N.
    """
    with Spill(max(-(-len(counts) // SHARE_CELLS), 1)) as spill:
        tally = _tally(counts, spill, width=len(genes), target=target)
        if not tally.cells:
            raise VocabularyError("no cell has a total count, so gene medians are undefined")
        enough = tally.support >= max(min_cells, 1)
        found = np.flatnonzero(enough if allowed is None else enough & allowed)
        if not len(found):
            raise VocabularyError(f"no gene is expressed in at least {min_cells} cell(s) with a total count")
        if most is not None:
            later = np.zeros(len(found), dtype=bool) if first is None else ~first[found]
            found = found[np.lexsort((-tally.variance[found], later))[:most]]
        chosen = np.array(sorted(found, key=lambda column: genes[column]))
        medians, edges = _quantiles(spill, chosen, width=len(genes), bins=bins)
    return Vocabulary(
        specials=(PAD, MASK, *specials),
        genes=tuple(genes[column] for column in chosen),
        medians=medians,
        means=tally.total[chosen] / tally.support[chosen],
        edges=edges,
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Tally:
    """Of ``cells`` cells with a total, per gene (G,): values, their sum, variance of their logarithms."""

    cells: int
    support: np.ndarray
    total: np.ndarray
    variance: np.ndarray


def _tally(counts: Reader, spill: Spill, *, width: int, target: float) -> _Tally:
    """Go over all cells once; each non-zero ``count / cell total · target`` is put aside, too.

    The variance counts cells without a value as 0.
    """
    cells, sums = 0, np.zeros((4, width))
    for _, part in blocks(counts):
        usable = np.isfinite(part.totals) & (part.totals > 0)
        cells += int(usable.sum())
        rows = part.rows
        keep = usable[rows] & (part.data > 0)
        columns, values = part.indices[keep], part.data[keep] / part.totals[rows[keep]] * target
        spill.add(columns, values)
        logged = np.log1p(values)
        for i, of_each in enumerate((None, values, logged, logged**2)):
            sums[i] += np.bincount(columns, weights=of_each, minlength=width)
    mean, square = sums[2:] / max(cells, 1)
    return _Tally(cells=cells, support=sums[0].astype(np.int64), total=sums[1], variance=square - mean**2)


def _quantiles(
    spill: Spill, chosen: np.ndarray, *, width: int, bins: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Median of each chosen gene, and what parts its values into ``bins`` equal shares, if any."""
    place = np.full(width, -1)
    place[chosen] = np.arange(len(chosen))
    medians = np.full(len(chosen), np.nan)
    edges = np.full((len(chosen), bins - 1), np.nan) if bins else None
    for columns, values in spill.taken():
        known = place[columns] >= 0
        genes, gene = np.unique(place[columns[known]], return_inverse=True)
        medians[genes] = _medians(values[known], gene, groups=len(genes))
        if edges is not None:
            edges[genes] = quantiles(gene, values[known], groups=len(genes), levels=bins + 1)[:, 1:-1]
    return medians, edges


def _medians(values: np.ndarray, group: np.ndarray, *, groups: int) -> np.ndarray:
    """Median of each group's values; none is empty."""
    sizes = np.bincount(group, minlength=groups)
    values = values[np.lexsort((values, group))]
    starts = offsets_of(sizes)[:-1]
    return (values[starts + (sizes - 1) // 2] + values[starts + sizes // 2]) / 2
