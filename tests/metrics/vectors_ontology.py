"""What the vectors of lcad.json, scgraph.json and scgraph_ontorwr.json are compared with."""

import io
import json
from pathlib import Path

import cellxgene_ontology_guide
import numpy as np
import pytest
import zstandard

import metrics
from atlas.ontology import Ontology
from contract.errors import UserError
from metrics import OntologyGraph, Undefined
from metrics.agreement import correlate
from metrics.centroids import MIN_BATCH, MIN_CELLS, TRIM, trimmed_centroids
from metrics.walk import ontorwr_reference, random_walk, scgraph_ontorwr


def graph_of(inputs: dict) -> OntologyGraph:
    return OntologyGraph.from_edges(map(tuple, inputs["edges"]), isolated=inputs.get("isolated_nodes", ()))


def undirected_path(graph: OntologyGraph, a: str, b: str) -> int | None:
    steps, level, distance = {a}, {a}, 0
    while level and b not in level:
        level = {x for t in level for x in (*graph.parents[t], *graph.children[t])} - steps
        steps |= level
        distance += 1
    return distance if b in level else None


def pairs(case, check) -> None:
    graph = graph_of(case["inputs"])
    for wanted in case["expected"]:
        a, b = wanted.pop("true"), wanted.pop("pred")
        lowest = graph.lowest_common(a, b)
        sides = {term: graph.ancestors(a)[term] for term in lowest}
        least = min(sides.values(), default=None)
        ours = {"lcas": list(lowest), "lcad_true_side": sides}
        if lowest:
            one = metrics.lcad([a], [b], graph)
            assert one.mean_all == least
            across = one.mean_symmetric_all
        else:
            with pytest.raises(Undefined):
                metrics.lcad([a], [b], graph)
            across = None
        ours |= {
            "lcad_min": least,
            "lcad_max": max(sides.values(), default=None),
            "symmetric_via_common_ancestor": across,
            "symmetric": across,
            # Not ours: it may run through a common descendant, so it can only be shorter.
            "undirected_shortest_path": undirected_path(graph, a, b),
        }
        check({key: ours[key] for key in wanted}, wanted, 0)


def misclassified(case, check) -> None:
    graph = graph_of(case["inputs"])
    truth, answer = (np.array(case["inputs"][key]) for key in ("y_true", "y_pred"))
    found = metrics.lcad(truth, answer, graph)
    wrong = found.per_cell[truth != answer]
    assert (found.n_errors, found.n_undefined, found.n_below) == (8, 2, 1)
    assert found.mean_all == pytest.approx(8 / 9)  # undefined pairs are counted apart, never as 0
    ours = {
        "per_misclassified_true_side_min": wrong,
        "mean_first_run": found.mean_errors,
        "mean_when_reloaded_zeros_dropped": np.nanmean(wrong[wrong != 0]),
        "mean_over_all_cells_correct_as_zero": np.nansum(found.per_cell) / len(truth),
        "mean_symmetric": found.mean_symmetric_errors,
    }
    check(ours, case["expected"], case["tolerance"])


def obsolete(case, check) -> None:
    """Scores refuse obsolete ids by name; the atlas follows ``replaced_by``, never ``consider``."""
    graph = OntologyGraph.from_edges(
        cell_ontology_edges(case["name"].removeprefix("obsolete_terms_CL-ontology-"))
    )
    for entry in case["expected"]:
        term, instead = entry.pop("id"), entry.pop("replaced_by")
        with pytest.raises(ValueError, match=f"{term}.*map obsolete ids first"):
            metrics.lcad([term], ["CL:0000000"], graph)
        release = Ontology(
            version="", names=dict.fromkeys(graph.parents, ""), edges=(), replaced_by={term: instead or ""}
        )
        if instead and instead in graph.parents:
            assert release.resolve(term) == instead
        else:
            with pytest.raises(UserError, match=term):
                release.resolve(term)
        assert entry.pop("consider") is None or not instead
        assert not entry


