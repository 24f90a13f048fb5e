"""Every score of the table, read off simulated cells or answers."""

from functools import lru_cache
from statistics import fmean

import metrics
from bench.response_answers import Answers
from bench.response_cells import EDGES, Cells

NATIVE_K = 15


@lru_cache
def ontology() -> tuple[metrics.OntoReference, metrics.OntologyGraph]:
    """Return the simulated tree, as a walk and as a graph."""
    return metrics.ontorwr_reference(EDGES), metrics.OntologyGraph.from_edges(EDGES)


def of_cells(c: Cells) -> dict[str, float]:
    """Return each score of an embedding by its name in the table; Undefined where one has no value."""
    near = metrics.neighbors(c.Z)
    parts = _apart(c, near) | _mixed(c, near) | _laid_out(c) | _kept(c, near)
    return parts | _composites(parts)


def _apart(c: Cells, near: metrics.Neighbors) -> dict[str, float]:
    kmeans, leiden = metrics.nmi_ari_kmeans(c.Z, c.labels), metrics.nmi_ari_leiden(near, c.labels)
    return {
        "isolated_labels": metrics.isolated_labels(c.Z, c.labels, c.batch),
        "nmi_kmeans": kmeans[0],
        "ari_kmeans": kmeans[1],
        "silhouette_label": metrics.silhouette_label(c.Z, c.labels),
        "clisi": metrics.clisi(near, c.labels),
        "nmi_leiden": leiden[0],
        "ari_leiden": leiden[1],
    }


def _mixed(c: Cells, near: metrics.Neighbors) -> dict[str, float]:
    return {
        "bras": metrics.bras(c.Z, c.labels, c.batch),
        "silhouette_batch": metrics.silhouette_batch(c.Z, c.labels, c.batch),
        "ilisi": metrics.ilisi(near, c.batch),
        "cilisi": metrics.cilisi(c.Z, c.labels, c.batch),
        "kbet": metrics.kbet(near, c.labels, c.batch),
        "graph_connectivity": metrics.graph_connectivity(near, c.labels),
        "pcr_comparison": metrics.pcr_comparison(c.native, c.Z, c.batch),
    }


def _laid_out(c: Cells) -> dict[str, float]:
    graph = metrics.scgraph(c.Z, c.labels, metrics.scgraph_reference(c.X, c.batch, c.labels))
    walk, rough = metrics.scgraph_ontorwr(c.Z, c.ids, ontology()[0]), metrics.rogi_labels(c.Z, c.labels)
    return {
        "scgraph": graph.score,
        "scgraph_correlation": graph.correlation,
        "scgraph_rank": graph.rank,
        "scgraph_z": graph.z_score,
        "scgraph_ontorwr": walk.score,
        "scgraph_ontorwr_published": walk.published,
        "scgraph_ontorwr_z": walk.z_score,
        "rogi": rough.rogi,
        "rogi_xd": rough.rogi_xd,
    }


def _kept(c: Cells, near: metrics.Neighbors) -> dict[str, float]:
    distances = metrics.distances_kept(c.native, c.Z)
    return {
        "knn_preservation": metrics.knn_preservation(
            metrics.neighbors(c.native, NATIVE_K), near.take(NATIVE_K)
        ),
        "distance_correlation": distances.correlation,
        "distance_emd": distances.emd,
        "szekely_correlation": metrics.szekely_correlation(c.native, c.Z),
        "intra_type_conservation": metrics.intra_type_conservation(c.X, c.Z, c.batch),
    }


def _composites(of: dict[str, float]) -> dict[str, float]:
    """Return the composites of named parts."""
    asw, connected, pcr = of["silhouette_label"], of["graph_connectivity"], of["pcr_comparison"]
    bio = metrics.bio_conservation(
        of["isolated_labels"], of["nmi_kmeans"], of["ari_kmeans"], asw, of["clisi"]
    )
    mixing = metrics.batch_correction(of["bras"], of["ilisi"], of["kbet"], connected, pcr)
    batch = fmean([of["silhouette_batch"], of["ilisi"], of["kbet"], connected])
    return {
        "bio_conservation": bio,
        "batch_correction": mixing,
        "scib_total": metrics.scib_total(bio, mixing),
        "avg_bio": metrics.avg_bio(of["nmi_leiden"], of["ari_leiden"], asw),
        "avg_batch": metrics.avg_batch(of["silhouette_batch"], connected),
        "scibe_total": metrics.scibe_total(batch, bio, fmean([pcr, of["intra_type_conservation"]])),
    }


def of_answers(a: Answers) -> dict[str, float]:
    """Return each score of answers by its name in the table; Undefined where one has no value."""
    steps = metrics.lcad(a.truth_ids, a.answer_ids, ontology()[1])
    return {
        "accuracy": metrics.accuracy(a.truth, a.answer),
        "balanced_accuracy": metrics.balanced_accuracy(a.truth, a.answer),
        "macro_f1": metrics.macro_f1(a.truth, a.answer),
        "kappa": metrics.kappa(a.truth, a.answer),
        "lcad": steps.mean_all,
        "lcad_errors": steps.mean_errors,
        "lcad_sym": steps.mean_symmetric_all,
        "ece": metrics.expected_calibration_error(a.truth == a.answer, a.confidence),
        "auroc": metrics.auroc(a.is_novel, a.score),
        "aupr": metrics.aupr(a.is_novel, a.score),
        "fpr95": metrics.fpr95(a.is_novel, a.score),
        **_predicted(a),
    }


def _predicted(a: Answers) -> dict[str, float]:
    """Return means over perturbations."""
    pairs = [(a.predicted[name], observed) for name, observed in a.observed.items()]
    return {
        "l2": fmean(metrics.l2(guess, truth) for guess, truth in pairs),
        "mse": fmean(metrics.mse(guess, truth) for guess, truth in pairs),
        "pearson_delta": fmean(metrics.pearson_delta(guess, truth, a.control) for guess, truth in pairs),
        "delta_overlap": fmean(metrics.delta_overlap(guess, truth, a.control) for guess, truth in pairs),
        "centroid_accuracy": fmean(metrics.centroid_accuracy(a.predicted, a.observed).values()),
    }
