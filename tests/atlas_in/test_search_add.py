"""``atlas search`` and ``atlas add`` against a server that answers as CELLxGENE Discover describes itself."""

import copy
from pathlib import Path

import pytest
import yaml
from lying_server import Server, answer, ranged, status
from test_discover import COLLECTION, DATASET, VERSION, VERSION_PATH

from atlas import __main__ as command_line
from atlas.catalogue import find_dataset, read_datasets
from atlas.entry import slug
from contract.cli import dispatch
from contract.files import read_json, sha256

NEWEST = "11111111-2222-3333-4444-555555555555"
MOUSE = "99999999-2222-3333-4444-555555555555"


def term(label: str, identifier: str, **more: str) -> dict:
    return {"label": label, "ontology_term_id": identifier, **more}


AIDA = {
    "dataset_id": DATASET,
    "dataset_version_id": VERSION,
    "collection_id": COLLECTION,
    "title": "AIDA Phase 1 Data Freeze v2",
    "citation": "Publication: https://doi.org/10.1016/j.cell.2025.02.017 Dataset Version: …",
    "schema_version": "5.2.0",
    "cell_count": 1_265_624,
    "organism": [term("Homo sapiens", "NCBITaxon:9606")],
    "tissue": [term("blood", "UBERON:0000178", tissue_type="tissue")],
    "disease": [term("normal", "PATO:0000461")],
    "assay": [term("10x 5' v2", "EFO:0009900")],
    "cell_type": [term("B cell", "CL:0000236")],
    "donor_id": ["SG_1", "SG_2", "JP_1"],
    "batch_condition": None,
    "is_primary_data": [True],
    "published_at": "2023-06-01T00:00:00+00:00",
    "tombstone": False,
    "x_approximate_distribution": "NORMAL",
}
ISLETS = {
    **copy.deepcopy(AIDA),
    "dataset_id": MOUSE,
    "title": "Islets",
    "cell_count": 300_000,
    "organism": [term("Mus musculus", "NCBITaxon:10090")],
    "tissue": [term("islet of Langerhans", "UBERON:0000006"), term("pancreas", "UBERON:0001264")],
    "disease": [term("normal", "PATO:0000461"), term("type 2 diabetes mellitus", "MONDO:0005148")],
    "batch_condition": ["disease", "lane"],
    "donor_id": ["m1"],
    "is_primary_data": [True, False],
}
HOME = {
    "collection_id": COLLECTION,
    "name": "Asian Immune Diversity Atlas",
    "doi": "10.1016/j.cell.2025.02.017",
    "published_at": "2023-06-02T00:00:00+00:00",
    "publisher_metadata": {"published_year": 2025, "published_month": 3, "published_day": 19},
}


@pytest.fixture
def atlas(server: Server, monkeypatch, capsys):
    """Run a command against the server; return exit status, stdout, stderr."""
    monkeypatch.setenv("SCLITMUS_CELLXGENE_API", server.base + "/v1")

    def run(*argv: str) -> tuple[int, str, str]:
        code = dispatch("atlas", command_line.COMMANDS, about="", argv=list(argv))
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def aida(server: Server):
    older = {"dataset_version_id": "old", "published_at": "2023-05-01T00:00:00+00:00"}
    server.put(f"/v1/datasets/{DATASET}/versions", answer([AIDA, older]))
    server.put(VERSION_PATH, answer(AIDA))
    server.put(f"/v1/collections/{COLLECTION}", answer(HOME))


@pytest.fixture
def index(server: Server):
    gone = {**AIDA, "dataset_id": "gone", "tombstone": True}
    server.put("/v1/datasets", answer([ISLETS, AIDA, gone, {"dataset_id": "bare"}]))


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), [DATASET, MOUSE, "bare"]),
        (("--tissue", "BLOOD"), [DATASET]),
        (("--tissue", "UBERON:0000006"), [MOUSE]),
        (("--tissue", "UBERON:000"), []),  # half an id is no label
        (("--disease", "diabetes"), [MOUSE]),
        (("--assay", "10x", "--organism", "sapiens"), [DATASET]),
        (("--cell-type", "B cell", "--max-cells", "1000000"), [MOUSE]),
        (("--min-cells", "1000000"), [DATASET]),
        (("--min-donors", "3"), [DATASET]),
        (("--since", "2023-06"), [DATASET, MOUSE]),
        (("--since", "2024"), []),
    ],
)
def test_search(atlas, index, options, found):
    code, out, err = atlas("search", *options)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[2:]] == found
    assert f"{len(found)} of 4 data sets" in err


def test_a_line_of_the_search_says_what_is_there(atlas, index):
    line = atlas("search", "--organism", "musculus")[1].splitlines()[2]
    for word in (
        "300000",
        "islet of Langerhans, pancreas",
        "type 2 diabetes mellitus",
        "2023-06-01",
        "Islets",
    ):
        assert word in line


def test_no_server_is_one_line(atlas, server):
    server.put("/v1/datasets", status(404))
    code, _, err = atlas("search")
    assert code == 2
    assert err.count("\n") == 1
    assert "check the network" in err


