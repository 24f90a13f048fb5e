"""Gene ids: Ensembl without version is the one language in which models and data sets meet."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from scipy import sparse

from contract.errors import UserError

Organism = Literal["human", "mouse"]
TABLE = Path(__file__).parent / "data" / "gene_symbols.tsv"
PATTERNS = {"human": re.compile(r"ENSG\d{11}"), "mouse": re.compile(r"ENSMUSG\d{11}")}
_VERSION = re.compile(r"\.\d+(_PAR_Y)?$")


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneTable:
    """Human genes that this repository can name without the internet; ``ids[i]`` belongs to ``symbols[i]``.

    ``spellings`` also holds previous symbols; each leads to one id. The genes of
    scanpy's PBMC 68k subset come first. Source and rule: ``atlas/data/README.md``.
    """

    ids: tuple[str, ...]
    symbols: tuple[str, ...]
    spellings: dict[str, str]


@functools.cache
def gene_table() -> GeneTable:
    """Read the table once a process."""
    rows = pd.read_csv(TABLE, sep="\t", keep_default_na=False, dtype=str)
    spellings = dict(zip(rows["symbol"], rows["ensembl_id"], strict=True))
    for gene, also in zip(rows["ensembl_id"], rows["also"], strict=True):
        spellings.update(dict.fromkeys(filter(None, also.split("|")), gene))
    return GeneTable(ids=tuple(rows["ensembl_id"]), symbols=tuple(rows["symbol"]), spellings=spellings)


def without_version(gene: str) -> str:
    """``ENSG00000141510.16`` → ``ENSG00000141510``; other text is returned as it is."""
    return _VERSION.sub("", gene) if gene.startswith("ENS") else gene


def ensembl_ids(names: list[str], *, kind: str, organism: Organism, where: str) -> list[str]:
    """Give each of G names its Ensembl id, or ``""`` where it has none.

    Parameters
    ----------
    kind
        ``ensembl`` (versions are cut off) or ``symbol`` (looked up in the table, human only).

    Raises
    ------
    UserError
        If not one name has an id, or most are ids of the other organism.
    """
    if kind == "symbol" and organism != "human":
        raise UserError(
            where,
            found=f"gene symbols of a {organism} data set",
            expected="Ensembl ids (only human symbols are known here)",
            todo="name a var column with Ensembl ids as gene_column and write 'gene_ids: ensembl'",
        )
    if kind == "symbol":
        spellings = gene_table().spellings
        ids = [spellings.get(name, "") for name in names]
    else:
        plain = [without_version(name) for name in names]
        _refuse_other_organism(plain, organism=organism, where=where)
        ids = [name if PATTERNS[organism].fullmatch(name) else "" for name in plain]
    if not any(ids):
        raise UserError(
            where,
            found=f"{len(names)} names such as {names[0]!r}, none of which is known" if names else "no genes",
            expected=f"{organism} "
            + ("symbols" if kind == "symbol" else "Ensembl ids such as ENSG00000141510"),
            todo="check gene_ids, gene_column and organism of the entry",
        )
    return ids


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


def collapsed(matrix: sparse.csr_matrix, ids: list[str]) -> tuple[sparse.csr_matrix, list[str], np.ndarray]:
    """Leave out columns without an id and sum columns that share one.

    Returns
    -------
    matrix
        (N, U) CSR of the same dtype, columns in the order in which their ids first appear.
    ids
        The U distinct ids.
    first
        (U,) column of the input in which each id first appears.
    """
    kept = np.flatnonzero([bool(gene) for gene in ids])
    codes, unique = pd.factorize(np.asarray(ids, dtype=object)[kept])
    first = kept[np.unique(codes, return_index=True)[1]]
    ones = np.ones(len(kept), dtype=matrix.dtype)
    gather = sparse.csr_matrix((ones, (kept, codes)), shape=(len(ids), len(unique)))
    result = sparse.csr_matrix(matrix @ gather)
    result.sort_indices()
    return result, [str(gene) for gene in unique], first
