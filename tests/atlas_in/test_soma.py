"""A local TileDB-SOMA experiment, sliced; the Census is the same code with another address."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse
from test_catalogue import REMOVE, complaint, entry

from atlas import __main__ as command_line
from atlas.catalogue import read_datasets
from atlas.fetch import fetch
from atlas.listed import listed
from atlas.prepare import prepare
from atlas.soma import address
from atlas.web import SourceFailed
from contract.cli import dispatch

LUNG = {"kind": "soma", "path": "mine", "obs_filter": "tissue == 'lung' and is_primary_data == True"}


def made(**changes):
    fields = {
        "source": LUNG,
        "sha256": REMOVE,
        "gene_ids": "ensembl",
        "obs": {"label": "cell_type", "batch": "lane", "donor": "donor_id", "tissue": "tissue"},
    }
    return entry(**{**fields, **changes})


@pytest.fixture
def read(tmp_path):
    def one(fields):
        path = tmp_path / "sets.yaml"
        path.write_text(yaml.safe_dump({"mine": fields}), encoding="utf-8")
        return read_datasets(path)["mine"]

    return one


def written(folder) -> ad.AnnData:
    """Write an experiment of 60 cells and 30 genes, every second cell a copy, and return what went in."""
    soma_io = pytest.importorskip("tiledbsoma.io", reason="SKIPPED: pip install 'sclitmus[soma]'")
    from atlas.genes import gene_table

    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        {
            "tissue": np.where(np.arange(60) < 40, "lung", "blood"),
            "is_primary_data": np.arange(60) % 2 == 0,
            "cell_type": pd.Categorical(np.where(np.arange(60) % 3, "B cell", "T cell")),
            "lane": [f"l{i % 2}" for i in range(60)],
            "donor_id": [f"d{i % 4}" for i in range(60)],
        },
        index=[f"cell{i}" for i in range(60)],
    )
    var = pd.DataFrame(
        {"feature_id": gene_table().ids[:30], "feature_name": gene_table().symbols[:30]},
        index=[f"row{i}" for i in range(30)],
    )
    counts = sparse.csr_matrix(rng.poisson(2.0, (60, 30)).astype(np.float32))
    cells = ad.AnnData(X=counts, obs=obs, var=var)
    soma_io.from_anndata(str(folder), cells, measurement_name="RNA", X_layer_name="raw")
    return cells


def test_a_slice_holds_the_cells_of_the_filter(read, tmp_path, monkeypatch):
    monkeypatch.setattr("atlas.soma.ROWS", 7)  # three blocks
    cells = written(tmp_path / "mine")
    found = fetch(read(made()), data=tmp_path, folder=tmp_path / "out")
    assert (found["status"], found["reason"]) == ("ok", "")
    assert (found["n_cells"], found["obs_filter"]) == (20, LUNG["obs_filter"])
    expected = cells[(cells.obs["tissue"] == "lung") & cells.obs["is_primary_data"]]
    sliced = ad.read_h5ad(found["path"])
    np.testing.assert_array_equal(sliced.X.toarray(), expected.X.toarray())
    assert list(sliced.obs_names) == list(expected.obs_names)
    assert list(sliced.var_names) == list(cells.var["feature_id"])
    assert list(sliced.obs["cell_type"].astype(str)) == list(expected.obs["cell_type"].astype(str))
    report = prepare(tmp_path / "out/source.h5ad", read(made()), tmp_path / "prepared")
    assert (report["n_cells"], report["n_genes"], report["n_donors"]) == (20, 30, 2)


def test_the_same_slice_has_the_same_bytes_and_can_be_pinned(read, tmp_path):
    written(tmp_path / "mine")
    first = fetch(read(made()), data=tmp_path, folder=tmp_path / "a")
    second = fetch(read(made(sha256=first["sha256"])), data=tmp_path, folder=tmp_path / "b")
    assert second["status"] == "ok"
    other = fetch(read(made(sha256="0" * 64)), data=tmp_path, folder=tmp_path / "c")
    assert "expected 000" in other["reason"]


def test_the_census_is_the_same_code_with_another_address(read, tmp_path, monkeypatch):
    dataset = read(made(source={"kind": "soma", "census": "2025-11-08", "obs_filter": LUNG["obs_filter"]}))
    assert address(dataset.source, organism="human", data=None) == (
        "s3://cellxgene-census-public-us-west-2/cell-census/2025-11-08/soma/census_data/homo_sapiens"
    )
    written(tmp_path / "2025-11-08/soma/census_data/homo_sapiens")
    monkeypatch.setenv("SCLITMUS_CENSUS", str(tmp_path))
    found = fetch(dataset, data=None, folder=tmp_path / "out")
    assert (found["status"], found["n_cells"]) == ("ok", 20)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"obs_filter": "tissue == 'heart'"}, "no cell passes the filter"),
        ({"obs_filter": "tissue = lung"}, "tissue = lung"),
        ({"obs_filter": "organ == 'lung'"}, "organ"),
        ({"path": "none"}, "none"),
        ({"measurement": "ATAC"}, "ATAC"),
        ({"layer": "normalized"}, "normalized"),
    ],
)
def test_what_cannot_be_sliced_is_a_result(read, tmp_path, changes, words):
    written(tmp_path / "mine")
    found = fetch(read(made(source={**LUNG, **changes})), data=tmp_path, folder=tmp_path / "out")
    assert found["status"] == "failed"
    assert words in found["reason"]
    assert "\n" not in found["reason"]
    assert not (tmp_path / "out/source.h5ad").exists()


def test_without_the_library_it_is_a_result(read, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tiledbsoma", None)
    found = fetch(read(made()), data=tmp_path, folder=tmp_path / "out")
    assert "sclitmus[soma]" in found["reason"]
    with pytest.raises(SourceFailed, match="no data folder"):
        address(LUNG, organism="human", data=None)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({**LUNG, "census": "2025-11-08"}, "both 'path' and 'census'"),
        ({"kind": "soma", "obs_filter": "x"}, "neither 'path' nor 'census'"),
        ({"kind": "soma", "census": "latest", "obs_filter": "x"}, "a dated release"),
        ({"kind": "soma", "path": "mine"}, "no 'obs_filter'"),
        ({**LUNG, "path": "../mine"}, "without '..'"),
        ({**LUNG, "uri": "s3://x"}, "unknown key 'uri'"),
    ],
)
def test_mistakes_of_an_entry(tmp_path, source, words):
    assert words in complaint(tmp_path, {"mine": made(source=source)})


DATASET, COLLECTION = "c838aec3-03ef-4398-b882-0e3912abfff0", "ced320a1-29f3-47c1-a735-513c7084d508"
OTHER = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("row", "found", "by"),
    [
        ({"dataset_id": DATASET, "collection_id": COLLECTION}, "data set", DATASET),
        ({"dataset_id": OTHER, "collection_id": COLLECTION}, "study", COLLECTION),
        ({"dataset_id": OTHER, "collection_doi": "https://doi.org/10.1000/MINE"}, "study", "10.1000/mine"),
        ({"dataset_id": OTHER, "collection_id": OTHER, "collection_doi": "10.1000/other"}, "no", ""),
    ],
)
def test_a_release_is_asked_for_ids_and_citation(read, row, found, by):
    source = {"kind": "cellxgene", "dataset_id": DATASET, "collection_id": COLLECTION}
    known = pd.DataFrame([{"dataset_id": OTHER}, row]).fillna("")
    assert listed(read(made(source=source, citation="10.1000/mine")), known) == {"listed": found, "by": by}


def test_a_slice_of_the_census_is_known_by_the_ids_of_its_filter(read):
    source = {"kind": "soma", "census": "2025-11-08", "obs_filter": f"dataset_id in ['{DATASET}']"}
    known = pd.DataFrame([{"dataset_id": DATASET}])
    assert listed(read(made(source=source)), known)["listed"] == "data set"


def test_the_list_is_read_from_the_release(tmp_path, monkeypatch, capsys):
    tiledbsoma = pytest.importorskip("tiledbsoma", reason="SKIPPED: pip install 'sclitmus[soma]'")
    pyarrow = pytest.importorskip("pyarrow")
    rows = pyarrow.table(
        {"soma_joinid": [0, 1], "dataset_id": [OTHER, DATASET], "collection_doi": ["", "10.1/x"]}
    )
    place = tmp_path / "2023-05-15/soma/census_info/datasets"
    place.parent.mkdir(parents=True)
    with tiledbsoma.DataFrame.create(str(place), schema=rows.schema, domain=[[0, 1]]) as frame:
        frame.write(rows)
    monkeypatch.setenv("SCLITMUS_CENSUS", f"{tmp_path}/")
    catalogue = tmp_path / "sets.yaml"
    source = {"kind": "cellxgene", "dataset_id": DATASET}
    catalogue.write_text(yaml.safe_dump({"mine": made(source=source)}), encoding="utf-8")
    argv = ["listed", "--datasets", str(catalogue), "--dataset", "mine", "--census"]
    assert dispatch("atlas", command_line.COMMANDS, about="", argv=[*argv, "2023-05-15"]) == 0
    line = capsys.readouterr().out.splitlines()[2]
    assert line.split() == ["2023-05-15", "data", "set", DATASET, "2"]
    assert dispatch("atlas", command_line.COMMANDS, about="", argv=[*argv, "1999-01-01"]) == 2
    assert "no list of data sets" in capsys.readouterr().err
