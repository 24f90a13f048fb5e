"""A small data set as `atlas prepare` leaves it: 3 types, 4 donors in 2 batches, 200 cells, 150 genes."""

import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from contract.files import write_json
from contract.outcome import Outcome

ROOT = Path(__file__).resolve().parents[2]
TYPES = {"B cell": "CL:0000236", "T cell": "CL:0000084", "monocyte": "CL:0000576"}


def simulate(*, n: int = 200, n_genes: int = 150, seed: int = 0, prefix: str = "cell") -> ad.AnnData:
    """Poisson counts; a type raises a third of the genes, a batch raises a tenth of them."""
    draw = np.random.default_rng(seed)
    kind, batch = draw.integers(0, 3, n), draw.integers(0, 2, n)
    rate = draw.gamma(2.0, 0.5, n_genes) * draw.gamma(5.0, 0.2, (n, 1))
    rate = np.where(np.arange(n_genes) % 3 == kind[:, None], 3 * rate, rate)
    rate = np.where((np.arange(n_genes) % 10 == 0) & (batch[:, None] == 1), 2 * rate, rate)
    counts = draw.poisson(rate).astype(np.float32)
    order = draw.permutation(n)
    obs = pd.DataFrame(
        {
            "batch": [f"b{i}" for i in batch],
            "donor": [f"d{i}" for i in 2 * batch + draw.integers(0, 2, n)],
            "assay": "10x",
            "tissue": "blood",
            "organism": "human",
            "total_counts": counts.sum(axis=1).astype(np.float64) * 1.25,
            "kind": kind,
        },
        index=[f"{prefix}{i:04d}" for i in order],
    )
    var = pd.DataFrame(
        {"symbol": [f"G{i}" for i in range(n_genes)]}, index=[f"ENSG{i:011d}" for i in range(n_genes)]
    )
    return ad.AnnData(X=sp.csr_matrix(counts), obs=obs, var=var, uns={"dataset": "small"})


def truth_of(cells: ad.AnnData) -> pd.DataFrame:
    labels = np.array(list(TYPES))[cells.obs["kind"]]
    unit = "donor:" + cells.obs["donor"].astype(str)
    table = pd.DataFrame(
        {
            "cell": cells.obs_names,
            "label": labels,
            "ontology_id": [TYPES[label] for label in labels],
            "batch": cells.obs["batch"].to_numpy(),
            "donor": cells.obs["donor"].to_numpy(),
            "condition": None,
            "unit": unit.to_numpy(),
            "part": np.where(cells.obs["donor"].isin(["d0", "d2"]), "train", "test"),
        }
    )
    table.loc[:4, ["label", "ontology_id"]] = None
    return table


@pytest.fixture
def cells() -> ad.AnnData:
    made = simulate()
    made.obs = made.obs.drop(columns="kind")
    return made


@pytest.fixture
def truth() -> pd.DataFrame:
    made = simulate()
    return truth_of(made).set_index(made.obs_names)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "small"
    folder.mkdir()
    made = simulate()
    table = truth_of(made)
    table.to_parquet(folder / "truth.parquet")
    table[["cell", "unit", "part"]].to_parquet(folder / "split.parquet")
    made.obs = made.obs.drop(columns="kind")
    made.write_h5ad(folder / "cells.h5ad")
    Outcome(status="ok", stage="prepare").write(folder / "outcome.json")
    return folder


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpora") / "mini"
    folder.mkdir()
    made = simulate(seed=5, prefix="other")
    made.obs = made.obs.drop(columns="kind").assign(dataset="elsewhere")
    made.var["in_all"] = np.arange(made.n_vars) >= 10
    made.write_h5ad(folder / "cells.h5ad")
    write_json(folder / "corpus.json", {"n": made.n_obs})
    Outcome(status="ok", stage="corpus").write(folder / "outcome.json")
    return folder


def call(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """``python -m models …`` as a user calls it."""
    return subprocess.run(
        [sys.executable, "-m", "models", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
