"""``python -m board quick``: from an h5ad and a few words to catalogues that the workflow takes."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from written import board

from atlas.catalogue import read_datasets
from atlas.simulate import Simulation, simulate
from board.quick import gene_ids, slug
from contract.files import read_json
from models.catalogue import read_models
from tasks.study import read_study

LIGHT = ("--without", "scvi", "--without", "harmony")
TYPES = ("CL:0000236", "CL:0000623", "CL:0000860")
COLUMNS = ["--label", "cell_type", "--batch", "batch", "--donor", "donor_id"]


@pytest.fixture(scope="module")
def mine(tmp_path_factory) -> Path:
    """Simulated cells with two embeddings of one's own: one that knows the types, one that knows nothing."""
    cells = simulate(Simulation(seed=0, n_cells=160, n_genes=300, n_donors=6, n_batches=2, types=TYPES))
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((cells.n_obs, 5)).astype("float32")
    codes = pd.Categorical(cells.obs["cell_type"]).codes
    cells.obsm["X_mine"] = noise + 9 * np.eye(5, dtype="float32")[codes]
    cells.obsm["X_pca"] = noise
    path = tmp_path_factory.mktemp("quick") / "My cells-1.h5ad"
    cells.write_h5ad(path)
    return path


def quick(mine: Path, folder: Path, *words: str) -> int:
    return board("quick", str(mine), *COLUMNS, "--out", str(folder), "--cores", "1", *words)


def test_it_writes_catalogues_that_the_workflow_takes(mine, tmp_path, capfd) -> None:
    assert quick(mine, tmp_path, "--obsm", "X_mine", "--obsm", "X_pca", "--dry-run") == 0
    assert "embed" in capfd.readouterr().out
    data = read_datasets(tmp_path / "datasets.yaml")["my_cells_1"]
    assert (data.gene_ids, data.organism, data.units) == ("ensembl", "human", "donor")
    models = read_models(tmp_path / "models.yaml").contestants
    study = read_study(tmp_path / "study.yaml")
    assert set(models) == set(study.models)
    assert {"noise", "oracle", "hvg", "pca", "harmony", "scvi", "mine", "my_pca"} <= set(models)
    assert models["pca"].adapter == "pca", "an array of the user's never takes a baseline's name"
    assert models["mine"].fits == ("all",), "what was not said to be frozen has seen the cells"
    assert study.baselines == ("hvg", "pca", "harmony", "scvi")
    pinned = read_models(Path(__file__).parents[2] / "models.yaml").contestants
    assert models["scvi"].options == pinned["scvi"].options


def test_a_frozen_model_is_judged_as_one(mine, tmp_path) -> None:
    assert quick(mine, tmp_path, "--obsm", "X_mine", "--frozen", "--without", "scvi", "--dry-run") == 0
    models = read_models(tmp_path / "models.yaml").contestants
    assert "scvi" not in models
    assert models["mine"].fits == ("none",)
    assert "pretraining" in models["mine"].card.saw
    assert models["mine"].card.pretrained_on is None, "not disclosed: no zero-shot verdict"


MISTAKES = [
    (["--obsm", "X_mien"], "did you mean 'X_mine'?"),
    (["--obsm", "X_mine", "--label", "cell_typ"], "did you mean 'cell_type'?"),
    (["--obsm", "X_mine", "--donor", "patient"], "--donor: found 'patient'"),
    (["--obsm", "X_mine", "--obsm", "X_mine"], "two arrays called mine"),
    (["--obsm", "X_mine", "--without", "pca"], "the reference"),
]


@pytest.mark.parametrize(("words", "told"), MISTAKES)
def test_a_mistake_is_one_line(mine, tmp_path, capsys, words, told) -> None:
    assert quick(mine, tmp_path / "out", *words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert told in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["none.h5ad", "text.h5ad", "text.txt"])
def test_a_file_that_is_none_is_one_line(tmp_path, capsys, name) -> None:
    if name.startswith("text"):
        (tmp_path / name).write_text("nonsense")
    assert quick(tmp_path / name, tmp_path / "out", "--obsm", "X_mine") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert name in error


@pytest.mark.parametrize(
    ("index", "columns", "found"),
    [
        (["ENSG00000187608", "ENSG00000175756"], {}, ("human", "ensembl", None)),
        (["ENSMUSG00000051951.6", "ENSMUSG00000089699.2"], {}, ("mouse", "ensembl", None)),
        (
            ["CD3E", "MS4A1"],
            {"gene_ids": ["ENSG00000198851", "ENSG00000156738"]},
            ("human", "ensembl", "gene_ids"),
        ),
        (["CD3E", "MS4A1"], {"highly_variable": [True, False]}, ("human", "symbol", None)),
        (["Cd3e", "Ms4a1"], {}, ("mouse", "symbol", None)),
    ],
)
def test_gene_ids_are_found_where_they_are(index, columns, found) -> None:
    told = gene_ids(pd.DataFrame(columns, index=index))
    assert (told["organism"], told["gene_ids"], told.get("gene_column")) == found


@pytest.mark.parametrize(("name", "told"), [("My Cells.v2", "my_cells_v2"), ("3k", "x3k"), ("Ü", "x")])
def test_names_become_ids(name, told) -> None:
    assert slug(name) == told


@pytest.mark.e2e
def test_an_embedding_of_ones_own_stands_beside_the_baselines(mine, tmp_path) -> None:
    assert quick(mine, tmp_path, "--obsm", "X_mine", "--obsm", "X_pca", *LIGHT) == 0
    found = read_json(tmp_path / "results/leaderboards/quick/leaderboard.json")
    words = {c["model"]: c for c in found["comparisons"] if c["task"] == "annotation"}
    assert words["mine"]["gain"] > words["my_pca"]["gain"]
    assert ad.read_h5ad(tmp_path / "results/data/my_cells_1/cells.h5ad").n_obs == 160
    page = (tmp_path / "results/leaderboards/quick/index.html").read_text(encoding="utf-8")
    assert str(mine.parent) not in page
