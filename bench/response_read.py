"""Every score of the table, read off simulated cells or answers."""

from functools import lru_cache

import metrics
from bench.response_answers import Answers
from bench.response_cells import EDGES, Cells


@lru_cache
def ontology() -> tuple[metrics.OntoReference, metrics.OntologyGraph]:
    """Return the simulated tree, as a walk and as a graph."""
    return metrics.ontorwr_reference(EDGES), metrics.OntologyGraph.from_edges(EDGES)


def of_cells(c: Cells) -> dict[str, float]:
    """Return each score of an embedding by its name in the table; Undefined where one has no value."""
    near = metrics.neighbors(c.Z)
    nmi, ari = metrics.nmi_ari_kmeans(c.Z, c.labels)
    asw, clisi = metrics.silhouette_label(c.Z, c.labels), metrics.clisi(near, c.labels)
    isolated = metrics.isolated_labels(c.Z, c.labels, c.batch)
    bras, ilisi = metrics.bras(c.Z, c.labels, c.batch), metrics.ilisi(near, c.batch)
    kbet = metrics.kbet(near, c.labels, c.batch)
    connected = metrics.graph_connectivity(near, c.labels)
    pcr = metrics.pcr_comparison(c.native, c.Z, c.batch)
    bio = metrics.bio_conservation(isolated, nmi, ari, asw, clisi)
    mixing = metrics.batch_correction(bras, ilisi, kbet, connected, pcr)
    leiden_nmi, leiden_ari = metrics.nmi_ari_leiden(near, c.labels)
    return {
        "bio_conservation": bio,
        "batch_correction": mixing,
        "scib_total": metrics.scib_total(bio, mixing),
        "isolated_labels": isolated,
        "nmi_kmeans": nmi,
        "ari_kmeans": ari,
        "silhouette_label": asw,
        "clisi": clisi,
        "bras": bras,
        "ilisi": ilisi,
        "kbet": kbet,
        "graph_connectivity": connected,
        "pcr_comparison": pcr,
        "nmi_leiden": leiden_nmi,
        "ari_leiden": leiden_ari,
        "avg_bio": metrics.avg_bio(leiden_nmi, leiden_ari, asw),
        **_against_trees(c),
    }


def _against_trees(c: Cells) -> dict[str, float]:
    walk, rough = metrics.scgraph_ontorwr(c.Z, c.ids, ontology()[0]), metrics.rogi_labels(c.Z, c.labels)
    return {
        "scgraph_ontorwr": walk.without_diagonal,
        "scgraph_ontorwr_published": walk.published,
        "scgraph_ontorwr_z": walk.z_score,
        "rogi": rough.rogi,
        "rogi_xd": rough.rogi_xd,
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
        "ece": metrics.expected_calibration_error(a.truth == a.answer, a.confidence),
    }
