"""The two sides of the speed comparison: each prepares once, and scores an embedding as often as asked."""

from collections.abc import Callable

import numpy as np

from bench.clouds import Clouds

Score = Callable[[], dict[str, float]]
PEER_NAMES = {
    "Isolated labels": "isolated_labels",
    "KMeans NMI": "nmi_kmeans",
    "KMeans ARI": "ari_kmeans",
    "Silhouette label": "silhouette_label",
    "cLISI": "clisi",
    "BRAS": "bras",
    "iLISI": "ilisi",
    "KBET": "kbet",
    "Graph connectivity": "graph_connectivity",
    "PCR comparison": "pcr_comparison",
    "Bio conservation": "bio_conservation",
    "Batch correction": "batch_correction",
    "Total": "scib_total",
}


def ours(given: Clouds, *, extended: bool) -> Score:
    """``metrics.scib``; extended by scGraph, OntoRWR and ROGI references made once a data set."""
    from metrics import scib

    more = _extended(given) if extended else dict

    def score() -> dict[str, float]:
        found = scib(given.Z, given.labels, given.batch, reference=given.reference)
        remarks = {f"{name} ±": error for name, error in found.errors.items()}
        if found.recall < 1:
            remarks["recall of neighbours"] = found.recall
        return dict(found.values) | remarks | more()

    return score


def _extended(given: Clouds) -> Score:
    from metrics import ontorwr_reference, rogi_labels, scgraph, scgraph_ontorwr, scgraph_reference

    names = np.unique(given.labels)
    # The reference standing in for expression: the consensus is made once a data set, not once an embedding.
    consensus = scgraph_reference(given.reference, given.batch, given.labels)
    tree = ontorwr_reference([(name, f"n{i // 2}") for i, name in enumerate(names)] + _stem(len(names)))

    def score() -> dict[str, float]:
        roughness = rogi_labels(given.Z, given.labels)
        return {
            "scgraph": scgraph(given.Z, given.labels, consensus).score,
            "scgraph_ontorwr": scgraph_ontorwr(given.Z, given.labels, tree).score,
            "rogi": roughness.rogi,
            "rogi_xd": roughness.rogi_xd,
        }

    return score


def _stem(n: int) -> list[tuple[str, str]]:
    return [(f"n{i}", "root") for i in range((n + 1) // 2)]


def peer(given: Clouds, *, extended: bool) -> Score:
    """The ``Benchmarker`` of scib-metrics with its default scores, neighbours included."""
    del extended  # it has no counterpart
    import anndata
    import pandas as pd
    from scib_metrics.benchmark import Benchmarker

    columns = {"label": pd.Categorical(given.labels), "batch": pd.Categorical(given.batch)}
    obs = pd.DataFrame(columns, index=np.arange(len(given.Z)).astype(str))
    cells = anndata.AnnData(np.zeros((len(obs), 1), dtype=np.float32), obs=obs)
    cells.obsm["Z"], cells.obsm["reference"] = given.Z, given.reference

    def score() -> dict[str, float]:
        run = Benchmarker(
            cells,
            batch_key="batch",
            label_key="label",
            embedding_obsm_keys=["Z"],
            pre_integrated_embedding_obsm_key="reference",
            n_jobs=2,
            progress_bar=False,
        )
        run.benchmark()
        found = run.get_results(min_max_scale=False).loc["Z"]
        return {ours: float(found[name]) for name, ours in PEER_NAMES.items()}

    return score


SIDES: dict[str, Callable[..., Score]] = {"sclitmus": ours, "scib-metrics": peer}
