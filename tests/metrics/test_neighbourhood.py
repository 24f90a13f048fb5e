"""Neighbours and what rests on them, against brute force and definitions."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import silhouette_samples as sklearn_silhouette

import metrics
from metrics import Undefined, connectivities, distance_sums, neighbors, pairs, silhouette_samples
from metrics.knn import Neighbors


def brute(Z: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    distances = cdist(Z, Z)
    np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(distances, order, axis=1)


def clouds() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    Z = random.normal(size=(150, 5))
    return {
        "plain": Z,
        "far from the origin": np.round(Z, 3) + 4096,
        "float32": Z.astype(np.float32),
        "a grid of ties": np.stack(np.meshgrid(*[np.arange(5.0)] * 3), axis=-1).reshape(-1, 3),
        "two points only": np.repeat([[0.0, 1.0], [3.0, 4.0]], 40, axis=0),
        "islands": Z * 1e-9 + (np.arange(150) % 3)[:, None] * 2.0**10,
    }


@pytest.mark.parametrize("name", clouds())
@pytest.mark.parametrize(("small", "block"), [(1024, 2048), (0, 2048), (0, 64)])
def test_neighbours_are_those_of_brute_force(
    name: str, small: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metrics.pairs.SMALL", small)  # 0: single precision proposes
    monkeypatch.setattr("metrics.tiles.BLOCK", block)
    monkeypatch.setattr("metrics.tiles.STEP", block // 4)
    Z = clouds()[name].astype(np.float64)
    found = neighbors(clouds()[name], 12)
    indices, distances = brute(Z, 12)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-6, atol=1e-12)
    if name != "islands":  # centring moves the last digit, which decides among points 1e-9 apart
        np.testing.assert_array_equal(found.indices, indices)


@pytest.mark.parametrize("name", clouds())
@pytest.mark.parametrize("prune", [8, 0.5])
def test_tiles_and_their_mirror_images_give_all_sums(
    name: str, prune: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups begin and end inside tiles; candidates are thinned out on the way."""
    for target, value in {
        "pairs.SMALL": 0,
        "tiles.BLOCK": 32,
        "tiles.STEP": 8,
        "candidates.PRUNE": prune,
    }.items():
        monkeypatch.setattr(f"metrics.{target}", value)
    Z = clouds()[name].astype(np.float64)
    own = np.arange(len(Z)) * 7 % 11
    rows = np.arange(1, len(Z), 3)
    for cells in (None, rows):
        asked = np.arange(len(Z)) if cells is None else cells
        indices, distances, sums = pairs.scan(Z - Z.mean(axis=0), k=9, own=own, cells=cells)
        expected = cdist(Z[asked], Z) @ (own[:, None] == np.arange(11))
        np.testing.assert_allclose(sums, expected, rtol=1e-5)
        np.testing.assert_allclose(distances, brute(Z, 9)[1][asked], rtol=1e-6, atol=1e-12)
        if name != "islands":
            np.testing.assert_array_equal(indices, brute(Z, 9)[0][asked])


def test_few_cells_have_few_neighbours() -> None:
    near = neighbors(np.eye(5), 89)
    assert (near.n, near.k) == (5, 4)
    assert near.take(2).k == 2
    assert near.at_most(50).k == 4
    with pytest.raises(ValueError, match="asked for 9 neighbours of 4"):
        near.take(9)
    with pytest.raises(ValueError, match="k must be at least 1"):
        neighbors(np.eye(5), 0)


@pytest.mark.parametrize("Z", [np.zeros((1, 3)), np.full((9, 2), 0.1), np.array([[0.0, np.nan], [1, 1]])])
def test_no_neighbours_without_distances(Z: np.ndarray) -> None:
    with pytest.raises(Undefined):
        neighbors(Z, 3)


def test_connectivities_keep_their_promise() -> None:
    """Symmetric, within 0 to 1, the nearest at 1, each row's directed weights summing to log2(k + 1)."""
    near = neighbors(clouds()["plain"], 14)
    graph = connectivities(near).toarray()
    np.testing.assert_array_equal(graph, graph.T)
    assert graph.max() <= 1
    assert graph[graph > 0].min() > 0
    np.testing.assert_allclose(graph[np.arange(near.n), near.indices[:, 0]], 1)
    lonely = Neighbors(
        np.array([[1, 2, 3]] * 1 + [[0, 2, 3], [3, 0, 1], [2, 0, 1]]), np.array([[1.0, 2, 4]] * 4)
    )
    sigma = solved(np.array([0.0, 1, 3]), np.log2(4))
    directed = np.exp(-np.array([0.0, 1, 3]) / sigma)
    graph = connectivities(lonely).toarray()
    assert graph[0, 2] == pytest.approx(directed[1] + directed[1] - directed[1] ** 2)
    assert directed.sum() == pytest.approx(2)


def solved(excess: np.ndarray, target: float) -> float:
    from scipy.optimize import brentq

    return brentq(lambda sigma: np.exp(-excess / sigma).sum() - target, 1e-3, 1e3, xtol=1e-14)


def test_silhouettes_are_sklearns() -> None:
    Z, random = clouds()["plain"], np.random.default_rng(3)
    labels = random.integers(0, 4, len(Z))
    labels[0] = 9  # alone in its class
    ours = silhouette_samples(distance_sums(Z, labels))
    np.testing.assert_allclose(ours, sklearn_silhouette(Z, labels), atol=1e-12)
    assert ours[0] == 0
    sums = distance_sums(Z, labels)
    assert metrics.silhouette_label(Z, labels, sums=sums) == metrics.silhouette_label(Z, labels)
    with pytest.raises(ValueError, match="other labels"):
        metrics.silhouette_label(Z, labels[::-1], sums=sums)


