"""Synthetic cells with a known truth: eight types on a small ontology, six donors, two batches."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse
from scored import STUDY, score, write_data, write_run

from atlas.ontology import Ontology
from contract.files import write_json
from contract.outcome import Outcome
from tasks.cells import COLUMNS, Cells
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
def knowledge(tmp_path_factory: pytest.TempPathFactory, cells: Cells) -> Knowledge:
    return Knowledge(
        ontology=toy_ontology(),
        cache=tmp_path_factory.mktemp("cache"),
        data=prepared(tmp_path_factory.mktemp("data"), cells),
    )


def prepared(folder: Path, cells: Cells) -> Path:
    """As ``atlas prepare`` leaves a data set: a type has genes of its own, and some with its nearest kin."""
    rng = np.random.default_rng(4)
    code = np.array([int(name.removeprefix("type")) for name in cells.label])
    rates = np.hstack([np.eye(LEAVES)[code], np.eye(LEAVES // 2)[code // 2]]).repeat(5, axis=1)
    counts = rng.poisson(0.3 + 4 * rates).astype(np.float32)
    anndata.AnnData(sparse.csr_matrix(counts)).write_h5ad(folder / "cells.h5ad")
    columns = {name: getattr(cells, name) for name in COLUMNS}
    pd.DataFrame(columns).to_parquet(folder / "truth.parquet")
    np.save(folder / "reference.npy", cells.reference)
    return folder


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


@pytest.fixture
def toy_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    """``tasks score`` with the small ontology."""
    monkeypatch.setattr("tasks.score.cell_ontology", toy_ontology)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, cells: Cells, embeddings) -> Path:
    home = tmp_path_factory.mktemp("home")
    (home / "mine.yaml").write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    write_data(home / "data", cells)
    runs, blurred = home / "runs", embeddings["blurred"].astype(np.float32)
    write_run(runs, blurred, model="pca", fit="train")
    write_run(runs, blurred, model="pca", fit="all")
    write_run(runs, embeddings["oracle"], model="oracle", fit="none", control=True)
    write_run(runs, embeddings["noise"], model="noise", fit="none", seed=0, control=True)
    write_run(runs, embeddings["noise"][::-1], model="noise", fit="none", seed=1, control=True)
    write_run(runs, blurred, model="pca@corpus", fit="none", seed=1, checkpoint={"sha256": "0"})
    no = Outcome(status="not_applicable", stage="fit", reason="one batch")
    write_run(runs, None, model="harmony", fit="all", outcome=no)
    failed = Outcome(status="failed", stage="embed", reason="out of luck", log_tail="…")
    write_run(runs, None, model="broken", fit="train", outcome=failed)
    overlap = home / "corpora" / "corpus" / "overlap-toy.json"
    write_json(overlap, {"exposure": "none", "reason": "nothing shared"})
    return home


@pytest.fixture(scope="module")
def rows(home: Path) -> pd.DataFrame:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.score.cell_ontology", toy_ontology)
        assert score(home) == 0
    return pd.read_parquet(home / "scores" / "toy.parquet")
