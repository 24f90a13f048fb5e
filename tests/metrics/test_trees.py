"""Ontologies, walks, merges and centroids against independent code and definitions."""

import itertools

import cells
import numpy as np
import pytest
from scipy import sparse
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

import metrics
from metrics import OntologyGraph, Undefined, expression
from metrics.expression import Moments, most_variable, principal_components
from metrics.roughness import curve, merges
from metrics.walk import random_walk


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


def test_an_answer_below_the_truth_costs_nothing_but_both_ways() -> None:
    finer, coarser = metrics.lcad(["n4"], ["n8"], cells.graph()), metrics.lcad(["n8"], ["n4"], cells.graph())
    assert (finer.mean_all, finer.mean_symmetric_all, finer.n_below, finer.n_errors) == (0, 1, 1, 1)
    assert (coarser.mean_all, coarser.mean_symmetric_all, coarser.n_below) == (1, 1, 0)
    # One cell right, one finer, one across the root: all cells, then errors only.
    found = metrics.lcad(["n8", "n4", "n8"], ["n8", "n8", "n15"], cells.graph())
    assert (found.mean_all, found.mean_errors) == (1.0, 1.5)
    assert found.mean_symmetric_all == pytest.approx(7 / 3)


def test_unrelated_types_are_counted_apart() -> None:
    graph = OntologyGraph.from_edges([("a", "top"), ("b", "top"), ("c", "other")])
    found = metrics.lcad(["a", "a"], ["b", "c"], graph)
    assert (found.mean_all, found.mean_errors, found.n_undefined, found.n_errors) == (1, 1, 1, 2)
    assert np.isnan(found.per_cell[1])
    with pytest.raises(Undefined, match="no truth shares an ancestor"):
        metrics.lcad(["a"], ["c"], graph)


def test_the_walk_tends_to_its_closed_form() -> None:
    reference = metrics.ontorwr_reference(random_graph(1), restart=0.6)
    index = {term: i for i, term in enumerate(reference.nodes)}
    adjacency = np.zeros((len(index),) * 2)
    for child, parent in random_graph(1):
        adjacency[index[child], index[parent]] = adjacency[index[parent], index[child]] = 1
    step = adjacency / adjacency.sum(axis=1, keepdims=True)
    closed = 0.6 * np.linalg.inv(np.eye(len(index)) - 0.4 * step)
    walk = random_walk(adjacency, restart=0.6)
    np.testing.assert_allclose(walk, closed, atol=1e-4)
    # All components kept: distances of the vectors follow from the logs' left singular basis.
    n = len(index)
    logs = np.log(walk + 1 / n**2) - np.log(1 / n**2)
    root = sparse.linalg.aslinearoperator(logs @ logs.T).matmat(np.eye(n))
    values, basis = np.linalg.eigh(root)
    gram = basis * np.sqrt(np.maximum(values, 0)) @ basis.T
    np.testing.assert_allclose(reference.vectors @ reference.vectors.T, gram, atol=1e-6)


def test_text_makes_near_words_nearer() -> None:
    random = np.random.default_rng(3)
    terms = sorted({term for edge in cells.EDGES for term in edge})
    text = {term: 1 + random.normal(size=30) for term in terms}
    found = metrics.cosines(cells.EDGES, text)
    one, other = (np.array(text[term]) for term in cells.EDGES[5])
    assert found[5] == pytest.approx(1 - pdist([one, other], "cosine")[0])
    weighted = metrics.ontorwr_reference(cells.EDGES, text=text)
    assert (weighted.edge_weight, weighted.n_raised) == ("text", int((found < 0.01).sum()))
    assert (cells.reference().edge_weight, cells.reference().n_raised) == ("none", 0)
    same = metrics.ontorwr_reference(cells.EDGES, text={term: [2.0, 0.0] for term in terms})
    np.testing.assert_allclose(same.distances(terms), cells.reference().distances(terms), atol=1e-9)


def test_an_edge_against_its_text_stays_an_edge() -> None:
    terms = sorted({term for edge in cells.EDGES for term in edge})
    text = dict.fromkeys(terms, np.array([1.0, 0.0])) | {"n15": np.array([-1.0, 0.0])}
    found = metrics.ontorwr_reference(cells.EDGES, text=text)
    assert found.n_raised == 1
    assert np.isfinite(found.vectors).all()
    with pytest.raises(ValueError, match=r"1 of 15 terms have no text vector \('n9'\)"):
        metrics.cosines(cells.EDGES, {term: text[term] for term in terms if term != "n9"})
    with pytest.raises(ValueError, match="'n9' has no direction"):
        metrics.cosines(cells.EDGES, text | {"n9": np.zeros(2)})


@pytest.mark.parametrize("width", [2, 10, 60])
def test_noise_agrees_with_no_ontology_however_rare_its_types(width: int) -> None:
    """Centroids of rare types scatter further, and leaves, some of them rare here, lie furthest out."""
    sizes = dict.fromkeys(cells.reference().nodes, 300) | dict.fromkeys(cells.LEAVES[::3], 12)
    ids = np.repeat(list(sizes), list(sizes.values()))
    found = []
    for seed in range(12):
        Z = np.random.default_rng(seed).normal(size=(len(ids), width))
        found.append(metrics.scgraph_ontorwr(Z, ids, cells.reference(), n_permutations=20))
    assert {one.n_per_type for one in found} == {12}
    scores = np.array([one.score for one in found])
    assert abs(scores.mean()) < 4 * scores.std() / np.sqrt(len(scores)) < 0.2
    assert abs(np.mean([one.z_score for one in found])) < 1
    assert np.mean([one.without_diagonal for one in found]) > 0.05


