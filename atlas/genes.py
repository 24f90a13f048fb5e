"""Gene ids: Ensembl without version is the one language in which models and data sets meet."""

import functools
import lzma
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pandas as pd
from scipy import sparse

from contract.errors import UserError

Organism = Literal["human", "mouse"]
FOLDER = Path(__file__).parent / "data"
PATTERNS = {"human": re.compile(r"ENSG\d{11}"), "mouse": re.compile(r"ENSMUSG\d{11}")}
EXAMPLES = 20
_VERSION = re.compile(r"\.\d+(_PAR_Y)?$")


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneTable:
    """The named genes of one organism, pinned; ``ids[i]`` belongs to ``symbols[i]``.

    ``spellings`` also holds previous symbols; each leads to one id. ``retired`` leads from an id
    that was withdrawn to the one that bears its symbol now. Human ids begin with those of
    ``panel.txt``, the rest is sorted. Source and rule: ``atlas/data/README.md``.
    """

    ids: tuple[str, ...]
    symbols: tuple[str, ...]
    spellings: dict[str, str]
    retired: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Matched:
    """One id a name, ``""`` where it has none; how many were found in which way; names without an id."""

    ids: list[str]
    how: dict[str, int]
    without: list[str]


@functools.cache
def gene_table(organism: Organism = "human") -> GeneTable:
    """Read the table once a process; a tenth of a second."""
    with lzma.open(FOLDER / f"genes_{organism}.tsv.xz", "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][1:]
    if organism == "human":
        panel = (FOLDER / "panel.txt").read_text(encoding="utf-8").split()
        place = {gene: i for i, gene in enumerate(panel)}
        rows.sort(key=lambda row: place.get(row[0], len(place)))  # stable: the rest stays sorted
    spellings = {symbol: gene for gene, symbol, _, _ in rows}
    retired = {}
    for gene, _, also, old in rows:
        spellings.update(dict.fromkeys(filter(None, also.split("|")), gene))
        retired.update(dict.fromkeys(filter(None, old.split("|")), gene))
    return GeneTable(
        ids=tuple(row[0] for row in rows),
        symbols=tuple(row[1] for row in rows),
        spellings=spellings,
        retired=retired,
    )


def without_version(gene: str) -> str:
    """``ENSG00000141510.16`` → ``ENSG00000141510``; other text is returned as it is."""
    return _VERSION.sub("", gene) if gene.startswith("ENS") else gene


def match_genes(names: list[str], *, kind: str, organism: Organism, where: str) -> Matched:
    """Give each of G names its Ensembl id, and say how it was found.

    Parameters
    ----------
    kind
        ``ensembl``: versions are cut off, a retired id becomes the one that bears its symbol now
        unless the file has both, an id that the table does not name is kept. ``symbol``: looked up
        in the table; a name that is an Ensembl id stands for itself.

    Raises
    ------
    UserError
        If not one name has an id, or most are ids of the other organism.
    """
    plain = [without_version(name) for name in names]
    if kind == "ensembl":
        _refuse_other_organism(plain, organism=organism, where=where)
    look_up = _by_id if kind == "ensembl" else _by_symbol
    found = look_up(names, plain, organism=organism)
    ids, how = [gene for gene, _ in found], Counter(way for _, way in found)
    if not any(ids):
        raise UserError(
            where,
            found=f"{len(names)} names such as {names[0]!r}, none of which is known" if names else "no genes",
            expected=f"{organism} "
            + ("symbols" if kind == "symbol" else "Ensembl ids such as ENSG00000141510"),
            todo="check gene_ids, gene_column and organism of the entry",
        )
    without = [name for name, gene in zip(names, ids, strict=True) if not gene]
    return Matched(ids=ids, how=dict(sorted(how.items())), without=without[:EXAMPLES])


def _by_id(names: list[str], plain: list[str], *, organism: Organism) -> list[tuple[str, str]]:
    table, present = gene_table(organism), set(plain)
    named = set(table.ids)

    def one(name: str, gene: str) -> tuple[str, str]:
        if not PATTERNS[organism].fullmatch(gene):
            return "", "no id"
        now = table.retired.get(gene)
        if now is not None and now not in present:
            return now, "retired id, replaced"
        if gene not in named:
            return gene, "id that the table does not name"
        return gene, "id" if gene == name else "id, version cut off"

    return [one(name, gene) for name, gene in zip(names, plain, strict=True)]


def _by_symbol(names: list[str], plain: list[str], *, organism: Organism) -> list[tuple[str, str]]:
    table = gene_table(organism)
    approved = set(table.symbols)

    def one(name: str, gene: str) -> tuple[str, str]:
        if name in table.spellings:
            return table.spellings[name], "symbol" if name in approved else "other spelling"
        if PATTERNS[organism].fullmatch(gene):
            return gene, "id among symbols"
        return "", "no id"

    return [one(name, gene) for name, gene in zip(names, plain, strict=True)]


def _refuse_other_organism(names: list[str], *, organism: Organism, where: str) -> None:
    for other, pattern in PATTERNS.items():
        foreign = [name for name in names if pattern.fullmatch(name)]
        if other != organism and len(foreign) > len(names) / 2:
            raise UserError(
                where,
                found=f"{other} genes such as {foreign[0]}",
                expected=f"{organism} genes",
                todo=f"write 'organism: {other}' in the entry",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Which of G columns stay, and which are summed: columns without an id go, those of one id become one.

    ``ids`` are the U distinct ids in the order in which they first appear, ``first`` (U,) the
    columns in which they do, ``gather`` the (G, U) matrix of ones.
    """

    ids: list[str]
    first: np.ndarray
    gather: sparse.csr_matrix

    @classmethod
    def of(cls, ids: list[str]) -> Self:
        """Columns of G ids, ``""`` where there is none."""
        kept = np.flatnonzero([bool(gene) for gene in ids])
        codes, unique = pd.factorize(np.asarray(ids, dtype=object)[kept])
        ones = np.ones(len(kept), dtype=np.float32)
        return cls(
            ids=[str(gene) for gene in unique],
            first=kept[np.unique(codes, return_index=True)[1]],
            gather=sparse.csr_matrix((ones, (kept, codes)), shape=(len(ids), len(unique))),
        )

    def collapsed(self, counts: sparse.csr_matrix) -> sparse.csr_matrix:
        """(n, U) float32 CSR of (n, G) counts, indices sorted."""
        result = sparse.csr_matrix(counts @ self.gather)
        result.sort_indices()
        return result
