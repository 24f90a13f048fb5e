"""``python -m atlas overlap``: did a corpus hold cells, donors or the study of a data set?

Three kinds of evidence, from weak to strong: cell names (barcodes are drawn from a
finite list, so that some coincide by chance), the study that the catalogue cites, and
count fingerprints: two cells with the same counts of all genes that both data sets
measured are one cell. A cell that another pipeline counted anew has other counts of
some genes: it is found by its barcode and the many counts that still agree.
"""

import argparse
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from atlas.corpus import measured_column
from contract.errors import UserError
from contract.files import read_json, read_table, write_json

ROWS = 4096
"""Cells that are read at once."""
LEAST_GENES = 20
"""A cell with fewer shared genes above 0 has no fingerprint: small ones coincide."""
BARCODES = 737_280
"""Length of the shortest list that 10x barcodes are drawn from (v1 and v2 chemistry)."""
ALIKE = 0.8
"""Share of equal counts from which two cells of one barcode are one cell.

Seen in the three files that share cells of Kang 2018: 0.99 and more; by chance 0.13 at most."""
_BARCODE = re.compile(r"(?<![A-Z])[ACGT]{14,16}(?![A-Z])")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """(N,) per target cell, what the corpus has of it.

    Its ``name``; its ``barcode``; a cell with that barcode and nearly the same counts (``alike``);
    a cell with its ``fingerprint``; and whether it has one at all (``comparable``).
    """

    name: np.ndarray
    barcode: np.ndarray
    alike: np.ndarray
    fingerprint: np.ndarray
    comparable: np.ndarray


