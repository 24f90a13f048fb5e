"""Silhouettes rest on distance sums; these must not depend on how they were computed."""

import numpy as np
from scipy.spatial.distance import cdist

from metrics import distance_sums


def test_wide_embeddings_take_the_same_distances() -> None:
    """From a width on, distances come from a matrix product; far from the origin it must not lose digits."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((200, 64)) + 100.0
    Z[1] = Z[0]
    labels = rng.integers(0, 3, 200)
    found = distance_sums(Z, labels)
    expected = np.stack([cdist(Z, Z[labels == label]).sum(axis=1) for label in range(3)], axis=1)
    np.testing.assert_allclose(found.sums, expected, rtol=1e-7)
