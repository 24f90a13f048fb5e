"""Roughness on samples of large data, and where there is nothing to follow."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

import metrics
from metrics import Undefined
from metrics.roughness import merges
from metrics.samples import draws, pair_distances, standard_error


def islands(n: int = 900, width: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    kind = np.repeat([0, 1, 2], [3, (n - 3) // 2, n - 3 - (n - 3) // 2])
    return random.normal(size=(n, width)) + 2 * np.eye(width)[kind], np.array(["rare", "a", "b"])[kind]


def test_a_sample_holds_every_label_and_repeats() -> None:
    Z, labels = islands()
    found = metrics.rogi_labels(Z, labels, max_cells=200)
    assert (found.n_used, set(found.per_label)) == (200, {"rare", "a", "b"})
    assert found == metrics.rogi_labels(Z, labels, max_cells=200)
    assert found != metrics.rogi_labels(Z, labels, max_cells=200, seed=1)
    with pytest.raises(Undefined, match="cannot hold two of each of 3"):
        metrics.rogi_labels(Z, labels, max_cells=5)


def test_the_standard_error_is_that_of_repeats() -> None:
    """Means of five draws, forty times: their spread is what one of them says of itself."""
    Z, labels = islands()
    found = [metrics.rogi_labels(Z, labels, max_cells=60, seed=seed) for seed in range(40)]
    for name in ("rogi", "rogi_xd"):
        spread = np.std([getattr(one, name) for one in found], ddof=1)
        stated = np.mean([getattr(one, f"se_{name}") for one in found])
        assert 0.6 * spread < stated < 1.6 * spread
    whole = metrics.rogi_labels(Z, labels)
    assert whole.n_used == len(Z)
    assert np.isnan([whole.se_rogi, whole.se_rogi_xd]).all()


def test_a_property_of_many_cells_is_followed_on_samples() -> None:
    Z, _ = islands()
    y = Z[:, 0] + 0.1
    whole, sampled = metrics.rogi_property(Z, y), metrics.rogi_property(Z, y, max_cells=300)
    assert (whole.n_used, sampled.n_used) == (len(Z), 300)
    assert whole.rogi_xd == metrics.rogi_xd(Z, y)
    assert abs(sampled.rogi_xd - whole.rogi_xd) < 0.05
    assert 0 < sampled.se_rogi_xd < 0.02
    apart = squareform(pdist(Z)) / np.linalg.norm(np.ptp(Z, axis=0))
    given = metrics.rogi_property(apart, y, metric="precomputed", max_cells=300)
    assert given.rogi == pytest.approx(sampled.rogi, abs=0.05)
    assert np.isnan(metrics.rogi_property(apart, y, metric="precomputed").se_rogi)


def test_draws_are_in_proportion() -> None:
    own = np.repeat([0, 1, 2], [2, 100, 900])
    for rows in draws(own, size=100, repeats=4, seed=0):
        assert len(np.unique(rows)) == 100
        np.testing.assert_allclose(np.bincount(own[rows]), [2, 10, 88], atol=1.1)
    assert len(draws(own, size=len(own), repeats=4, seed=0)) == 1
    np.testing.assert_allclose(standard_error(np.array([[1.0, 3], [3, 3]])), [1, 0])


def test_wide_points_have_the_same_distances() -> None:
    random = np.random.default_rng(1)
    points = random.normal(size=(60, 100)) + 50
    points[7] = points[3]
    np.testing.assert_allclose(pair_distances(points), pdist(points), atol=1e-5)
    np.testing.assert_array_equal(pair_distances(points[:, :9]), pdist(points[:, :9]))


@pytest.mark.parametrize("value", [0.1, 3.0])
def test_one_point_has_no_roughness(value: float) -> None:
    for width in (2, 200):
        with pytest.raises(Undefined, match="one point"):
            metrics.rogi(np.full((20, width), value), np.arange(20.0))
    assert metrics.rogi(np.eye(5), np.ones(5)) == 0  # a constant property is smooth


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match="unknown distance 'chebyshev'"):
        merges(np.eye(4), metric="chebyshev")
    with pytest.raises(ValueError, match="symmetric"):
        merges(np.triu(np.ones((4, 4))), metric="precomputed")
    with pytest.raises(Undefined, match="origin"):
        merges(np.vstack([np.eye(3), np.zeros((1, 3))]), metric="cosine")
    with pytest.raises(Undefined, match="NaN"):
        metrics.rogi_xd(np.eye(3), [1.0, np.nan, 2.0])
    with pytest.raises(ValueError, match="expected 3 values"):
        metrics.rogi(np.eye(3), [1.0, 2.0])
