"""Contestants that are handed the truth: they bracket every metric from above, and are marked so."""

from typing import Self

import numpy as np
import pandas as pd

from contract.errors import NotApplicable, UserError
from models.cell_types import cell_ontology
from models.cells_file import Cells
from models.controls import normal
from models.options import JitterOptions
from models.registry import ADAPTERS


class _Told:
    """What is handed the truth and learns nothing; of the cells it needs only the names."""

    streams = True

    def __init__(self, options: JitterOptions, *, truth: pd.DataFrame, seed: int) -> None:
        self.options, self.truth, self.seed = options, truth, seed

    def fit(self, train: Cells, *, seed: int) -> Self:
        """Nothing to learn."""
        return self


class Oracle(_Told):
    """A corner of the unit cube for each true type, jittered.

    Cells without a label share one corner of their own.
    """

    card = ADAPTERS["oracle"].card

    def embed(self, cells: Cells) -> np.ndarray:
        """One-hot type plus jitter (N, types).

        Raises
        ------
        NotApplicable
            If no cell has a label.
        """
        labels = _labelled(self.truth, cells)["label"].fillna("").to_numpy(dtype=str)
        names, code = np.unique(labels, return_inverse=True)
        return _jittered(np.eye(len(names))[code], cells, options=self.options, seed=self.seed)


class OntologyOracle(_Told):
    """True types as points whose distances follow the Cell Ontology, jittered.

    Points come from classical scaling of the shortest ways between types along ``is_a`` edges,
    divided by the smallest that is not zero. A label without an ontology id gets a direction of
    its own, as far from all others as the farthest two types are from their centre.
    """

    card = ADAPTERS["ontology_oracle"].card

    def embed(self, cells: Cells) -> np.ndarray:
        """Points plus jitter (N, dimensions).

        Raises
        ------
        NotApplicable
            If no cell has a label, or fewer than two types have an ontology id.
        """
        truth = _labelled(self.truth, cells)
        unnamed = "label " + truth["label"].fillna("")
        identity = truth["ontology_id"].where(truth["ontology_id"].notna(), unnamed)
        names, code = np.unique(identity.to_numpy(dtype=str), return_inverse=True)
        terms = [name for name in names if not name.startswith("label ")]
        if len(terms) < 2:
            raise NotApplicable(f"{len(terms)} type(s) with an ontology id: no distances to follow")
        points = layout(ontology_distances(tuple(terms)))
        strangers = len(names) - len(terms)
        radius = np.linalg.norm(points, axis=1).max()
        corners = np.zeros((len(names), points.shape[1] + strangers))
        known = np.isin(names, terms)
        corners[known, : points.shape[1]] = points
        corners[~known, points.shape[1] :] = radius * np.eye(strangers)
        return _jittered(corners[code], cells, options=self.options, seed=self.seed)


def _labelled(truth: pd.DataFrame, cells: Cells) -> pd.DataFrame:
    rows = truth.reindex(cells.obs_names)
    missing = ~cells.obs_names.isin(truth.index)
    if missing.any():
        raise UserError("truth", found=f"no row for cell {cells.obs_names[missing][0]!r}", expected="one")
    if rows["label"].isna().all():
        raise NotApplicable("no cell has a label")
    return rows


def _jittered(points: np.ndarray, cells: Cells, *, options: JitterOptions, seed: int) -> np.ndarray:
    noise = normal(cells, width=points.shape[1], seed=seed)
    return (points + options.jitter * noise).astype(np.float32)


def layout(distance: np.ndarray) -> np.ndarray:
    """Classical scaling: points (T, C) whose Euclidean distances approach ``distance`` (T, T), smallest 1."""
    smallest = distance[distance > 0].min()
    squared = (distance / smallest) ** 2
    centred = squared - squared.mean(axis=0) - squared.mean(axis=1, keepdims=True) + squared.mean()
    values, vectors = np.linalg.eigh(-centred / 2)
    real = values > 1e-9 * values.max()
    return (vectors[:, real] * np.sqrt(values[real]))[:, ::-1]


def ontology_distances(terms: tuple[str, ...]) -> np.ndarray:
    """Fewest ``is_a`` edges between any two terms, walked in either direction, float (T, T).

    Raises
    ------
    UserError
        If the Cell Ontology has no such term.
    NotApplicable
        If no way joins two of them.
    """
    from scipy.sparse.csgraph import shortest_path

    known = cell_ontology()
    names, graph = known.row, known.parents
    unknown = [term for term in terms if term not in names]
    if unknown:
        raise UserError("truth", found=f"ontology id {unknown[0]!r}", expected="a live Cell Ontology term")
    rows = [names[term] for term in terms]
    steps = shortest_path(graph, directed=False, unweighted=True, indices=rows)[:, rows]
    if not np.isfinite(steps).all():
        raise NotApplicable("the ontology does not join all types of these cells")
    return steps