def fingerprints(counts: sparse.csr_matrix, genes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Hash each cell's counts: the same counts of the same genes give the same number.

    Parameters
    ----------
    counts
        (N, G) CSR counts.
    genes
        The G gene ids; their order has no influence.

    Returns
    -------
    hashes
        (N,) uint64; two different cells share one with a chance of about 2⁻⁶⁴.
    comparable
        (N,) whether at least 20 genes are above 0.
    """
    order = np.argsort(genes)
    weights = np.empty(len(genes), dtype=np.uint64)
    weights[order] = np.random.default_rng(0).integers(0, 2**64, len(genes), dtype=np.uint64)
    terms = weights[counts.indices] * counts.data.astype(np.uint64)
    ends = np.zeros(len(terms) + 1, dtype=np.uint64)  # never float64, which would round the sums
    np.cumsum(terms, out=ends[1:])
    hashes = ends[counts.indptr[1:]] - ends[counts.indptr[:-1]]
    above = np.diff(sparse.csr_matrix(counts > 0).indptr)
    return hashes, above >= LEAST_GENES


def find_evidence(corpus: ad.AnnData, target: ad.AnnData) -> Evidence:
    """Look for each of the N target cells in the corpus, member by member.

    Both may be open on their files (``backed``): held are then some thousand cells of each, and names and
    hashes of all. Each is read once a member, and cells whose barcode both have once more.
    """
    dataset = corpus.obs["dataset"].to_numpy(dtype=str)
    names = np.array([name.partition(":")[2] for name in corpus.obs_names], dtype=object)
    my_codes, their_codes = _barcodes(target.obs_names), _barcodes(names)
    found = {key: np.zeros(target.n_obs, dtype=bool) for key in ("fingerprint", "alike", "comparable")}
    for member in np.unique(dataset):
        rows = np.flatnonzero(dataset == member)
        measured = corpus.var_names[corpus.var[measured_column(member)].to_numpy(dtype=bool)]
        genes = sorted(set(measured) & set(target.var_names))
        mine = _Counted(target.X, target.var_names.get_indexer(genes), my_codes)
        theirs = _Counted(corpus.X, corpus.var_names.get_indexer(genes), their_codes)
        my_hash, my_ok = _hashes(mine, np.arange(target.n_obs), genes)
        their_hash, their_ok = _hashes(theirs, rows, genes)
        found["comparable"] |= my_ok
        found["fingerprint"] |= my_ok & np.isin(my_hash, their_hash[their_ok])
        found["alike"] |= _alike(mine, theirs, rows)
    return Evidence(
        name=target.obs_names.isin(names),
        barcode=my_codes.isin(their_codes.dropna()).to_numpy(),
        **found,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Counted:
    """``counts`` (N, G) in memory or on disk, the ``columns`` that count, barcodes (N,) of the cells."""

    counts: Any
    columns: np.ndarray
    codes: pd.Series

    def take(self, rows: np.ndarray) -> sparse.csr_matrix:
        """Counts of ascending ``rows``; those that lie near each other are read in one piece."""
        near = np.split(rows, np.flatnonzero(np.diff(rows // ROWS)) + 1)
        read = [sparse.csr_matrix(self.counts[int(a[0]) : int(a[-1]) + 1])[a - a[0]] for a in near]
        return sparse.vstack(read, format="csr")[:, self.columns]


def _some(rows: np.ndarray) -> Iterator[np.ndarray]:
    """The rows, some thousand at a time."""
    for start in range(0, len(rows), ROWS):
        yield rows[start : start + ROWS]


def _hashes(cells: _Counted, rows: np.ndarray, genes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """``fingerprints`` of some rows, a block at a time."""
    hashes, comparable = np.zeros(len(rows), dtype=np.uint64), np.zeros(len(rows), dtype=bool)
    for places in _some(np.arange(len(rows))):
        hashes[places], comparable[places] = fingerprints(cells.take(rows[places]), genes)
    return hashes, comparable


def _alike(mine: _Counted, theirs: _Counted, rows: np.ndarray) -> np.ndarray:
    """(N,) whether one of their ``rows`` has the same barcode and nearly the same counts."""
    result = np.zeros(len(mine.codes), dtype=bool)
    codes = theirs.codes.iloc[rows].dropna()
    for own in _some(np.flatnonzero(mine.codes.isin(codes))):
        block, wanted = mine.take(own), codes.index[codes.isin(mine.codes.iloc[own])].to_numpy()
        for some in _some(wanted):
            pairs = near_pairs(block, theirs.take(some), mine.codes.iloc[own], theirs.codes.iloc[some])
            result[own[pairs[0]]] = True
    return result


def near_pairs(
    mine: sparse.csr_matrix, theirs: sparse.csr_matrix, my_codes: pd.Series, their_codes: pd.Series
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of pairs of cells of one barcode with the same counts of 80% of the genes above 0 in either."""
    left = pd.DataFrame({"code": my_codes.to_numpy(), "mine": np.arange(len(my_codes))}).dropna()
    right = pd.DataFrame({"code": their_codes.to_numpy(), "theirs": np.arange(len(their_codes))}).dropna()
    pairs = left.merge(right, on="code")
    a, b = mine[pairs["mine"].to_numpy()], theirs[pairs["theirs"].to_numpy()]
    either, differ = np.diff(sparse.csr_matrix(a + b).indptr), np.diff(sparse.csr_matrix(a != b).indptr)
    same = (either >= LEAST_GENES) & (differ <= (1 - ALIKE) * either)
    return pairs["mine"].to_numpy()[same], pairs["theirs"].to_numpy()[same]


def _barcodes(names: Iterable[str]) -> pd.Series:
    return pd.Series([barcode(name) for name in names], dtype=object)


def barcode(name: str) -> str | None:
    """Return the first run of 14 to 16 letters A, C, G, T in a cell's name; ``None`` where it has none."""
    found = _BARCODE.search(name)
    return found.group() if found else None


def overlap(
    corpus: ad.AnnData,
    facts: dict[str, Any],
    *,
    target: ad.AnnData,
    parts: np.ndarray,
    report: dict[str, Any],
) -> dict[str, Any]:
    """Say what a corpus shares with a data set: ``overlap-<dataset>.json``.

    ``exposure`` is ``test_cells_seen`` (cells of part ``test``, which scores are about, found by
    their counts, by barcode and near counts, or by data set and name), ``study_shared`` (the
    same data set or citation, other cells of it, or more barcodes than chance gives) or ``none``.
    """
    evidence = find_evidence(corpus, target)
    dataset = report["dataset"]
    same_dataset = dataset in facts["datasets"]
    studies = {study_of(citation) for citation in facts["studies"]}
    same_study = study_of(report["citation"]) in studies
    theirs = {name.partition(":")[2] for name in facts["donors"]}
    donors = sorted(theirs & set(target.obs["donor"])) if same_study else []
    own = pd.Index([f"{dataset}:{name}" for name in target.obs_names], dtype=object)
    known = own.isin(corpus.obs_names)
    known |= evidence.fingerprint | evidence.alike
    expected = _by_chance(corpus, target)
    exposure, reason = _verdict(
        seen_in_test=int(known[parts == "test"].sum()),
        seen_elsewhere=int(known[parts != "test"].sum()),
        same_study=same_dataset or same_study,
        barcodes=int(evidence.barcode.sum()),
        expected=expected,
    )
    return {
        "corpus": facts["name"],
        "corpus_sha256": facts["sha256"],
        "dataset": dataset,
        "same_dataset": same_dataset,
        "same_study": same_study,
        "donors": donors,
        "barcodes_expected_by_chance": expected,
        "cells": {
            part: _counts(evidence, known, parts == part) for part in sorted(set(parts) | {"train", "test"})
        },
        "exposure": exposure,
        "reason": reason,
    }


def _verdict(
    *, seen_in_test: int, seen_elsewhere: int, same_study: bool, barcodes: int, expected: float
) -> tuple[str, str]:
    if seen_in_test:
        return "test_cells_seen", f"{seen_in_test} test cells are in the corpus"
    if seen_elsewhere:
        return (
            "study_shared",
            f"no test cell, but {seen_elsewhere} other cells of the data set are in the corpus",
        )
    if same_study:
        return "study_shared", "the corpus holds other cells of the same study"
    if barcodes > expected + 5 * np.sqrt(expected) + 3:
        return (
            "study_shared",
            f"{barcodes} cell barcodes are in the corpus, {expected:.1f} expected by chance",
        )
    return "none", "no cell, donor or study is shared, as far as ids, barcodes and counts tell"


def _counts(evidence: Evidence, known: np.ndarray, mask: np.ndarray) -> dict[str, Any]:
    n = int(mask.sum())
    found = {
        "same_name": evidence.name,
        "same_barcode": evidence.barcode,
        "same_barcode_and_near_counts": evidence.alike,
        "same_counts": evidence.fingerprint,
        "in_corpus": known,
    }
    counts: dict[str, Any] = {key: int(values[mask].sum()) for key, values in found.items()}
    share = counts["in_corpus"] / n if n else None
    return {"n": n, "comparable": int(evidence.comparable[mask].sum()), **counts, "share_in_corpus": share}


def _by_chance(corpus: ad.AnnData, target: ad.AnnData) -> float:
    theirs = _barcodes(name.partition(":")[2] for name in corpus.obs_names)
    return float(_barcodes(target.obs_names).notna().sum() * theirs.nunique() / BARCODES)


def study_of(citation: str) -> str:
    """A citation without the prefixes of a DOI, in small letters: equal for one study."""
    return re.sub(r"^(https?://(dx\.)?doi\.org/|doi:)", "", citation.strip().lower())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``overlap``."""
    parser.add_argument("--corpus", type=Path, required=True, help="folder of atlas corpus")
    parser.add_argument("--dataset-dir", type=Path, required=True, help="folder of atlas prepare")
    parser.add_argument("--out", type=Path, required=True, help="where to write overlap-<dataset>.json")


def main(args: argparse.Namespace) -> int:
    """Compare a corpus with a prepared data set."""
    for path in (args.corpus / "corpus.json", args.dataset_dir / "report.json"):
        if not path.is_file():
            raise UserError(str(path), found="no such file", todo="run atlas corpus and atlas prepare first")
    result = overlap(
        ad.read_h5ad(args.corpus / "cells.h5ad", backed="r"),
        read_json(args.corpus / "corpus.json"),
        target=ad.read_h5ad(args.dataset_dir / "cells.h5ad", backed="r"),
        parts=read_table(args.dataset_dir / "split.parquet")["part"].to_numpy(dtype=str),
        report=read_json(args.dataset_dir / "report.json"),
    )
    write_json(args.out, result)
    print(f"{result['corpus']} and {result['dataset']}: {result['exposure']}: {result['reason']}")
    return 0
