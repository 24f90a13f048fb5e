"""A seeded embedding of typed cells from several batches, of any size."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Clouds:
    """Z and ``reference`` (N, D) float32, before batches drew nearer; ``labels`` and ``batch`` (N,) text."""

    Z: NDArray[np.float32]
    reference: NDArray[np.float32]
    labels: NDArray
    batch: NDArray


def clouds(n: int, *, dimensions: int, labels: int, batches: int, seed: int = 0) -> Clouds:
    """One Gaussian cloud a type, types of unequal size, shifted a little by batch, more in the reference."""
    random = np.random.default_rng(seed)
    kind = random.choice(labels, n, p=random.dirichlet(np.full(labels, 5.0)))
    source = random.integers(0, batches, n)
    centres = random.normal(size=(labels, dimensions))
    shift = random.normal(size=(batches, dimensions))
    around = random.normal(size=(n, dimensions))
    Z = centres[kind] + 0.3 * shift[source] + around
    reference = centres[kind] + 0.8 * shift[source] + around
    names = np.array([f"type {i:02d}" for i in range(labels)])[kind]
    return Clouds(
        Z.astype(np.float32), reference.astype(np.float32), names, np.char.add("b", source.astype(str))
    )
