"""Scores as pure functions of arrays, and the table that says what each one is.

``from metrics import neighbors, ilisi, TABLE`` works for every name below; a
module is loaded when one of its names is first asked for, so that the table
costs no scipy.
"""

import importlib

_HOMES = {
    "metrics.checks": ("Undefined",),
    "metrics.row": ("Metric",),
    "metrics.table": ("TABLE",),
    "metrics.knn": ("Neighbors", "neighbors", "connectivities"),
    "metrics.silhouettes": (
        "DistanceSums",
        "bras",
        "distance_sums",
        "isolated_labels",
        "silhouette_batch",
        "silhouette_error",
        "silhouette_label",
        "silhouette_samples",
    ),
    "metrics.mixing": (
        "cilisi",
        "clisi",
        "graph_connectivity",
        "ilisi",
        "lisi",
        "lisi_weights",
        "pcr_comparison",
    ),
    "metrics.onepass": ("neighbors_and_sums",),
    "metrics.suite": ("Scib", "scib"),
    "metrics.acceptance": ("kbet", "kbet_per_label"),
    "metrics.clusters": ("KMeansAgreement", "kmeans_agreement", "nmi_ari_kmeans", "nmi_ari_leiden"),
    "metrics.composites": (
        "avg_batch",
        "avg_bio",
        "batch_correction",
        "bio_conservation",
        "scib_total",
        "scibe_total",
    ),
    "metrics.centroids": (
        "ScGraph",
        "ScGraphReference",
        "scgraph",
        "scgraph_reference",
        "scgraph_reference_of",
    ),
    "metrics.walk": ("OntoReference", "OntoRwr", "cosines", "ontorwr_reference", "scgraph_ontorwr"),
    "metrics.ancestry": ("Lcad", "OntologyGraph", "lcad"),
    "metrics.roughness": ("RogiLabels", "RogiProperty", "rogi", "rogi_labels", "rogi_property", "rogi_xd"),
    "metrics.structure": (
        "DistancesKept",
        "distance_correlation",
        "distance_emd",
        "distances_kept",
        "intra_type_conservation",
        "knn_preservation",
        "szekely_correlation",
    ),
    "metrics.answers": (
        "accuracy",
        "aupr",
        "auroc",
        "balanced_accuracy",
        "expected_calibration_error",
        "fpr95",
        "kappa",
        "macro_f1",
    ),
    "metrics.perturbation": (
        "additive_effect",
        "centroid_accuracy",
        "delta_overlap",
        "l2",
        "mse",
        "pearson_delta",
        "systematic_variation",
        "top_expressed",
    ),
    "metrics.ranking": ("RankSet", "pareto_fronts", "rank_sets"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'metrics' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
