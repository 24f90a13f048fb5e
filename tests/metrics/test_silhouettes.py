"""Silhouettes rest on distance sums; these must not depend on how they were computed."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from metrics import distance_sums, silhouette_samples


def test_wide_embeddings_take_the_same_distances() -> None:
    """From a width on, distances come from a matrix product; far from the origin it must not lose digits."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((200, 64)) + 100.0
    Z[1] = Z[0]
    labels = rng.integers(0, 3, 200)
    found = distance_sums(Z, labels)
    expected = np.stack([cdist(Z, Z[labels == label]).sum(axis=1) for label in range(3)], axis=1)
    np.testing.assert_allclose(found.sums, expected, rtol=1e-7)


@pytest.mark.parametrize("spread", [1.0, 1e-2, 1e-5])
def test_single_precision_leaves_silhouettes_alone(spread: float) -> None:
    """Above 1,024 cells distances are summed in float32; tight types must not lose their digits."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 5, 1500)
    Z = rng.standard_normal((5, 20))[labels] * 3 + spread * rng.standard_normal((1500, 20))
    Z[3] = Z[4]
    exact = np.stack([cdist(Z, Z[labels == label]).sum(axis=1) for label in range(5)], axis=1)
    found = distance_sums(Z, labels)
    np.testing.assert_allclose(found.sums, exact, rtol=1e-5)
    as_exact = type(found)(exact, found.counts, found.own, found.names)
    np.testing.assert_allclose(silhouette_samples(found), silhouette_samples(as_exact), atol=1e-5)


def test_cosine_sums_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(2)
    Z, labels = rng.standard_normal((60, 7)), rng.integers(0, 3, 60)
    expected = np.stack([cdist(Z, Z[labels == label], "cosine").sum(axis=1) for label in range(3)], axis=1)
    np.testing.assert_allclose(distance_sums(Z, labels, "cosine").sums, expected, atol=1e-12)
