"""Donors that several data sets hold: found by their cells, by their study, and joined into one.

A cell that was published twice, or another cell of its donor, must never be learned from and tested on.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from atlas.overlap import barcode, fingerprints, near_pairs, study_of

Unit = tuple[str, str]
"""Data set and unit, such as ``("kang", "donor:101")``."""
UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, eq=False)
class Own:
    """A prepared data set: its cells, the ``unit`` of each (N,) text or ``None``, and what it cites."""

    dataset: str
    cells: ad.AnnData
    unit: np.ndarray
    citation: str


@dataclass(frozen=True, kw_only=True)
class Joined:
    """``name_of`` each unit after joining; ``groups`` of more than one; cells that pairs of data sets share.

    The unit ``(data set, "unknown")`` stands for its cells of unknown units.
    """

    name_of: Mapping[Unit, str]
    groups: tuple[tuple[Unit, ...], ...]
    shared_cells: Mapping[str, int]


def join_donors(members: Iterable[Own]) -> Joined:
    """Join units that hold the same cell, or bear the same name in data sets of one study.

    Cells are the same by count fingerprint, or by barcode and near counts (``atlas.overlap``). Where
    two data sets share a cell or a study, cells of unknown units could be of any of their donors:
    all units of the two are one then.
    """
    members = list(members)
    links: list[tuple[Unit, Unit]] = []
    shared: dict[str, int] = {}
    for one, other in itertools.combinations(members, 2):
        mine, theirs = same_cells(one.cells, other.cells)
        shared[f"{one.dataset} and {other.dataset}"] = len(set(mine))
        units = zip(_units(one)[mine], _units(other)[theirs], strict=True)
        links += [((one.dataset, a), (other.dataset, b)) for a, b in dict.fromkeys(units)]
        same_study = study_of(one.citation) == study_of(other.citation)
        both = [{(own.dataset, unit) for unit in _units(own)} for own in (one, other)]
        if same_study:
            names = {unit for _, unit in both[0]} & {unit for _, unit in both[1]} - {UNKNOWN}
            links += [((one.dataset, name), (other.dataset, name)) for name in sorted(names)]
        if (len(mine) or same_study) and UNKNOWN in {unit for units in both for _, unit in units}:
            everybody = sorted(both[0] | both[1])
            links += list(itertools.pairwise(everybody))
    nodes = sorted({(own.dataset, unit) for own in members for unit in _units(own)})
    groups = _groups(nodes, links)
    name_of = {unit: "=".join(f"{d}:{u}" for d, u in group) for group in groups for unit in group}
    return Joined(name_of=name_of, groups=tuple(tuple(g) for g in groups if len(g) > 1), shared_cells=shared)


def same_cells(one: ad.AnnData, other: ad.AnnData) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of pairs of cells that are one cell, by the genes that both have (holds two matrices)."""
    genes = sorted(set(one.var_names) & set(other.var_names))
    mine, theirs = (sparse.csr_matrix(c.X)[:, c.var_names.get_indexer(genes)] for c in (one, other))
    tables = []
    for counts, side in ((mine, "mine"), (theirs, "theirs")):
        marks, comparable = fingerprints(counts, genes)
        table = pd.DataFrame({"mark": marks, side: np.arange(counts.shape[0])})
        tables.append(table[comparable])
    equal = tables[0].merge(tables[1], on="mark")
    codes = [pd.Series([barcode(name) for name in c.obs_names], dtype=object) for c in (one, other)]
    near = near_pairs(mine, theirs, *codes)
    return np.r_[equal["mine"].to_numpy(), near[0]], np.r_[equal["theirs"].to_numpy(), near[1]]


def _units(own: Own) -> np.ndarray:
    return np.array([UNKNOWN if unit is None else unit for unit in own.unit], dtype=object)


def _groups(nodes: list[Unit], links: Iterable[tuple[Unit, Unit]]) -> list[list[Unit]]:
    """Connected components, sorted."""
    place = {node: i for i, node in enumerate(nodes)}
    pairs = np.array([(place[a], place[b]) for a, b in links], dtype=np.intp).reshape(-1, 2)
    edges = sparse.coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(nodes),) * 2)
    _, code = sparse.csgraph.connected_components(edges, directed=False)
    return [[nodes[i] for i in np.flatnonzero(code == k)] for k in range(code.max(initial=-1) + 1)]


def told(joined: Joined) -> dict[str, Any]:
    """For the report: cells shared by each pair of data sets, and the units that were joined."""
    groups = [[f"{dataset}:{unit}" for dataset, unit in group] for group in joined.groups]
    return {"shared_cells": dict(joined.shared_cells), "joined_units": groups}
