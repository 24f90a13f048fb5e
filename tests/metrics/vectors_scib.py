"""What the vectors of scib_metrics.json and structure.json are compared with."""

import numpy as np
import pytest

import metrics
from metrics import Undefined, neighbors
from metrics.acceptance import fair_draw, kbet_per_label
from metrics.knn import with_self
from metrics.mixing import connected_shares, explained_by
from metrics.silhouettes import batch_silhouettes, distance_sums, silhouette_samples
from metrics.structure import edge_jaccard, knn_jaccard, szekely_correlation, trustworthiness


def arrays(inputs: dict) -> tuple[np.ndarray, ...]:
    return tuple(np.array(inputs[key]) for key in ("X", "X_pre", "labels", "batch"))


def main_150x5(case, check) -> None:
    Z, before, labels, batch = arrays(case["inputs"])
    assert case["inputs"]["k"] == {"lisi": 90, "kbet": 50, "graph_connectivity": 15}
    near = neighbors(Z, 89)
    draw = fair_draw(with_self(near.take(49)), np.unique(batch, return_inverse=True)[1])
    lisi = metrics.lisi(near, batch)
    ours = {
        "silhouette_label": metrics.silhouette_label(Z, labels),
        "silhouette_label_cosine": metrics.silhouette_label(Z, labels, metric="cosine"),
        "silhouette_batch": metrics.silhouette_batch(Z, labels, batch),
        "bras_cosine_mean_other": metrics.bras(Z, labels, batch),
        "bras_euclidean_mean_other": metrics.bras(Z, labels, batch, metric="euclidean"),
        "bras_cosine_furthest": metrics.bras(Z, labels, batch, between="furthest"),
        "isolated_labels": metrics.isolated_labels(Z, labels, batch),
        "isolated_labels_threshold_2": metrics.isolated_labels(Z, labels, batch, iso_threshold=2),
        "ilisi_knn_90": metrics.ilisi(near, batch),
        "clisi_knn_90": metrics.clisi(near, labels),
        "ilisi_knn_30": metrics.ilisi(near.take(29), batch),
        "ilisi_unscaled_90": np.median(lisi),
        "graph_connectivity_15": metrics.graph_connectivity(near, labels),
        "kbet_50_acceptance": draw.acceptance,
        "kbet_50_stat_mean": draw.statistic.mean(),
        "kbet_50_p_mean": draw.p_value.mean(),
        "pcr_comparison_categorical": metrics.pcr_comparison(before, Z, batch),
        "pcr_comparison_numeric_default": metrics.pcr_comparison(before, Z, batch, categorical=False),
        "pcr_pre_categorical": explained_by(before, batch),
    }
    check(ours, case["expected"], case["tolerance"])
    check(ours, case["reference_float64"], 1e-9)
    check(variants_of(Z, labels, batch), case["variants"], 1e-4)
    approximate = case["approximate"]["values"]
    near_enough = {
        "kbet_per_label_50": metrics.kbet(near, labels, batch),
        "kbet_per_label_per_cluster": kbet_per_label(near, labels, batch),
        **dict(zip(("nmi_leiden_15", "ari_leiden_15"), metrics.nmi_ari_leiden(near, labels), strict=True)),
    }
    # One start of k-means, as the peer takes, spreads widely here: the best of ten must do no worse.
    nmi, ari = metrics.nmi_ari_kmeans(Z, labels)
    assert nmi >= approximate.pop("nmi_kmeans") - 0.05
    assert ari >= approximate.pop("ari_kmeans") - 0.05
    check(near_enough, approximate, 0.05)


def variants_of(Z, labels, batch) -> dict[str, object]:
    near = neighbors(Z, 89)
    samples = silhouette_samples(distance_sums(Z, labels))
    return {
        "graph_connectivity_weak": weak_connectivity(near.take(14), labels),
        "graph_connectivity_per_label": connected_shares(near, labels),
        "isolated_per_label": {name: (samples[labels == name].mean() + 1) / 2 for name in "ef"},
        "bras_per_label": batch_silhouettes(Z, labels, batch),
        "silhouette_samples_first10": samples[:10],
        "lisi_batch_first10": metrics.lisi(near, batch)[:10],
    }