def test_types_of_one_size_are_drawn_whole() -> None:
    ids = np.repeat(cells.LEAVES, 30)
    Z = np.random.default_rng(4).normal(size=(len(ids), 3)) + np.eye(8)[np.repeat(range(8), 30), :3]
    found = metrics.scgraph_ontorwr(Z, ids, cells.reference())
    assert (found.score, found.n_per_type) == (found.without_diagonal, 30)


def batches_of_types() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log expression of 6 types in 2 batches, the last type in one of them only."""
    random = np.random.default_rng(11)
    kind = np.repeat(np.arange(6), 80)
    batch = np.where(kind == 5, 0, np.arange(len(kind)) % 2)
    genes = random.normal(size=(6, 30)) * np.linspace(0.2, 1.5, 6)[:, None]
    X = np.abs(2 + genes[kind] + 0.3 * batch[:, None] + 0.3 * random.normal(size=(len(kind), 30)))
    return X, np.array(["a", "b"])[batch], np.array([f"t{k}" for k in kind])


def test_scgraph_knows_its_own_batches() -> None:
    X, batch, labels = batches_of_types()
    reference = metrics.scgraph_reference(X, batch, labels)
    found = metrics.scgraph(X, labels, reference)
    assert found.score > 0.8
    assert found.z_score > 2
    assert found.p_value < 0.05
    assert (found.n_types, found.n_used, found.n_unseen_pairs, found.n_left_out) == (6, 480, 0, 0)
    parted = np.where(np.isin(labels, ["t4", "t5"]), np.where(labels == "t5", "a", "b"), batch)
    assert metrics.scgraph_reference(X, parted, labels).n_unseen_pairs == 1
    noise = metrics.scgraph(np.random.default_rng(0).normal(size=X.shape), labels, reference)
    assert abs(noise.score) < 0.5
    assert noise.correlation > 0.5  # the diagonal of zeros counts there


@pytest.mark.parametrize("made", [np.asarray, sparse.csr_matrix])
def test_a_reference_from_blocks_is_that_of_the_whole(made) -> None:
    X, batch, labels = batches_of_types()
    whole = metrics.scgraph_reference(X, batch, labels, n_top_genes=20)
    cuts = [0, 1, 150, 151, 480]
    blocks = [made(X[a:b]) for a, b in itertools.pairwise(cuts)]
    found = metrics.scgraph_reference_of(lambda: iter(blocks), batch, labels, n_top_genes=20)
    assert (found.types, found.n_unseen_pairs) == (whole.types, whole.n_unseen_pairs)
    np.testing.assert_allclose(found.distances, whole.distances, atol=1e-9)
    for wrong in (blocks[:-1], [*blocks, blocks[0]]):
        with pytest.raises(ValueError, match="expected 480 rows"):
            metrics.scgraph_reference_of(lambda wrong=wrong: wrong, batch, labels)


def test_types_without_a_reference_are_left_out_and_counted() -> None:
    X, batch, labels = batches_of_types()
    reference = metrics.scgraph_reference(X, batch, labels)
    other = np.where(labels == "t0", "new", labels)
    few = np.flatnonzero(labels == "t1")[:9]
    kept = (labels != "t1") | np.isin(np.arange(len(labels)), few)
    found = metrics.scgraph(X[kept], other[kept], reference)
    assert (sorted(found.per_type), found.n_left_out) == (["t2", "t3", "t4", "t5"], 2)
    rest = np.isin(labels, ["t2", "t3", "t4", "t5"])
    assert found.per_type == metrics.scgraph(X[rest], labels[rest], reference).per_type
    with pytest.raises(Undefined, match="2 labels of the reference"):
        metrics.scgraph(X[rest], np.where(labels[rest] < "t4", "new", labels[rest]), reference)


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
    for blocks in ([X], [X.toarray()], [X[:70], X[70:]]):
        moments = Moments()
        for block in blocks:
            moments.add(block)
        assert len(np.intersect1d(most_variable(moments, 300), theirs)) >= 298
        assert len(most_variable(moments, 2000)) == 1500


@pytest.mark.parametrize("shape", [(40, 12), (12, 40)])
@pytest.mark.parametrize("made", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("dense_up_to", [0, 3000])
def test_components_are_those_of_svd(shape, made, dense_up_to, monkeypatch) -> None:
    monkeypatch.setattr(expression, "DENSE_UP_TO", dense_up_to)
    X = 3 + np.random.default_rng(1).normal(size=shape)
    left, values, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    ours = principal_components(made(X), 5)
    np.testing.assert_allclose(np.abs(ours), np.abs(left * values)[:, :5], atol=1e-9)
    with pytest.raises(Undefined, match="expression has NaN"):
        principal_components(made(np.where(np.eye(*shape) == 1, np.nan, X)), 5)


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


def test_edges_of_fronts() -> None:
    with pytest.raises(Undefined, match="missing for b"):
        metrics.pareto_fronts({"a": [1.0], "b": [np.nan]})
    with pytest.raises(Undefined, match="missing for a"):
        metrics.pareto_fronts({"a": [np.inf], "b": [np.inf]})
    circle = {"a": [0.0, 1.0], "b": [0.0005, 0.9995]}
    assert metrics.pareto_fronts(circle, eps=0.001) == [["a", "b"]]
    assert metrics.pareto_fronts({}) == []
