"""The same scores by scib-metrics, which they are known from: for parity, and for who wants the original."""

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from contract.errors import UserError
from metrics.checks import Floats, Ints, Undefined, codes, spread_out
from metrics.composites import batch_correction, bio_conservation, scib_total
from metrics.knn import GRAPH_K, KBET_K, LISI_K, Neighbors, with_self
from metrics.mixing import pcr_comparison


def scib_metrics(
    Z: ArrayLike,
    labels: ArrayLike,
    batch: ArrayLike,
    *,
    reference: ArrayLike | None = None,
    nearest: Neighbors | None = None,
) -> dict[str, float]:
    """Scores of Z (N, D) as scib-metrics 0.5.10 computes them, named as in ``TABLE``; labels, batch (N,).

    With ``nearest`` on our exact neighbours, else on its own approximate ones, 90 with the cell itself;
    ``reference`` (N, G), the uncorrected embedding, is what PCR comparison needs. NaN where a question has
    no answer (it answers some of them: docs/parity.md), in a composite as in its parts. Undefined where
    none has: all cells on one point, NaN coordinates. All in float32.
    Cost: O(N² D); the first call imports JAX, UMAP and numba (10 s) and compiles (a minute).
    Source: 10.1038/s41592-021-01336-8, YosefLab/scib-metrics@5e78759.
    """
    points = spread_out(Z)
    kinds, kind = codes(labels, what="label", n=len(points))
    sources, source = codes(batch, what="batch", n=len(points))
    types, batches = kinds[kind], sources[source]
    peer = package()
    wide = _own_neighbors(points) if nearest is None else as_results(nearest.at_most(LISI_K))

    def narrow(k: int) -> Any:
        return wide.subset_neighbors(min(k + 1, wide.n_neighbors))

    two_types, two_batches = len(kinds) > 1, len(sources) > 1
    asked: dict[str, tuple[bool, Callable[[], float]]] = {
        "isolated_labels": (two_types, lambda: peer.isolated_labels(points, types, batches)),
        "silhouette_label": (two_types, lambda: peer.silhouette_label(points, types)),
        "clisi": (two_types and len(points) > 2, lambda: peer.clisi_knn(wide, types)),
        "bras": (_has_bras(points, kind, source), lambda: peer.bras(points, types, batches)),
        "ilisi": (two_batches and len(points) > 2, lambda: peer.ilisi_knn(wide, batches)),
        "kbet": (two_batches, lambda: peer.kbet_per_label(narrow(KBET_K), batches, types)),
        "graph_connectivity": (two_types, lambda: peer.graph_connectivity(narrow(GRAPH_K), types)),
        "pcr_comparison": (
            _has_pcr(reference, points, batches),
            lambda: peer.pcr_comparison(np.asarray(reference), points, batches, categorical=True),
        ),
    }
    scores = {name: float(call()) if can else np.nan for name, (can, call) in asked.items()}
    clusters = {"nmi": np.nan, "ari": np.nan}
    if two_types and len(kinds) < len(points):
        clusters = peer.nmi_ari_cluster_labels_kmeans(points, types)
    return _with_totals(scores | {f"{name}_kmeans": float(value) for name, value in clusters.items()})


def package() -> ModuleType:
    """Import scib-metrics, 10 s the first time; UserError where it is not installed."""
    try:
        return import_module("scib_metrics")
    except ModuleNotFoundError as missing:
        raise UserError(
            'backend="scib-metrics"',
            found=f"no module {missing.name!r}",
            expected="scib-metrics 0.5.10 or newer",
            todo="pip install scib-metrics",
        ) from None


def as_results(nearest: Neighbors) -> Any:
    """Our neighbours as its ``NeighborsResults``: the cell itself first, at distance 0."""
    distances = np.hstack([np.zeros((nearest.n, 1)), nearest.distances])
    return import_module("scib_metrics.nearest_neighbors").NeighborsResults(with_self(nearest), distances)


def _own_neighbors(points: Floats) -> Any:
    search = import_module("scib_metrics.nearest_neighbors").pynndescent
    return search(points, n_neighbors=min(LISI_K + 1, len(points)), random_state=0)


def _has_bras(points: Floats, kind: Ints, source: Ints) -> bool:
    """Whether a type has cells in 2 batches, fewer batches than cells, and a direction for each cell."""
    pairs = np.unique(np.column_stack([kind, source]), axis=0)
    n_batches, n_cells = np.bincount(pairs[:, 0]), np.bincount(kind)
    counted = ((n_batches > 1) & (n_batches < n_cells))[kind]
    return bool(counted.any() and points[counted].any(axis=1).all())


def _has_pcr(reference: ArrayLike | None, points: Floats, batches: ArrayLike) -> bool:
    return reference is not None and not np.isnan(_or_nan(pcr_comparison, reference, points, batches))


def _with_totals(scores: dict[str, float]) -> dict[str, float]:
    """Add what is averaged; a part that is missing is missed, where the original skips it."""
    bio = [scores[n] for n in ("isolated_labels", "nmi_kmeans", "ari_kmeans", "silhouette_label", "clisi")]
    mixed = [scores[n] for n in ("bras", "ilisi", "kbet", "graph_connectivity", "pcr_comparison")]
    means = {
        "bio_conservation": _or_nan(bio_conservation, *bio),
        "batch_correction": _or_nan(batch_correction, *mixed),
    }
    return scores | means | {"scib_total": _or_nan(scib_total, *means.values())}


def _or_nan(score: Callable[..., float], *parts: Any) -> float:
    try:
        return score(*parts)
    except Undefined:
        return np.nan