def weak_connectivity(near, labels) -> float:
    """The undirected form that scib takes, by networkx: ours must be its strong sister."""
    networkx = pytest.importorskip("networkx")
    shares = []
    for name in np.unique(labels):
        inside = np.flatnonzero(labels == name)
        graph = networkx.Graph()
        graph.add_nodes_from(inside)
        graph.add_edges_from((i, j) for i in inside for j in near.indices[i] if labels[j] == name)
        shares.append(max(map(len, networkx.connected_components(graph))) / len(inside))
    return float(np.mean(shares))


def graph_connectivity_k4(case, check, main) -> None:
    Z, _, labels, _ = arrays(main["inputs"])
    assert case["inputs"] == {"same_as": "main_150x5", "k": 4}
    near = neighbors(Z, 3)
    strong = metrics.graph_connectivity(near, labels)
    ours = {"strong_directed": strong, "weak": weak_connectivity(near, labels), "scib_metrics": strong}
    check(ours, case["expected"], case["tolerance"])


def aggregation(case, check) -> None:
    bio, batch = case["inputs"]["bio"], case["inputs"]["batch"]
    ours = {
        "scib_total": metrics.scib_total(metrics.bio_conservation(*bio), metrics.batch_correction(*batch)),
        "avg_bio_scgpt_of_nmi_ari_asw": metrics.avg_bio(*bio[:3]),
        "overall_scgpt": metrics.scib_total(metrics.avg_bio(*bio[:3]), metrics.avg_batch(*batch[:2])),
        "scibe_total": metrics.scibe_total(np.mean(batch[:4]), np.mean(bio), np.mean([0.3, 0.25])),
    }
    check(ours, case["expected"], case["tolerance"])


def edge_cases(case, check, main) -> None:
    """Where scib-metrics answers with rounding noise or a silent value, ours refuses with the reason."""
    Z, before, labels, batch = arrays(main["inputs"])
    one, near = np.full(len(Z), "one"), neighbors(Z, 89)
    same = np.ones_like(Z)
    zero_row = np.vstack([np.zeros((1, Z.shape[1])), Z[1:]])
    none = labels.astype(object)
    none[:20] = None
    nan = labels.astype(object)
    nan[:20] = np.nan
    refused = {
        "silhouette_label: one label": lambda: metrics.silhouette_label(Z, one),
        "isolated_labels: one label": lambda: metrics.isolated_labels(Z, one, batch),
        "silhouette_batch: one batch": lambda: metrics.silhouette_batch(Z, labels, one),
        "bras: one batch": lambda: metrics.bras(Z, labels, one),
        "ilisi: one batch": lambda: metrics.ilisi(near, one),
        "clisi: one label": lambda: metrics.clisi(near, one),
        "kbet: one batch": lambda: metrics.kbet(near, labels, one),
        "kbet_per_label: one batch": lambda: kbet_per_label(near, labels, one),
        "pcr_comparison: one batch": lambda: metrics.pcr_comparison(before, Z, one),
        "graph_connectivity: one label": lambda: metrics.graph_connectivity(near, one),
        "bras: one all-zero row (cosine)": lambda: metrics.bras(zero_row, labels, batch),
        "silhouette_label: all points identical": lambda: metrics.silhouette_label(same, labels),
    }
    unlabelled = {
        "silhouette_label: 20 unlabelled (None)": lambda: metrics.silhouette_label(Z, none),
        "silhouette_label: 20 unlabelled (nan)": lambda: metrics.silhouette_label(Z, nan),
        "clisi: 20 unlabelled (nan)": lambda: metrics.clisi(near, nan),
        "graph_connectivity: 20 unlabelled (nan)": lambda: metrics.graph_connectivity(near, nan),
    }
    for key, call in refused.items():
        with pytest.raises(Undefined):
            call()
        case["expected"].pop(key)
    for key, call in unlabelled.items():
        with pytest.raises(ValueError, match="have no label; drop them"):
            call()
        case["expected"].pop(key)
    # A string covariate is a category here, so that nothing is left to go wrong.
    case["expected"].pop("pcr_comparison: string covariate with default categorical=False")
    assert metrics.pcr_comparison(before, Z, batch) > 0
    # "Every label in every batch" and "20 cells" name cells that the file does not: tested by the rule.
    own = case["expected"].pop("isolated_labels: every label in every batch")
    everywhere = np.array(["pqr"[i % 3] for i in range(len(Z))])
    kept = np.isin(labels, list("abc"))
    whole = metrics.isolated_labels(Z[kept], labels[kept], everywhere[kept])
    per_label = silhouette_samples(distance_sums(Z[kept], labels[kept]))
    by_hand = [(per_label[labels[kept] == name].mean() + 1) / 2 for name in "abc"]
    assert whole == pytest.approx(np.mean(by_hand))
    assert 0 < own < 1
    moved = 5000 + Z
    large = (Z * 1000).astype(np.float32)
    drop = np.arange(len(Z)) >= 20
    as_own = np.where(drop, labels, "unlabelled")
    ours = {
        "pcr_comparison: post worse than pre": metrics.pcr_comparison(Z, before, batch),
        "silhouette_label: X*1000 (float32)": metrics.silhouette_label(large, labels),
        "silhouette_label: X+5000 (float32 cancellation)": metrics.silhouette_label(moved, labels),
        "silhouette_label: X+5000 exact float64": metrics.silhouette_label(moved, labels),
        "silhouette_label: the 20 cells removed": metrics.silhouette_label(Z[drop], labels[drop]),
        "silhouette_label: same 20 as own class": metrics.silhouette_label(Z, as_own),
        "clisi: same 20 as own class": metrics.clisi(near, as_own),
    }
    check(ours, case["expected"], case["tolerance"])


