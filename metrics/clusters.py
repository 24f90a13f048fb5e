"""Do clusters found without labels match the labels?"""

import random
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import igraph
import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from metrics.checks import Floats, Ints, Singles, Undefined, codes, spread_out
from metrics.knn import GRAPH_K, Neighbors, connectivities
from metrics.threads import in_blocks

STARTS, START_CELLS = 10, 10_000
KEPT = 3  # of the starts, to go on from
RESOLUTIONS = tuple(round(0.1 * step, 1) for step in range(1, 21))


@dataclass(frozen=True)
class KMeansAgreement:
    """``nmi`` (0 to 1) and ``ari`` (-0.5 to 1) of labels and k-means clusters: 1 best, about 0 by chance.

    ``centers`` (S, L, D): where the best three starts ended, the best first; one, from 20,000 cells on.
    """

    nmi: float
    ari: float
    centers: Floats


def kmeans_agreement(
    Z: ArrayLike, labels: ArrayLike, *, seed: int = 0, centers: Floats | None = None
) -> KMeansAgreement:
    """Labels (N,) against k-means clusters of Z (N, D), k = number of labels.

    Best of 10 starts, from 20,000 cells on made on a seeded sample of 10,000 and carried on with all; or of
    starts at ``centers``, which a jackknife takes from the whole set: it counts what starts of its own would
    add to a left-out unit's value n - 1 times. Centers of another number of clusters are not used.
    Undefined with one label or all cells on one point. O(N D L). Source: scib-metrics 0.5.10.
    """
    points = spread_out(Z)
    names, own = codes(labels, what="label", n=len(points), at_least=2)
    if len(names) == len(points):
        raise Undefined("every cell has a label of its own")
    middle = points.mean(axis=0)
    centred = (points - middle).astype(np.float32)
    known = centers is not None and centers.shape[1] == len(names)
    with warnings.catch_warnings():
        # Fewer distinct points than labels: fewer clusters are then the right answer.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fits = _from(centers - middle, centred) if known else _from_anywhere(centred, len(names), seed)
    ended = np.stack([fit.cluster_centers_ for fit in fits[:KEPT]]) + middle
    return KMeansAgreement(*_agreement(own, fits[0].labels_), centers=ended)


def nmi_ari_kmeans(Z: ArrayLike, labels: ArrayLike, *, seed: int = 0) -> tuple[float, float]:
    """NMI and ARI alone of ``kmeans_agreement``."""
    found = kmeans_agreement(Z, labels, seed=seed)
    return found.nmi, found.ari


def _from_anywhere(points: Singles, k: int, seed: int) -> list[KMeans]:
    """Fits from seeded starts, the best first; many cells are started from a sample of them."""
    random = np.random.default_rng(seed)
    many = len(points) >= 2 * START_CELLS
    sample = points[random.choice(len(points), max(START_CELLS, 10 * k), replace=False)] if many else points
    seeds, starts = random.integers(2**31, size=STARTS), [None] * STARTS

    def spread(one: slice) -> None:
        starts[one.start] = _spread_centers(sample, k, np.random.default_rng(seeds[one.start]))

    in_blocks(STARTS, 1, spread)
    fits = _from(starts, sample)
    return _from([fits[0].cluster_centers_], points) if many else fits


def _from(starts: Sequence[Floats], points: Singles) -> list[KMeans]:
    """Fits to points (N, D) from each of some centers (L, D), the best first."""
    fits: list[KMeans] = [None] * len(starts)

    def fit(one: slice) -> None:
        init = starts[one.start].astype(np.float32)
        fits[one.start] = KMeans(len(init), n_init=1, init=init).fit(points)

    # More threads within a fit add up in another order: they are each for a fit of its own.
    in_blocks(len(starts), 1, fit)
    return sorted(fits, key=lambda fit: fit.inertia_)


def _spread_centers(points: Singles, k: int, random: np.random.Generator) -> Singles:
    """Greedy k-means++ as in scikit-learn, whose checks take longer than a few hundred cells do.

    Of 2 + log k points, each drawn in proportion to its squared distance to the nearest center, the one
    that brings the points closest is the next. Source: 10.5555/1283383.1283494.
    """
    norms = np.einsum("nd,nd->n", points, points)
    chosen = [random.integers(len(points))]
    nearest = np.maximum(norms + norms[chosen[0]] - 2 * (points @ points[chosen[0]]), 0)
    while len(chosen) < k:
        shares = np.cumsum(nearest, dtype=np.float64)
        drawn = np.searchsorted(shares, random.random(2 + int(np.log(k))) * shares[-1])
        tried = np.minimum(drawn, len(points) - 1)
        squares = norms + norms[tried][:, None] - 2 * (points[tried] @ points.T)
        closer = np.minimum(np.maximum(squares, 0), nearest)
        best = closer.sum(axis=1).argmin()
        chosen.append(tried[best])
        nearest = closer[best]
    return points[chosen]


def nmi_ari_leiden(nearest: Neighbors, labels: ArrayLike, *, seed: int = 0) -> tuple[float, float]:
    """NMI and ARI of the Leiden clustering whose resolution (0.1 to 2.0) has the best NMI with the labels.

    On UMAP connectivities of the nearest 14 (15 with the cell itself). Label-optimised, hence optimistic.
    Undefined with one label or where all neighbours lie at distance 0. Source: 10.1038/s41592-021-01336-8.
    """
    names, own = codes(labels, what="label", n=nearest.n, at_least=2)
    if len(names) == nearest.n:
        raise Undefined("every cell has a label of its own")
    if not nearest.distances.any():
        raise Undefined("all neighbours lie at distance 0")
    graph = _graph(connectivities(nearest.at_most(GRAPH_K)))
    scores = [_agreement(own, _leiden(graph, resolution, seed)) for resolution in RESOLUTIONS]
    return max(scores, key=lambda pair: pair[0])


def _graph(weights: sparse.csr_matrix) -> igraph.Graph:
    upper = sparse.triu(weights, k=1).tocoo()
    edges = np.column_stack([upper.row, upper.col])
    return igraph.Graph(n=weights.shape[0], edges=edges, edge_attrs={"weight": upper.data.tolist()})


def _leiden(graph: igraph.Graph, resolution: float, seed: int) -> Ints:
    igraph.set_random_number_generator(random.Random(seed))
    try:
        found = graph.community_leiden("modularity", weights="weight", resolution=resolution)
    finally:
        igraph.set_random_number_generator(random)
    return np.asarray(found.membership)


def _agreement(truth: Ints, found: Ints) -> tuple[float, float]:
    return float(normalized_mutual_info_score(truth, found)), float(adjusted_rand_score(truth, found))
