"""What only very many cells, or a GPU, would ask for: the same answers on few cells, or a stated error."""

import numpy as np
import pytest

import metrics
from metrics import gpu, knn, pairs
from metrics.index import nearest_by_index
from metrics.threads import in_blocks

RANDOM = np.random.default_rng(0)
KIND = RANDOM.integers(0, 4, 1500)
Z = RANDOM.normal(size=(4, 12))[KIND] * 2 + RANDOM.normal(size=(1500, 12))
BATCH = RANDOM.integers(0, 3, 1500)


def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setattr(gpu, "FROM", 0)
    monkeypatch.setattr(gpu, "device", lambda: where)


DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.mark.parametrize("where", DEVICES)
@pytest.mark.parametrize("spread", [1.0, 1e-5])
def test_the_device_finds_what_the_processor_finds(
    where: str, spread: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if where == "cuda" and gpu.device() is None:
        pytest.skip("no GPU here: the pass over all pairs was checked on the processor only")
    points = spread * (Z - Z.mean(axis=0)) + np.eye(12)[KIND]
    points[7] = points[8]
    cells = np.arange(0, 1500, 3)
    expected = pairs.scan(points, k=20, own=KIND, cells=cells)
    as_on_a_gpu(monkeypatch, where)
    monkeypatch.setattr(gpu, "STEP_BYTES", 2**20)  # several steps
    indices, distances, sums = pairs.scan(points, k=20, own=KIND, cells=cells)
    np.testing.assert_array_equal(indices, expected[0])
    np.testing.assert_allclose(distances, expected[1], rtol=1e-9)
    np.testing.assert_allclose(sums, expected[2], rtol=1e-5)


def test_the_device_does_only_what_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    as_on_a_gpu(monkeypatch, "cpu")
    indices, distances, sums = pairs.scan(Z, own=KIND)
    assert (indices.shape, distances.shape, sums.shape) == ((1500, 0), (1500, 0), (1500, 4))
    few = pairs.scan(Z[:6], k=5)
    np.testing.assert_array_equal(np.sort(few[0], axis=1), [np.delete(np.arange(6), i) for i in range(6)])


def test_an_index_says_how_much_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metrics.index.PER_LIST", 50)
    indices, distances, recall = nearest_by_index(Z - Z.mean(axis=0), 15)
    true = metrics.neighbors(Z, 15)
    found = np.mean([np.isin(a, b).mean() for a, b in zip(true.indices, indices, strict=True)])
    assert recall >= 0.95
    assert found == pytest.approx(recall, abs=0.02)
    assert (np.diff(distances, axis=1) >= 0).all()
    assert not (indices == np.arange(1500)[:, None]).any()


def test_an_index_finds_neighbours_even_where_lists_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metrics.index.PER_LIST", 3)
    indices, _, recall = nearest_by_index(Z[:300] - Z[:300].mean(axis=0), 40)
    assert recall >= 0.95
    assert all(len(set(row)) == 40 for row in indices.tolist())


def test_many_cells_are_sampled_with_a_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = metrics.scib(Z, KIND, BATCH, reference=Z)
    assert (exact.errors, exact.recall) == ({}, 1.0)
    monkeypatch.setattr(knn, "EXACT_UP_TO", 1000)
    monkeypatch.setattr("metrics.index.PER_LIST", 100)
    monkeypatch.setattr("metrics.onepass.SAMPLED", 300)
    found = metrics.scib(Z, KIND, BATCH, reference=Z)
    error = found.errors["silhouette_label"]
    assert 0.95 <= found.recall <= 1
    assert 0.001 < error < 0.02
    assert abs(found.values["silhouette_label"] - exact.values["silhouette_label"]) < 3 * error
    for name in ("ilisi", "clisi", "graph_connectivity", "kbet"):
        assert found.values[name] == pytest.approx(exact.values[name], abs=0.03)


def test_sampled_sums_cover_what_they_say() -> None:
    """Over many draws, two standard errors hold the value of all cells in about 95 % of them."""
    sums = metrics.distance_sums(Z, KIND)
    whole, held = metrics.silhouette_label(Z, KIND, sums=sums), 0
    for seed in range(200):
        cells = np.sort(np.random.default_rng(seed).choice(1500, 150, replace=False))
        drawn = metrics.DistanceSums(sums.sums[cells], sums.counts, sums.own, sums.names, cells)
        error = metrics.silhouette_error(drawn)
        held += abs(metrics.silhouette_label(Z, KIND, sums=drawn) - whole) < 1.96 * error
    assert 180 <= held <= 200


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metrics.tiles.BLOCK", 256)
    found = []
    for n in (1, 3):
        monkeypatch.setattr("metrics.threads.workers", lambda n=n: n)
        found.append(metrics.scib(Z, KIND, BATCH, reference=Z[:, :5]))
    assert found[0] == found[1]


def test_what_breaks_in_a_thread_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metrics.threads.workers", lambda: 2)
    with pytest.raises(ZeroDivisionError):
        in_blocks(10, 1, lambda rows: 1 // (rows.start - 7) and None)
