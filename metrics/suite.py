"""The whole scIB set of one embedding: what its scores share is computed once, on all cores."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from metrics.acceptance import kbet
from metrics.checks import Floats, Undefined, codes
from metrics.clusters import nmi_ari_kmeans
from metrics.composites import batch_correction, bio_conservation, scib_total
from metrics.knn import KBET_K, LISI_K, Neighbors, connectivities
from metrics.mixing import clisi, graph_connectivity, ilisi, lisi_weights, pcr_comparison
from metrics.onepass import neighbors_and_sums
from metrics.peer import scib_metrics
from metrics.silhouettes import DistanceSums, bras, isolated_labels, silhouette_error, silhouette_label
from metrics.threads import side_by_side

Backend = Literal["sclitmus", "scib-metrics"]


@dataclass(frozen=True, eq=False)
class Embedded:
    """An embedding Z (N, D), a label and a batch of each cell; shared parts are made when first asked for."""

    Z: ArrayLike
    labels: ArrayLike
    batch: ArrayLike
    reference: ArrayLike | None = None

    @cached_property
    def _pass(self) -> tuple[Neighbors, DistanceSums]:
        return neighbors_and_sums(self.Z, self.labels)

    @property
    def neighbors(self) -> Neighbors:
        """The nearest 89 others of each cell; each score takes as many as it needs."""
        return self._pass[0]

    @property
    def sums(self) -> DistanceSums:
        """Distances to each type, summed: of all cells, or of a sample of many."""
        return self._pass[1]

    @cached_property
    def lisi_weights(self) -> Floats:
        """Weights of the nearest 89, for batches and types alike."""
        return lisi_weights(self.neighbors.at_most(LISI_K))

    @cached_property
    def fuzzy(self) -> sparse.csr_matrix:
        """Connectivities of the nearest 49."""
        return connectivities(self.neighbors.at_most(KBET_K))

    @cached_property
    def kmeans(self) -> tuple[float, float]:
        """NMI and ARI of k-means clusters."""
        return nmi_ari_kmeans(self.Z, self.labels)

    def kbet(self) -> float:
        """Acceptance by kBET."""
        return kbet(self.neighbors, self.labels, self.batch, graph=self.fuzzy)

    def pcr(self) -> float:
        """Principal component regression against the reference."""
        if self.reference is None:
            raise Undefined("no reference, the uncorrected PCA, was given")
        return pcr_comparison(self.reference, self.Z, self.batch)


SCORES: Mapping[str, Callable[[Embedded], float]] = {
    "isolated_labels": lambda e: isolated_labels(e.Z, e.labels, e.batch, sums=e.sums),
    "nmi_kmeans": lambda e: e.kmeans[0],
    "ari_kmeans": lambda e: e.kmeans[1],
    "silhouette_label": lambda e: silhouette_label(e.Z, e.labels, sums=e.sums),
    "clisi": lambda e: clisi(e.neighbors, e.labels, weights=e.lisi_weights),
    "bras": lambda e: bras(e.Z, e.labels, e.batch),
    "ilisi": lambda e: ilisi(e.neighbors, e.batch, weights=e.lisi_weights),
    "kbet": lambda e: e.kbet(),
    "graph_connectivity": lambda e: graph_connectivity(e.neighbors, e.labels),
    "pcr_comparison": lambda e: e.pcr(),
}
BIO = ("isolated_labels", "nmi_kmeans", "ari_kmeans", "silhouette_label", "clisi")
MIXING = ("bras", "ilisi", "kbet", "graph_connectivity", "pcr_comparison")


@dataclass(frozen=True)
class Scib:
    """Scores by the names of ``TABLE``; NaN where undefined, and ``reasons`` says why.

    ``errors`` are standard errors of scores that rest on a sample of the cells, ``recall`` the share of
    true neighbours found (1: the search was exact).
    """

    values: Mapping[str, float]
    reasons: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, float] = field(default_factory=dict)
    recall: float = 1.0


def scib(
    Z: ArrayLike,
    labels: ArrayLike,
    batch: ArrayLike,
    *,
    reference: ArrayLike | None = None,
    backend: Backend = "sclitmus",
) -> Scib:
    """Ten scores and three composites of Z (N, D), for labels and batch (N,) known for all cells.

    ``reference`` (N, P), the uncorrected PCA, is what PCR comparison asks for; without it that score and
    the composites on it are undefined. ``backend="scib-metrics"`` runs the original instead, ten times
    slower: docs/parity.md shows where the two differ and why. Exact up to
    200,000 cells, beyond that neighbours are approximate and silhouettes rest on 20,000 cells, unless
    there is a GPU. O(N² D). Source: 10.1038/s41592-021-01336-8, scib-metrics 0.5.10.
    """
    if backend == "scib-metrics":
        values = scib_metrics(Z, labels, batch, reference=reference)
        why = "scib-metrics gives no value here"
        return Scib(values, {name: why for name, value in values.items() if np.isnan(value)})
    if backend != "sclitmus":
        raise ValueError(f"unknown backend {backend!r}; known: sclitmus, scib-metrics")
    points = np.asarray(Z, dtype=np.float64)
    # Text is slow to sort: each score gets the places of the names instead.
    kind, source = codes(labels, what="label", n=len(points))[1], codes(batch, what="batch", n=len(points))[1]
    embedded = Embedded(points, kind, source, reference)
    values, reasons = _read_all(embedded)
    composites = _composites(values)
    reasons |= {name: "a part is undefined" for name, value in composites.items() if np.isnan(value)}
    if "silhouette_label" in reasons:
        return Scib(values | composites, reasons)
    error, recall = silhouette_error(embedded.sums), embedded.neighbors.recall
    return Scib(values | composites, reasons, {"silhouette_label": error} if error else {}, recall)


def _read_all(embedded: Embedded) -> tuple[dict[str, float], dict[str, str]]:
    """Values of ``SCORES``, NaN where undefined, and why; what takes long is done side by side."""
    values, reasons = dict.fromkeys(SCORES, np.nan), {}

    def read(name: str) -> None:
        try:
            values[name] = SCORES[name](embedded)
        except Undefined as why:
            reasons[name] = str(why)

    def make(part: str) -> None:
        with suppress(Undefined):  # said again by each score that asks for it
            getattr(embedded, part)

    make("neighbors")
    apart = ("pcr_comparison", "bras", "silhouette_label", "isolated_labels", "graph_connectivity")
    shared = (partial(make, part) for part in ("kmeans", "fuzzy", "lisi_weights"))
    side_by_side(*shared, *(partial(read, name) for name in apart))
    for name in [name for name in SCORES if name not in apart]:
        read(name)
    return values, reasons


def _composites(values: Mapping[str, float]) -> dict[str, float]:
    def of(combine: Callable[..., float], *parts: float) -> float:
        return np.nan if np.isnan(parts).any() else combine(*parts)

    bio = of(bio_conservation, *(values[name] for name in BIO))
    mixing = of(batch_correction, *(values[name] for name in MIXING))
    total = of(scib_total, bio, mixing)
    return {"bio_conservation": bio, "batch_correction": mixing, "scib_total": total}
