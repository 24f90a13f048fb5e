"""Synthetic cells with a known truth: eight types on a small ontology, six donors, two batches."""

import numpy as np
import pytest

from atlas.ontology import Ontology
from tasks.cells import Cells
from tasks.knowledge import Knowledge

LEAVES = 8
N = 360
UNITS = tuple(f"donor:d{i}" for i in range(6))


def term(node: int) -> str:
    return f"CL:{node:07d}"


def toy_ontology() -> Ontology:
    """A binary tree: node 1 is the root, nodes 8 to 15 are the types."""
    nodes = range(1, 2 * LEAVES)
    return Ontology(
        version="toy",
        names={term(node): f"t{node}" for node in nodes},
        edges=tuple((term(node), term(node // 2)) for node in nodes if node > 1),
        replaced_by={},
    )


@pytest.fixture(scope="session")
def knowledge(tmp_path_factory: pytest.TempPathFactory) -> Knowledge:
    return Knowledge(ontology=toy_ontology(), cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def cells() -> Cells:
    """Donors d0, d2, d4 in batch a, the others in b; d0 to d3 train, d4 and d5 test."""
    rng = np.random.default_rng(0)
    donor = rng.permutation(np.arange(N) % 6)
    code = rng.integers(LEAVES, size=N)
    batch = donor % 2
    reference = rng.normal(size=(N, 10)) + 3.0 * batch[:, None]
    return Cells(
        label=np.array([f"type{c}" for c in code], dtype=object),
        ontology_id=np.array([term(LEAVES + c) for c in code], dtype=object),
        batch=np.array([("a", "b")[b] for b in batch], dtype=object),
        unit=np.array([UNITS[d] for d in donor], dtype=object),
        part=np.array(["train" if d < 4 else "test" for d in donor], dtype=object),
        reference=reference,
    )


@pytest.fixture(scope="session")
def embeddings(cells: Cells) -> dict[str, np.ndarray]:
    """From the truth itself to nothing at all: ``oracle``, ``blurred``, ``noise``."""
    rng = np.random.default_rng(1)
    code = np.array([int(name.removeprefix("type")) for name in cells.label])
    truth = np.eye(LEAVES)[code]
    noise = rng.normal(size=(len(cells), LEAVES))
    return {"oracle": truth + 0.05 * noise, "blurred": truth + 0.45 * noise, "noise": noise}
