"""Whitening forgets what an embedding weighs its directions by, and nothing else."""

import numpy as np
import pytest

from metrics import Undefined
from tasks.geometry import WIDTH, whiten

RNG = np.random.default_rng(0)
N = 120
ALL, NONE = np.ones(N, dtype=bool), np.zeros(N, dtype=bool)
TRAIN = np.arange(N) < 80


def distances(Z: np.ndarray) -> np.ndarray:
    return np.linalg.norm(Z[:, None] - Z[None], axis=2)


@pytest.mark.parametrize("width", [3, 60, 200])
def test_components_are_centred_uncorrelated_and_of_unit_variance(width: int) -> None:
    white = whiten(RNG.normal(size=(N, width)) * np.geomspace(1, 1e-3, width) + 5, fit=TRAIN)
    assert white.shape == (N, min(width, WIDTH))
    seen = white[TRAIN]
    assert np.abs(seen.mean(axis=0)).max() < 1e-9
    assert np.allclose(seen.T @ seen / len(seen), np.eye(white.shape[1]), atol=1e-9)


def test_an_invertible_linear_map_changes_no_distance() -> None:
    Z, mixed = RNG.normal(size=(N, 8)), RNG.normal(size=(8, 8))
    assert np.allclose(distances(whiten(Z @ mixed - 3, fit=TRAIN)), distances(whiten(Z, fit=TRAIN)))


def test_more_columns_than_cells_give_the_same_as_their_components() -> None:
    Z, turn = RNG.normal(size=(N, 20)), np.linalg.qr(RNG.normal(size=(300, 300)))[0][:20]
    assert np.allclose(distances(whiten(Z @ turn, fit=ALL)), distances(whiten(Z, fit=ALL)))


def test_other_cells_teach_nothing() -> None:
    Z = RNG.normal(size=(N, 5))
    other = np.where(TRAIN[:, None], Z, 9 * Z + 1)
    assert np.array_equal(whiten(Z, fit=TRAIN)[TRAIN], whiten(other, fit=TRAIN)[TRAIN])
    assert np.array_equal(whiten(Z, fit=NONE), whiten(Z, fit=ALL))


def test_rounding_is_not_blown_up_to_a_direction() -> None:
    Z = RNG.normal(size=(N, 4)).astype(np.float32) + np.float32(100)
    doubled = np.hstack([Z, Z * np.float32(1 / 3)])
    assert whiten(doubled, fit=ALL).shape == (N, 4)


def test_one_place_has_no_direction() -> None:
    with pytest.raises(Undefined, match="one place"):
        whiten(np.full((N, 3), 0.1), fit=TRAIN)