def kbet_label_order(case, check, main) -> None:
    """Renaming a label changes the peer's value, but not ours."""
    Z, _, labels, batch = arrays(main["inputs"])
    original, renamed = case["expected"].pop("original"), case["expected"].pop("renamed_a_to_z")
    assert original["a"] != renamed["z"]
    near = neighbors(Z, 49)
    before = kbet_per_label(near, labels, batch)
    after = kbet_per_label(near, np.where(labels == "a", "z", labels), batch)
    check(before, original, 0.05)
    assert after.pop("z") == before.pop("a")
    check(after, before, 0)
    check({}, case["expected"], 0)


def scib_cross_check(case, check, main) -> None:
    """The original scib: equal where it is the same formula, different by design elsewhere."""
    Z, before, labels, batch = arrays(main["inputs"])
    expected = case["expected"]
    for other in ("pcr_comparison n_comps=3", "ilisi_graph", "clisi_graph"):
        expected.pop(other)  # three components, a missing binary
    assert expected.pop("isolated_labels_asw: every label in every batch") is None  # ours scores all labels
    assert 0 < expected.pop("scib_metrics isolated_labels: every label in every batch") < 1
    assert expected.pop("silhouette_batch: one batch") is None
    with pytest.raises(Undefined):
        metrics.silhouette_batch(Z, labels, np.full(len(Z), "p"))
    strong = metrics.graph_connectivity(neighbors(Z, 3), labels)
    weak = weak_connectivity(neighbors(Z, 3), labels)
    assert weak <= expected.pop("graph_connectivity(n_neighbors=4)") + 1e-12  # symmetric, self left out
    ours = {
        "silhouette": metrics.silhouette_label(Z, labels),
        "silhouette_batch": metrics.silhouette_batch(Z, labels, batch),
        "isolated_labels_asw": metrics.isolated_labels(Z, labels, batch),
        "graph_connectivity(n_neighbors=15)": metrics.graph_connectivity(neighbors(Z, 14), labels),
        "scib_metrics graph_connectivity same k=4 (self included)": strong,
        "ref strong k=4": strong,
        "ref weak k=4": weak,
        "pcr_comparison": metrics.pcr_comparison(before, Z, batch),
    }
    check(ours, expected, 1e-4)


def structure(case, check) -> None:
    inputs = case["inputs"]
    native, latent, k = np.array(inputs["native"]), np.array(inputs["latent"]), inputs["k"]
    a, b = neighbors(native, k), neighbors(latent, k)
    overlap = metrics.knn_preservation(a, b)
    ours = {
        "pearson": metrics.distance_correlation(native, latent),
        "spearman": metrics.distance_correlation(native, latent, ranks=True),
        "emd": metrics.distance_emd(native, latent),
        # Published as "knn preservation": agreement of two matrices that are mostly zeros.
        "knn_matrix_agreement_percent": 100 * (1 - 2 * k * (1 - overlap) / len(native)),
        "knn_overlap": overlap,
        "knn_jaccard_cellwise": knn_jaccard(a, b),
        "scibe_edge_jaccard": edge_jaccard(neighbors(native, k - 1), neighbors(latent, k - 1)),
        "distance_correlation_szekely": szekely_correlation(native, latent),
        "trustworthiness": trustworthiness(native, latent, k),
    }
    check(ours, case["expected"], case["tolerance"])