def cell_ontology_edges(version: str) -> list[tuple[str, str]]:
    """is_a edges between live terms of one shipped release, read without our own reader."""
    folder = Path(cellxgene_ontology_guide.__file__).parent / "data"
    packed = (folder / f"CL-ontology-{version}.json.zst").read_bytes()
    terms = json.loads(zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed)).read())
    live = {term for term, entry in terms.items() if term.startswith("CL:") and not entry.get("deprecated")}
    return [
        (child, parent)
        for child in sorted(live)
        for parent, steps in terms[child].get("ancestors", {}).items()
        if steps == 1 and parent in live and parent != child
    ]


def scgraph(case, check, base) -> None:
    inputs = base["inputs"] | case["inputs"]
    X, batch, labels = (np.array(inputs[key]) for key in ("X_log1p", "batch", "celltype"))
    assert (inputs["thres_batch"], inputs["thres_celltype"], inputs["n_pcs"]) == (100, 10, 10)
    reference = metrics.scgraph_reference(
        X, batch, labels, trim=inputs["trim_rate"], n_top_genes=inputs["n_top_genes"]
    )
    for name, wanted in case["expected"].items():
        Z = np.array(inputs["embeddings"][name])
        found = metrics.scgraph(Z, labels, reference)
        ours = {"Rank-PCA": found.rank, "Corr-PCA": found.correlation, "Corr-Weighted": found.score}
        check(ours, wanted, case["tolerance"])
        assert found.n_types == 4


def scgraph_parts(case, check) -> None:
    X = np.array(case["inputs"]["X"])
    own, types = np.zeros(len(X), dtype=int), np.array([0])
    weighted = case["expected"].pop("weighted_pearson")
    x, y = np.array(weighted["x"]), np.array(weighted["y"])
    assert weighted["weights"] == "1/y, 0 where y==0"
    weights = np.divide(1, y, out=np.zeros_like(y), where=y > 0)
    assert correlate(x, y, weights) == pytest.approx(weighted["value"], abs=1e-12)
    ours = {
        "trim_mean_0_05": trimmed_centroids(X, own, types, trim=0.05)[0],
        "trim_mean_0_2": trimmed_centroids(X, own, types, trim=0.2)[0],
        "n_cut_each_side": {"p05": int(0.05 * len(X)), "p20": int(0.2 * len(X))},
        "pearson_with_diagonal": correlate(x, y),
        "pearson_without_diagonal": correlate(x[1:], y[1:]),
    }
    check(ours, case["expected"], case["tolerance"])


def scgraph_edges(case, check, base) -> None:
    """scGraph where it says little: ours refuses what the peer crashes on, and agrees elsewhere."""
    inputs, expected = base["inputs"], case["expected"]
    assert expected.pop("scgraph_eval_init_defaults(only_umap,trim_rate,thres_batch,thres_celltype)")[1:] == [
        TRIM,
        MIN_BATCH,
        MIN_CELLS,
    ]
    X, batch, labels = (np.array(inputs[key]) for key in ("X_log1p", "batch", "celltype"))
    few = np.array([f"{b}-{i // 60}" for i, b in enumerate(batch)])
    refused = {
        "no_batch_of_100_cells": (few, np.ones(len(X), bool)),
        "one_type": (batch, labels == "B"),
        "two_types": (batch, np.isin(labels, ["B", "T"])),
    }
    for key, (names, kept) in refused.items():
        expected.pop(key)
        with pytest.raises(Undefined):
            metrics.scgraph_reference(X[kept], names[kept], labels[kept])
    # Which cells the other keys keep is not in the file: these hold whatever they are.
    for key in ("single_batch", "three_types", "one_batch_with_single_type"):
        for wanted in expected.pop(key).values():
            assert all(-1 - 1e-9 <= value <= 1 + 1e-9 for value in wanted.values())
    one = metrics.scgraph(X, labels, metrics.scgraph_reference(X, np.full(len(X), "b"), labels))
    assert one.n_unseen_pairs == 0
    assert one.correlation > 0.99
    assert not expected