def test_lisi_of_equal_distances_is_the_inverse_simpson_index() -> None:
    near = Neighbors(np.array([[1, 2, 3]] * 4), np.full((4, 3), 2.0))
    names = np.array(["a", "a", "b", "b"])
    assert metrics.lisi(near, names)[0] == pytest.approx(1 / ((1 / 3) ** 2 + (2 / 3) ** 2))


def test_mixed_batches_are_accepted_and_parted_ones_rejected() -> None:
    random = np.random.default_rng(1)
    Z, batch = random.normal(size=(600, 8)), random.integers(0, 3, 600)
    labels = random.integers(0, 2, 600)
    near = neighbors(Z, 49)
    assert metrics.kbet(near, labels, batch) > 0.85
    assert metrics.kbet(neighbors(Z + 9 * np.eye(8)[batch], 49), labels, batch) == 0
    assert metrics.kbet(near, labels, batch) == metrics.kbet(neighbors(Z, 49), labels, batch)
    assert metrics.cilisi(Z, labels, batch) > 0.8


def test_iterative_and_dense_diffusion_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    Z, batch, labels = random.normal(size=(500, 6)), random.integers(0, 2, 500), np.zeros(500, dtype=int)
    near = neighbors(Z, 49)
    sparse = metrics.kbet(near, labels, batch)
    monkeypatch.setattr("metrics.acceptance.DENSE_BELOW", 10_000)
    assert metrics.kbet(near, labels, batch) == pytest.approx(sparse, abs=0.01)


def test_regression_on_batch_is_that_of_all_components() -> None:
    """The long way: PCA, R² of each component on the batches, weighted by variance."""
    from sklearn.linear_model import LinearRegression

    random = np.random.default_rng(4)
    batch = random.integers(0, 3, 90)
    X = random.normal(size=(90, 7)) + np.eye(7)[batch] * 2
    centred = X - X.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    fits = [LinearRegression().fit(np.eye(3)[batch], pc).score(np.eye(3)[batch], pc) for pc in left.T]
    by_hand = np.average(fits, weights=values**2)
    from metrics.mixing import explained_by

    assert explained_by(X, batch) == pytest.approx(by_hand)
    assert metrics.pcr_comparison(X, X, batch) == 0
    with pytest.raises(ValueError, match="different numbers of cells"):
        metrics.pcr_comparison(X[:50], X, batch)


def test_clusters_repeat_and_name_nothing() -> None:
    random = np.random.default_rng(6)
    labels = random.integers(0, 3, 200)
    Z = random.normal(size=(200, 4)) + 12 * np.eye(4)[labels]
    near = neighbors(Z, 14)
    assert metrics.nmi_ari_kmeans(Z, labels) == (pytest.approx(1), pytest.approx(1))
    assert metrics.nmi_ari_leiden(near, labels) == (pytest.approx(1), pytest.approx(1))
    noise = np.random.default_rng(7).integers(0, 3, 200)
    assert metrics.nmi_ari_leiden(near, noise) == metrics.nmi_ari_leiden(near, noise)
    with pytest.raises(Undefined, match="label of its own"):
        metrics.nmi_ari_kmeans(Z, np.arange(200))


def test_kmeans_goes_on_from_centers() -> None:
    random = np.random.default_rng(8)
    labels = random.integers(0, 8, 400)
    Z = 100 + random.normal(size=(400, 10)) + 1.5 * random.normal(size=(8, 10))[labels]
    whole = metrics.kmeans_agreement(Z, labels)
    assert whole.centers.shape == (3, 8, 10)
    again = metrics.kmeans_agreement(Z, labels, seed=1, centers=whole.centers)
    assert (again.nmi, again.ari) == pytest.approx((whole.nmi, whole.ari))
    few = labels < 7
    fresh, told = (metrics.kmeans_agreement(Z[few], labels[few], centers=c) for c in (None, whole.centers))
    assert (told.nmi, told.centers.shape) == (
        fresh.nmi,
        (3, 7, 10),
    )  # not of eight


def test_starts_of_its_own_would_widen_a_jackknife() -> None:
    """Five donors of the same types, which overlap: k-means has many ends that are nearly as good."""
    random = np.random.default_rng(9)
    labels, donor = random.integers(0, 8, 500), np.arange(500) % 5
    Z = random.normal(size=(500, 10)) + 0.9 * random.normal(size=(8, 10))[labels]
    centers = metrics.kmeans_agreement(Z, labels).centers
    without = [np.flatnonzero(donor != one) for one in range(5)]

    def spread(start: np.ndarray | None) -> float:
        found = [
            metrics.kmeans_agreement(Z[r], labels[r], seed=s, centers=start) for s, r in enumerate(without)
        ]
        return float(np.std([one.nmi for one in found]))

    assert spread(centers) < 0.75 * spread(None)


def test_leiden_leaves_the_random_state_alone() -> None:
    import random

    random.seed(1)
    first = random.random()
    random.seed(1)
    Z = np.random.default_rng(0).normal(size=(40, 3))
    metrics.nmi_ari_leiden(neighbors(Z, 14), np.arange(40) % 2)
    assert random.random() == first


@pytest.mark.parametrize(
    "labels", [np.array(["a"] * 3), np.array([["a"]] * 4), np.array(["a", None, "b", "b"])]
)
def test_wrong_names_are_refused(labels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="label"):
        metrics.silhouette_label(np.eye(4), labels)


def test_a_composite_needs_all_its_parts() -> None:
    with pytest.raises(Undefined, match="a part is undefined"):
        metrics.bio_conservation(0.5, 0.5, np.nan, 0.5, 0.5)
