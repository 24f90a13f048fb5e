"""Places that refuse to be written, files that lie, and a payload that tells when it was run."""

import os
import pickle
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from contract.files import write_json
from contract.outcome import Outcome

Mount = Callable[..., Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mount a small file system in memory: ``mount("name", size="64k")``; unmounted at the end."""
    if os.geteuid() != 0:
        pytest.skip("SKIPPED: only root can mount a small file system")
    made = []

    def at(name: str, *, size: str) -> Path:
        place = tmp_path / name
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"SKIPPED: no file system can be mounted here ({done.stderr.strip()})")
        made.append(place)
        return place

    yield at
    for place in reversed(made):
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all inputs of a file of tests."""
    return tmp_path_factory.mktemp("fuzz")


class Payload:
    """What an attacker pickles: whoever unpickles it creates ``mark``."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def payload(tmp_path: Path) -> Iterator[Payload]:
    """A malicious object; the test fails if anybody ran it. That it would work is checked first."""
    trial = Payload(tmp_path / "it-works")
    pickle.loads(pickle.dumps(trial))
    assert trial.mark.is_dir()
    armed = Payload(tmp_path / "was-run")
    yield armed
    assert not armed.mark.exists(), "something from outside was run"


def made_cells(*, n: int = 40, n_genes: int = 30, name: str = "small", seed: int = 0) -> ad.AnnData:
    """Poisson counts of four donors."""
    draw = np.random.default_rng(seed)
    counts = draw.poisson(2.0, (n, n_genes)).astype(np.float32)
    obs = pd.DataFrame(
        {
            "batch": "b",
            "donor": [f"d{i % 4}" for i in range(n)],
            "assay": "",
            "tissue": "",
            "organism": "human",
        },
        index=[f"{name}{i}" for i in range(n)],
    )
    obs["total_counts"] = counts.sum(axis=1).astype(np.float64)
    var = pd.DataFrame({"symbol": [f"G{i}" for i in range(n_genes)]})
    var.index = [f"ENSG{i:011d}" for i in range(n_genes)]
    return ad.AnnData(X=sp.csr_matrix(counts), obs=obs, var=var, uns={"dataset": name})


def write_prepared(folder: Path, *, seed: int = 0) -> Path:
    """A data set as ``atlas prepare`` leaves it; ``folder`` bears its name."""
    folder.mkdir(parents=True)
    cells = made_cells(name=folder.name, seed=seed)
    cells.write_h5ad(folder / "cells.h5ad")
    rows = pd.DataFrame({"cell": cells.obs_names, "unit": "donor:" + cells.obs["donor"].to_numpy()})
    rows["part"] = np.where(cells.obs["donor"].isin(["d0", "d1"]), "train", "test")
    rows.to_parquet(folder / "split.parquet")
    label = np.where(np.arange(len(rows)) % 3 == 0, "B cell", "T cell")
    truth = rows.assign(label=label, ontology_id=None, batch="b", donor=cells.obs["donor"].to_numpy())
    truth.assign(condition=None).to_parquet(folder / "truth.parquet")
    np.save(folder / "reference.npy", np.zeros((len(rows), 2), dtype=np.float32))
    Outcome(status="ok", stage="prepare").write(folder / "outcome.json")
    write_json(folder / "report.json", {"dataset": folder.name, "n_cells": len(rows)})
    return folder


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    return write_prepared(tmp_path / "data" / "small")


@pytest.fixture
def lying_server():
    """The server of tests/atlas_in, and the module of its steps."""
    import importlib.util

    path = Path(__file__).resolve().parents[1] / "atlas_in" / "lying_server.py"
    spec = importlib.util.spec_from_file_location("lying_server_of_faults", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server = module.Server()
    threading.Thread(target=server.http.serve_forever, daemon=True).start()
    yield server, module
    server.http.shutdown()
    server.http.server_close()