def stepped(inputs: dict) -> np.ndarray:
    """The walk itself, over cosines of the text vectors."""
    text = {term: np.array(v) / np.linalg.norm(v) for term, v in inputs["text_vectors"].items()}
    index = {term: i for i, term in enumerate(sorted(text))}
    adjacency = np.zeros((len(text),) * 2)
    for child, parent in inputs["edges"]:
        cosine = text[child] @ text[parent]
        adjacency[index[child], index[parent]] = adjacency[index[parent], index[child]] = cosine
    return random_walk(adjacency, restart=inputs["restart"])


def toy_walk(case, check) -> None:
    inputs, expected = case["inputs"], case["expected"]
    assert inputs["stop"] == {"frobenius": 1e-4, "max_iter": 50}
    reference = ontorwr_reference(
        map(tuple, inputs["edges"]),
        text=inputs["text_vectors"],
        restart=inputs["restart"],
        rank=inputs["dca_dim"],
    )
    Z, labels = np.array(inputs["embedding"]), np.array(inputs["labels"])
    found = scgraph_ontorwr(Z, labels, reference, trim=inputs["trim"])
    tolerance = case["tolerance"]
    ours = {
        "nodes": list(reference.nodes),
        "rwr": stepped(inputs),
        "distances": reference.distances(reference.nodes),
        "types": list(found.per_type),
        "score_pearson_with_diagonal": found.published,
        "per_type": found.per_type_published,
    }
    limits = {key: tolerance.get(key, tolerance["score"]) for key in expected}
    check(ours, expected, limits)
    bare = {"score_without_diagonal": case["variants"].pop("score_without_diagonal")}
    check({"score_without_diagonal": found.without_diagonal}, bare, tolerance["score"])
    # The closed form differs by what the iteration leaves undone.
    assert case["variants"].pop("score_closed_form_rwr") == pytest.approx(found.published, abs=1e-4)
    assert not case["variants"]
    assert found.descriptive
    assert found.n_types == 6


def walk_with_isolated(case, check) -> None:
    walk = random_walk(np.array(case["inputs"]["adjacency"]), restart=case["inputs"]["restart"])
    closed = case["expected"].pop("rwr_closed_form")
    np.testing.assert_allclose(walk, closed, atol=1e-5)
    check({"rwr_iterated": walk}, case["expected"], case["tolerance"])


def released_pitfalls(case, check) -> None:
    """A second run of the released script gives NaN; ours gives the same number."""
    expected = case["expected"]
    assert expected.pop("pearson_from_cache") == "nan"
    assert expected.pop("rank_diff") == expected.pop("rank_diff_other_reference")  # blind to the reference
    expected.pop("pearson_fresh")
    check({}, expected, 0)
    random = np.random.default_rng(0)
    edges = [(f"t{i}", f"t{i // 2}") for i in range(1, 30)]
    Z, ids = random.normal(size=(60, 4)), np.repeat([f"t{i}" for i in (20, 21, 25, 29, 3, 8)], 10)
    once, again = (scgraph_ontorwr(Z, ids, ontorwr_reference(edges)) for _ in range(2))
    assert once == again


def null_on_real_ontology(case, check) -> None:
    types = case["inputs"]["types"]
    reference = ontorwr_reference(cell_ontology_edges("v2025-02-13"))
    ids = np.repeat(types, 10)

    def score(centroids):
        return scgraph_ontorwr(np.repeat(centroids, 10, axis=0), ids, reference, n_permutations=0)

    equidistant = score(np.eye(len(types)))
    assert np.isnan(equidistant.without_diagonal)  # nothing varies, so nothing correlates
    assert "default_rng(s).normal(size=(20,dim)) for dim in (2,10,512)" in case["inputs"]["random"]
    sums = {"2": [], "10": [], "512": []}
    for seed in range(20):
        random = np.random.default_rng(seed)
        for dim, values in sums.items():
            values.append(score(random.normal(size=(20, int(dim)))))
    ours = {
        "equidistant_embedding": equidistant.published,
        "random_centroids_mean": {
            dim: {
                "with_diagonal": np.mean([v.published for v in values]),
                "without_diagonal": np.mean([v.without_diagonal for v in values]),
            }
            for dim, values in sums.items()
        },
    }
    check(ours, case["expected"], case["tolerance"])