@pytest.mark.parametrize("identifier", [DATASET, VERSION])
def test_add_writes_a_whole_entry(atlas, aida, tmp_path: Path, identifier):
    path = tmp_path / "sets.yaml"
    code, out, _ = atlas("add", identifier, "--datasets", str(path), "--name", "aida")
    assert code == 0
    entry = yaml.safe_load(path.read_text())["aida"]
    assert yaml.safe_load(out) == {"aida": entry}
    assert entry["source"] == {
        "kind": "cellxgene",
        "dataset_version_id": VERSION,
        "dataset_id": DATASET,
        "collection_id": COLLECTION,
    }
    dataset = find_dataset(path, "aida")
    assert dataset.title == "Asian Immune Diversity Atlas: AIDA Phase 1 Data Freeze v2"
    assert (dataset.citation, dataset.organism, dataset.units) == (
        "10.1016/j.cell.2025.02.017",
        "human",
        "donor",
    )
    assert dataset.public_since == "2023-05-01"  # of the first version, not of this one
    assert dataset.license.startswith("CC-BY-4.0")
    assert "schema 5.2.0" in dataset.note
    assert "superseded" not in dataset.note
    assert (dataset.obs.batch, dataset.obs.condition) == ("donor_id", None)


def test_a_superseded_version_says_so(atlas, aida, server, tmp_path):
    newer = {**AIDA, "dataset_version_id": NEWEST}
    server.put(f"/v1/datasets/{DATASET}/versions", answer([newer, AIDA]))
    path = tmp_path / "sets.yaml"
    assert atlas("add", VERSION, "--datasets", str(path), "--name", "aida")[0] == 0
    found = find_dataset(path, "aida")
    assert found.source["dataset_version_id"] == VERSION
    assert f"superseded by version {NEWEST}" in found.note


def test_conditions_copies_and_lone_donors(atlas, server, tmp_path):
    server.put(f"/v1/datasets/{MOUSE}/versions", answer({"datasets": [ISLETS]}))
    path = tmp_path / "sets.yaml"
    assert atlas("add", MOUSE, "--datasets", str(path))[0] == 0
    (made,) = read_datasets(path).values()
    assert made.id == "islets"
    assert (made.obs.batch, made.obs.condition, made.units) == ("lane", "disease", "none")
    assert made.where == {"is_primary_data": ["True"]}
    assert made.organism == "mouse"
    assert made.citation == "10.1016/j.cell.2025.02.017"  # of the text, without a collection


def test_a_catalogue_keeps_its_words_and_its_entries(atlas, aida, tmp_path):
    path = tmp_path / "sets.yaml"
    old = (Path(__file__).parents[2] / "datasets.yaml").read_text(encoding="utf-8")
    path.write_text(old, encoding="utf-8")
    assert atlas("add", DATASET, "--datasets", str(path), "--name", "aida")[0] == 0
    assert path.read_text(encoding="utf-8").startswith(old)
    assert list(read_datasets(path))[-1] == "aida"
    before = path.read_bytes()
    code, _, err = atlas("add", DATASET, "--datasets", str(path), "--name", "aida")
    assert (code, path.read_bytes()) == (2, before)
    assert "choose another with --name" in err


def test_add_can_download_and_pin(atlas, aida, server, body, tmp_path):
    url = server.put("/aida.h5ad", ranged(body))
    server.put(
        VERSION_PATH, answer({**AIDA, "assets": [{"filetype": "H5AD", "filesize": len(body), "url": url}]})
    )
    path, folder = tmp_path / "sets.yaml", tmp_path / "aida"
    argv = ("--datasets", str(path), "--name", "aida", "--download", str(folder))
    assert atlas("add", VERSION, *argv)[0] == 0
    assert find_dataset(path, "aida").sha256 == sha256(folder / "source.h5ad")
    assert read_json(folder / "source.json")["newest_version_id"] == VERSION


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tombstone": True}, "withdrawn"),
        ({"organism": [term("Danio rerio", "NCBITaxon:7955")]}, "found organism Danio rerio"),
        ({"organism": AIDA["organism"] + ISLETS["organism"]}, "one: human or mouse"),
        ({"organism": []}, "not stated"),
    ],
)
def test_what_cannot_be_an_entry_leaves_no_file(atlas, aida, server, tmp_path, changes, words):
    server.put(VERSION_PATH, answer({**AIDA, **changes}))
    path = tmp_path / "sets.yaml"
    code, _, err = atlas("add", VERSION, "--datasets", str(path))
    assert code == 2
    assert words in err
    assert err.count("\n") == 1
    assert not path.exists()


def test_a_data_set_taken_back_takes_its_versions_along(atlas, aida, server, tmp_path):
    server.put(f"/v1/datasets/{DATASET}/versions", status(410))
    code, _, err = atlas("add", VERSION, "--datasets", str(tmp_path / "sets.yaml"))
    assert code == 2
    assert "withdrawn" in err


@pytest.mark.parametrize(
    "identifier", ["lung", "../x", DATASET.upper(), "00000000-0000-0000-0000-000000000000"]
)
def test_an_id_that_is_none(atlas, tmp_path, identifier):
    code, _, err = atlas("add", identifier, "--datasets", str(tmp_path / "sets.yaml"))
    assert code == 2
    assert identifier in err


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("AIDA Phase 1 — v2", "aida_phase_1_v2"),
        ("10x PBMC", "set_10x_pbmc"),
        ("細胞", "set"),
        ("a" * 90, "a" * 48),
    ],
)
def test_titles_become_folder_names(title, name):
    assert slug(title) == name
