"""Types of cells and what joins them, from the Cell Ontology that CELLxGENE pins."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

CONTINUE = 0.9
LEAST = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Ontology:
    """T live terms: ``row`` of each id, ``parents`` (T, T), child → parent, and the ``text`` of each."""

    row: dict[str, int]
    parents: sp.csr_array
    text: tuple[str, ...]


@cache
def cell_ontology() -> Ontology:
    """The pinned Cell Ontology (0.1 s)."""
    from cellxgene_ontology_guide.supported_versions import CXGSchema

    entries = CXGSchema().ontology("CL")
    live = sorted(term for term, entry in entries.items() if not entry.get("deprecated"))
    row = {term: i for i, term in enumerate(live)}
    edges = [
        (i, row[parent])
        for term, i in row.items()
        for parent, steps in entries[term].get("ancestors", {}).items()
        if steps == 1 and parent in row and parent != term
    ]
    child, parent = np.array(edges).T
    parents = sp.csr_array((np.ones(len(edges)), (child, parent)), shape=(len(row), len(row)))
    return Ontology(row, parents, tuple(entries[term]["label"] for term in live))


def below(terms: Sequence[str | None]) -> np.ndarray:
    """Whether the column's term is the row's or lies below it, bool (C, C); ``None`` below itself alone."""
    known, rows = _rows(terms)
    found = np.eye(len(terms), dtype=bool)
    parents = cell_ontology().parents
    reached = sp.csr_array(
        (np.ones(len(rows)), (np.arange(len(rows)), rows)), shape=(len(rows), parents.shape[0])
    )
    above = np.zeros(reached.shape, dtype=bool)
    while reached.nnz:
        above |= reached.toarray() > 0
        reached = sp.csr_array((reached @ parents) * ~above)
        reached.eliminate_zeros()
    found[np.ix_(known, known)] = above[:, rows].T
    return found


def nearness(terms: Sequence[str | None]) -> np.ndarray:
    """How near the column's term is to the row's, in whole levels, int64 (C, C), higher is nearer.

    The chance to be at the column's term on a walk along ``is_a`` edges, either way, that goes back to
    the row's with chance 0.1 at each step (personalised PageRank), in doublings above 10⁻⁴; 0 below
    that and where a term is not known. A type is nearest to itself. As scCello's, as far as
    described (DeepGraphLearning/scCello@767585b).
    """
    known, rows = _rows(terms)
    found = np.zeros((len(terms), len(terms)), dtype=np.int64)
    if len(rows):
        edges = cell_ontology().parents
        edges = edges + edges.T
        step = sp.csc_array(edges / np.maximum(edges.sum(axis=0), 1.0)[None, :])
        start = np.zeros((edges.shape[0], len(rows)))
        start[rows, np.arange(len(rows))] = 1 - CONTINUE
        chance = splu(sp.csc_matrix(sp.identity(len(start)) - CONTINUE * step)).solve(start)[rows].T
        levels = np.floor(np.log2(np.maximum(chance, LEAST / 2) / LEAST)).astype(np.int64) + 1
        found[np.ix_(known, known)] = np.maximum(levels, 0)
    np.fill_diagonal(found, found.max(initial=0) + 1)
    return found


def _rows(terms: Sequence[str | None]) -> tuple[np.ndarray, np.ndarray]:
    """Places of the terms that the ontology has, and their rows there."""
    row = cell_ontology().row
    known = np.array([i for i, term in enumerate(terms) if term in row], dtype=np.intp)
    return known, np.array([row[terms[i]] for i in known], dtype=np.intp)
