"""Cells that are scored, and what several metrics of an embedding share."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

import metrics
from tasks.cells import Cells
from tasks.knowledge import Knowledge


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """Cells that have all a metric needs; what several metrics share is computed once.

    ``starts`` gives the centers (S, L, D) that k-means starts from, where a unit of a larger set is left out.
    """

    Z: np.ndarray
    cells: Cells
    knowledge: Knowledge
    starts: Callable[[], np.ndarray] | None = None

    def text(self, column: str) -> np.ndarray:
        """A column that is known for all cells of this view, as fixed-width text (N,)."""
        return getattr(self.cells, column).astype(str)

    @cached_property
    def label(self) -> np.ndarray:
        """(N,) text."""
        return self.text("label")

    @cached_property
    def batch(self) -> np.ndarray:
        """(N,) text."""
        return self.text("batch")

    @cached_property
    def _pass(self) -> tuple[metrics.Neighbors, metrics.DistanceSums | None]:
        if self.cells.known("label").all():
            return metrics.neighbors_and_sums(self.Z, self.label)
        return metrics.neighbors(self.Z), None

    @property
    def neighbors(self) -> metrics.Neighbors:
        """Nearest others of each cell; each metric takes as many as it needs."""
        return self._pass[0]

    @property
    def sums(self) -> metrics.DistanceSums:
        """Distances of each cell to each type, summed; asked for only where all labels are known."""
        return self._pass[1]

    @cached_property
    def lisi_weights(self) -> np.ndarray:
        """Weights of the neighbours, for batches and types alike."""
        return metrics.lisi_weights(self.neighbors)

    @cached_property
    def kmeans(self) -> metrics.KMeansAgreement:
        """How k-means clusters agree with the types."""
        centers = None if self.starts is None else self.starts()
        return metrics.kmeans_agreement(self.Z, self.label, centers=centers)

    @cached_property
    def leiden(self) -> tuple[float, float]:
        """NMI and ARI of the Leiden clusters that fit the labels best."""
        return metrics.nmi_ari_leiden(self.neighbors, self.label)

    @cached_property
    def ontorwr(self) -> metrics.OntoRwr:
        """Agreement with distances along the ontology."""
        return metrics.scgraph_ontorwr(self.Z, self.text("ontology_id"), self.knowledge.reference)

    @cached_property
    def scgraph(self) -> metrics.ScGraph:
        """Agreement with distances of types inside single batches."""
        return metrics.scgraph(self.Z, self.label, self.knowledge.consensus)

    @cached_property
    def roughness(self) -> metrics.RogiLabels:
        """Roughness of the types over the embedding, one against the rest."""
        return metrics.rogi_labels(self.Z, self.label)
