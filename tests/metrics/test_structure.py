"""What an embedding keeps of distances and neighbours, against independent code."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

import metrics
from metrics import Undefined, neighbors
from metrics.samples import pair_distances
from metrics.structure import edge_jaccard


def two_spaces(n: int = 240) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    native = random.normal(size=(n, 6)) + 3 * np.eye(6)[random.integers(0, 3, n)]
    return native, native[:, :4] + 0.5 * random.normal(size=(n, 4))


def test_emd_is_scipys() -> None:
    native, latent = two_spaces()
    a, b = (pair_distances(space) for space in (native, latent))
    a, b = ((x - x.min()) / np.ptp(x) for x in (a, b))
    assert metrics.distance_emd(native, latent) == pytest.approx(wasserstein_distance(a, b))
    assert metrics.distance_correlation(native, latent) == pytest.approx(np.corrcoef(a, b)[0, 1])


def test_samples_stand_for_all() -> None:
    native, latent = two_spaces()
    whole = metrics.distances_kept(native, latent)
    assert whole.n_used == len(native)
    assert np.isnan([whole.se_correlation, whole.se_emd]).all()
    found = [metrics.distances_kept(native, latent, max_cells=80, seed=seed) for seed in range(30)]
    assert {one.n_used for one in found} == {80}
    spread = np.std([one.correlation for one in found], ddof=1)
    assert 0.6 * spread < np.mean([one.se_correlation for one in found]) < 1.7 * spread
    middle = np.mean([one.correlation for one in found])
    assert middle == pytest.approx(whole.correlation, abs=0.01)
    assert metrics.distances_kept(native, latent, max_cells=80) == metrics.distances_kept(
        native, latent, max_cells=80
    )


def test_shared_edges_are_networkxs() -> None:
    networkx = pytest.importorskip("networkx")
    a, b = (neighbors(space, 5) for space in two_spaces(60))
    graphs = []
    for near in (a, b):
        ends = [(i, int(j)) for i in range(near.n) for j in near.indices[i]]
        graphs.append({frozenset(edge) for edge in networkx.Graph(ends).edges})
    assert edge_jaccard(a, b) == pytest.approx(len(graphs[0] & graphs[1]) / len(graphs[0] | graphs[1]))


def test_inside_batches_only_their_own_neighbours_count() -> None:
    """A shift between batches costs nothing; noise keeps about k / N of the edges."""
    random = np.random.default_rng(5)
    batch = np.repeat(["a", "b"], 150)
    X = np.abs(random.normal(size=(300, 40)) @ np.diag(np.linspace(2, 0.1, 40)))
    Z = np.vstack([part - part.mean(axis=0) + shift for part, shift in ((X[:150], 0), (X[150:], 90))])
    assert metrics.intra_type_conservation(X, Z, batch) == pytest.approx(1)
    one = metrics.intra_type_conservation(X[:150], Z[:150] @ np.eye(40)[:, :8], batch[:150])
    other = metrics.intra_type_conservation(X[150:], Z[150:] @ np.eye(40)[:, :8], batch[150:])
    both = metrics.intra_type_conservation(X, Z @ np.eye(40)[:, :8], batch)
    assert both == pytest.approx((one + other) / 2)
    assert 0.2 < both < 0.9
    noise = metrics.intra_type_conservation(X, random.normal(size=(300, 5)), batch)
    assert noise == pytest.approx(14 / 150, abs=0.04)


def test_batches_of_few_cells_say_nothing() -> None:
    random = np.random.default_rng(6)
    X, Z = random.normal(size=(60, 20)), random.normal(size=(60, 3))
    batch = np.array(["few"] * 15 + ["many"] * 45)
    assert metrics.intra_type_conservation(X, Z, batch) == pytest.approx(
        metrics.intra_type_conservation(X[15:], Z[15:], batch[15:])
    )
    with pytest.raises(Undefined, match="no batch has more than 15 cells"):
        metrics.intra_type_conservation(X[:15], Z[:15], batch[:15])
    with pytest.raises(ValueError, match="60 cells of expression, 59"):
        metrics.intra_type_conservation(X, Z[1:], batch[1:])


def test_equal_distances_are_no_question() -> None:
    native, _ = two_spaces(20)
    for space in (np.eye(20), np.ones((20, 3))):
        with pytest.raises(Undefined, match="all distances are equal"):
            metrics.distances_kept(native, space)
    with pytest.raises(ValueError, match="20 cells in the native space, 19"):
        metrics.distance_emd(native, native[1:])
    with pytest.raises(Undefined, match="one point"):
        metrics.szekely_correlation(native, np.ones((20, 3)))
    with pytest.raises(ValueError, match="neighbours of shapes"):
        metrics.knn_preservation(neighbors(native, 3), neighbors(native, 4))
