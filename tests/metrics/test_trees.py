"""Ontologies, walks, merges and centroids against independent code and definitions."""

import cells
import numpy as np
import pytest
from scipy import sparse
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

import metrics
from metrics import OntologyGraph, Undefined
from metrics.centroids import most_variable, principal_components
from metrics.roughness import curve, merges


def random_graph(seed: int, n: int = 40) -> list[tuple[str, str]]:
    random = np.random.default_rng(seed)
    return [
        (f"t{i:02d}", f"t{p:02d}")
        for i in range(1, n)
        for p in random.choice(i, size=min(i, random.integers(1, 4)), replace=False)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_lowest_common_ancestors_are_networkxs(seed: int) -> None:
    networkx = pytest.importorskip("networkx")
    edges = random_graph(seed)
    graph, theirs = OntologyGraph.from_edges(edges), networkx.DiGraph([(p, c) for c, p in edges])
    for a, b in np.random.default_rng(9).choice(sorted(graph.parents), size=(60, 2)):
        lowest = graph.lowest_common(a, b)
        assert networkx.lowest_common_ancestor(theirs, a, b) in lowest
        steps = min(networkx.shortest_path_length(theirs, top, a) for top in lowest)
        assert metrics.lcad([a], [b], graph).mean_all == steps
        assert graph.lowest_common(b, a) == lowest
    assert graph.depths == networkx.single_source_shortest_path_length(theirs, "t00")


def test_a_loop_is_refused_but_a_term_may_name_itself() -> None:
    with pytest.raises(ValueError, match="cycle"):
        OntologyGraph.from_edges([("a", "b"), ("b", "c"), ("c", "a")])
    assert OntologyGraph.from_edges([("a", "a"), ("a", "b")]).parents["a"] == ("b",)


def test_right_answers_only() -> None:
    found = metrics.lcad(["n8", "n9"], ["n8", "n9"], cells.graph())
    assert (found.mean_all, found.n_errors) == (0, 0)
    assert np.isnan(found.mean_errors)
    with pytest.raises(ValueError, match="not in the ontology"):
        metrics.lcad(["CL:none"], ["n8"], cells.graph())
    with pytest.raises(Undefined, match="no cells"):
        metrics.lcad([], [], cells.graph())


def test_the_walk_tends_to_its_closed_form() -> None:
    reference = metrics.ontorwr_reference(random_graph(1))
    index = {term: i for i, term in enumerate(reference.nodes)}
    adjacency = np.zeros((len(index),) * 2)
    for child, parent in random_graph(1):
        adjacency[index[child], index[parent]] = adjacency[index[parent], index[child]] = 1
    step = adjacency / adjacency.sum(axis=1, keepdims=True)
    closed = 0.7 * np.linalg.inv(np.eye(len(index)) - 0.3 * step)
    np.testing.assert_allclose(reference.walk, closed, atol=1e-4)
    # All components kept: distances of the vectors follow from the logs' left singular basis.
    n = len(index)
    logs = np.log(reference.walk + 1 / n**2) - np.log(1 / n**2)
    root = sparse.linalg.aslinearoperator(logs @ logs.T).matmat(np.eye(n))
    values, basis = np.linalg.eigh(root)
    gram = basis * np.sqrt(np.maximum(values, 0)) @ basis.T
    np.testing.assert_allclose(reference.vectors @ reference.vectors.T, gram, atol=1e-6)


def test_types_too_few_or_unknown() -> None:
    c = cells.make()
    few = np.isin(c.ids, cells.LEAVES[:3])
    with pytest.raises(Undefined, match="3 types"):
        metrics.scgraph_ontorwr(c.Z[few], c.ids[few], cells.reference())
    with pytest.raises(ValueError, match="not in the ontology"):
        metrics.scgraph_ontorwr(c.Z, np.char.add("x", c.ids), cells.reference())
    with pytest.raises(ValueError, match="restart"):
        metrics.ontorwr_reference(cells.EDGES, restart=0)
    five = np.isin(c.ids, cells.LEAVES[:5])
    assert metrics.scgraph_ontorwr(c.Z[five], c.ids[five], cells.reference()).descriptive


def test_the_null_of_ontorwr_is_fair() -> None:
    """Over random layouts p-values are uniform: about one in ten below a tenth."""
    ids = np.repeat(cells.LEAVES, 10)
    found = [
        metrics.scgraph_ontorwr(
            np.repeat(np.random.default_rng(s).normal(size=(8, 5)), 10, axis=0),
            ids,
            cells.reference(),
            n_permutations=60,
        )
        for s in range(60)
    ]
    assert 0.02 <= np.mean([one.p_value <= 0.1 for one in found]) <= 0.25
    assert abs(np.mean([one.z_score for one in found])) < 0.5


@pytest.mark.parametrize("metric", ["euclidean", "cityblock", "cosine"])
def test_the_curve_is_that_of_cut_trees(metric: str) -> None:
    random = np.random.default_rng(2)
    X, y = random.normal(size=(50, 3)), random.normal(size=50)
    found = curve(merges(X, metric=metric), y)
    ranges = np.ptp(X, axis=0)
    largest = {"euclidean": np.linalg.norm(ranges), "cityblock": ranges.sum(), "cosine": 2.0}[metric]
    tree = linkage(pdist(X, metric) / largest, method="complete")
    scaled = (y - y.min()) / np.ptp(y)
    for threshold, spread, count in list(
        zip(found.thresholds, found.dispersion, found.n_clusters, strict=True)
    )[1:]:
        group = fcluster(tree, threshold, criterion="distance")
        means = np.array([scaled[group == g].mean() for g in group])
        assert spread == pytest.approx(2 * means.std(), abs=1e-12)
        assert count == len(np.unique(group))


def test_a_sample_holds_every_label_and_repeats() -> None:
    random = np.random.default_rng(0)
    labels = np.array(["rare"] * 3 + ["a"] * 500 + ["b"] * 400)
    Z = random.normal(size=(903, 3)) + (labels == "a")[:, None]
    found = metrics.rogi_labels(Z, labels, max_cells=200)
    assert (found.n_used, set(found.per_label)) == (200, {"rare", "a", "b"})
    assert found == metrics.rogi_labels(Z, labels, max_cells=200)
    assert found.rogi_xd == pytest.approx(metrics.rogi_labels(Z, labels).rogi_xd, abs=0.1)
    with pytest.raises(ValueError, match="cannot hold two"):
        metrics.rogi_labels(Z, labels, max_cells=4)


def test_variable_genes_are_scanpys() -> None:
    scanpy = pytest.importorskip("scanpy")
    anndata = pytest.importorskip("anndata")
    random = np.random.default_rng(0)
    counts = random.poisson(random.gamma(0.6, 2.0, size=(1, 1500)) * random.gamma(2, 0.5, size=(200, 1500)))
    counts[:, :5] = 0
    X = sparse.csr_matrix(np.log1p(counts.astype(np.float64)))
    data = anndata.AnnData(X.copy())
    scanpy.pp.highly_variable_genes(data, flavor="seurat", n_top_genes=300)
    theirs = np.flatnonzero(data.var["highly_variable"])
    for ours in (most_variable(X, 300), most_variable(X.toarray(), 300)):
        assert len(np.intersect1d(ours, theirs)) >= 298
    assert len(most_variable(X, 2000)) == 1500


@pytest.mark.parametrize("shape", [(40, 12), (12, 40)])
def test_components_are_those_of_svd(shape: tuple[int, int]) -> None:
    X = np.random.default_rng(1).normal(size=shape)
    left, values, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    ours = principal_components(sparse.csr_matrix(X), 5)
    np.testing.assert_allclose(np.abs(ours), np.abs(left * values)[:, :5], atol=1e-9)


def test_edges_of_answers() -> None:
    with pytest.raises(Undefined, match="1 type"):
        metrics.balanced_accuracy(["a", "a"], ["a", "b"])
    with pytest.raises(Undefined, match="same type"):
        metrics.kappa(["a", "a"], ["a", "a"])
    with pytest.raises(Undefined, match="both needed"):
        metrics.auroc([0, 0], [0.1, 0.2])
    with pytest.raises(ValueError, match="expected 0 to 1"):
        metrics.expected_calibration_error([1, 0], [1.2, 0.1])
    assert metrics.expected_calibration_error([1, 1, 0, 0], [0.5] * 4) == 0
    assert metrics.expected_calibration_error([1, 0], [0.8, 0.8]) == pytest.approx(0.3)


def test_edges_of_perturbation_and_ranks() -> None:
    control, truth = np.arange(6.0), np.array([1.0, 1, 5, 3, 4, 2])
    assert metrics.delta_overlap(truth, truth, control, n=2) == 1
    with pytest.raises(Undefined):
        metrics.delta_overlap(control, truth, control)
    assert metrics.mse(truth, control) == pytest.approx(metrics.l2(truth, control) ** 2 / 6)
    with pytest.raises(Undefined, match="1 perturbation"):
        metrics.centroid_accuracy({"a": truth}, {"a": truth})
    with pytest.raises(Undefined, match="missing for b"):
        metrics.pareto_fronts({"a": [1.0], "b": [np.nan]})
    circle = {"a": [0.0, 1.0], "b": [0.0005, 0.9995]}
    assert metrics.pareto_fronts(circle, eps=0.001) == [["a", "b"]]
    assert metrics.pareto_fronts({}) == []
