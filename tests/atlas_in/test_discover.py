"""CELLxGENE Discover's answers, in both shapes and in none."""

import copy

import pytest
from lying_server import Server, answer, ignoring_ranges, status

from atlas.discover import Asset, api_base, look_up
from atlas.web import SourceFailed
from contract.errors import UserError

DATASET = "c838aec3-03ef-4398-b882-0e3912abfff0"
VERSION = "9deda9ad-6a71-401e-b909-5263919d85f9"
COLLECTION = "ced320a1-29f3-47c1-a735-513c7084d508"
FILE = f"https://datasets.cellxgene.cziscience.com/{VERSION}.h5ad"
NEW = {
    "dataset_id": DATASET,
    "dataset_version_id": VERSION,
    "collection_id": COLLECTION,
    "title": "AIDA",
    "citation": "Publication: … Dataset Version: …",
    "schema_version": "5.2.0",
    "cell_count": 3,
    "organism": [{"label": "Homo sapiens", "ontology_term_id": "NCBITaxon:9606"}],
    "is_primary_data": [True],
    "tombstone": False,
    "assets": [
        {"filetype": "RDS", "filesize": 5, "url": FILE.replace("h5ad", "rds")},
        {"filetype": "H5AD", "filesize": 13_300_000_000, "url": FILE},
    ],
}
BY_VERSION = {"kind": "cellxgene", "dataset_version_id": VERSION}
VERSION_PATH = f"/v1/dataset_versions/{VERSION}"
VERSIONS_PATH = f"/v1/datasets/{DATASET}/versions"
IN_COLLECTION_PATH = f"/v1/collections/{COLLECTION}/datasets/{DATASET}"


@pytest.fixture
def ask(server: Server, hasty):
    return lambda source: look_up(source, base=server.base + "/v1", patience=hasty)


def changed(**changes: object) -> dict:
    made = {**copy.deepcopy(NEW), **changes}
    return {key: value for key, value in made.items() if value is not None}


def test_a_version_is_asked_for_by_its_id(server, ask):
    server.put(VERSION_PATH, answer(NEW))
    facts, asset = ask(BY_VERSION)
    assert asset == Asset(url=FILE, bytes=13_300_000_000)
    assert (facts["title"], facts["schema_version"], facts["dataset_version_id"]) == (
        "AIDA",
        "5.2.0",
        VERSION,
    )
    assert facts["license"] is None


def test_a_data_set_gives_its_newest_version(server, ask):
    server.put(VERSIONS_PATH, answer([NEW, changed(dataset_version_id="older")]))
    facts, _ = ask({"kind": "cellxgene", "dataset_id": DATASET})
    assert facts["dataset_version_id"] == VERSION


def test_a_data_set_of_a_collection(server, ask):
    server.put(IN_COLLECTION_PATH, answer(NEW))
    _, asset = ask({"kind": "cellxgene", "dataset_id": DATASET, "collection_id": COLLECTION})
    assert asset.url == FILE


def test_the_older_shape_needs_a_second_question(server, ask):
    files = [{"filename": "a.rds", "filetype": "RDS"}, {"filename": "a.h5ad", "filetype": "H5AD"}]
    server.put(VERSION_PATH, answer(changed(assets=None, dataset_assets=files)))
    link = f"{server.base}/a.h5ad?signature=x"
    server.put(
        IN_COLLECTION_PATH + "/assets",
        answer([{"filename": "a.h5ad", "filetype": "H5AD", "filesize": 9, "presigned_url": link}]),
    )
    _, asset = ask(BY_VERSION)
    assert asset == Asset(url=link, bytes=9)


def test_a_size_may_be_unknown(server, ask):
    server.put(VERSION_PATH, answer(changed(assets=[{"filetype": "H5AD", "url": FILE}])))
    assert ask(BY_VERSION)[1].bytes is None


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (changed(assets=None), "neither 'assets' nor 'dataset_assets'"),
        (changed(assets=None, dataset_assets=[], collection_id=None), "without collection_id"),
        (changed(assets=[]), "expected one H5AD, found 0"),
        (changed(assets=[NEW["assets"][1]] * 2), "expected one H5AD, found 2"),
        (changed(assets={"H5AD": FILE}), "expected a list of files"),
        (changed(assets=[{"filetype": "H5AD"}]), "has no 'url'"),
        (changed(assets=[{"filetype": "H5AD", "url": FILE, "filesize": "big"}]), "filesize 'big'"),
        (changed(tombstone=True), "withdrawn"),
        (changed(dataset_version_id="another"), "answered dataset_version_id 'another'"),
        ([NEW], "answered list"),
        ("hello", "answered str"),
    ],
)
def test_other_answers_are_refused(server, ask, value, word):
    server.put(VERSION_PATH, answer(value))
    with pytest.raises(SourceFailed, match=word):
        ask(BY_VERSION)


def test_a_version_of_another_data_set_is_refused(server, ask):
    server.put(VERSION_PATH, answer(changed(dataset_id="another")))
    with pytest.raises(SourceFailed, match="answered dataset_id 'another'"):
        ask({**BY_VERSION, "dataset_id": DATASET})


@pytest.mark.parametrize("value", [[], {}, NEW])
def test_versions_must_be_a_list(server, ask, value):
    server.put(VERSIONS_PATH, answer(value))
    with pytest.raises(SourceFailed, match="a list of data sets"):
        ask({"kind": "cellxgene", "dataset_id": DATASET})


def test_a_web_page_is_not_an_answer(server, ask):
    server.put(VERSION_PATH, ignoring_ranges(b"<html>Sign in to the hotel's network</html>"))
    with pytest.raises(SourceFailed, match="not JSON"):
        ask(BY_VERSION)


@pytest.mark.parametrize(("code", "word"), [(410, "withdrawn"), (404, "no such"), (403, "refused")])
def test_refusals_are_told(server, ask, code, word):
    server.put(VERSION_PATH, status(code))
    with pytest.raises(SourceFailed, match=word):
        ask(BY_VERSION)


def test_a_busy_or_cut_answer_is_asked_for_again(server, ask):
    body = b'{"dataset_id": 1}'
    server.put(VERSION_PATH, status(503), ignoring_ranges(body, cut=5), answer(NEW))
    assert ask(BY_VERSION)[1].url == FILE


def test_a_huge_answer_is_cut_off(server, ask, monkeypatch):
    monkeypatch.setattr("atlas.discover.MAX_ANSWER", 100)
    server.put(VERSION_PATH, answer(NEW))
    with pytest.raises(SourceFailed, match="more than 100 bytes"):
        ask(BY_VERSION)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x.h5ad",
        "https://cellxgene.cziscience.com.evil.example/x.h5ad",
        "https://evilcellxgene.cziscience.com/x.h5ad",
        "https://datasets.cellxgene.cziscience.com@evil.example/x.h5ad",
        "ftp://datasets.cellxgene.cziscience.com/x.h5ad",
        "file:///etc/passwd",
    ],
)
def test_files_elsewhere_are_refused(server, ask, url):
    server.put(VERSION_PATH, answer(changed(assets=[{"filetype": "H5AD", "url": url}])))
    with pytest.raises(SourceFailed, match="names a file at"):
        ask(BY_VERSION)


def test_the_base_is_cellxgene_unless_the_environment_says_so(monkeypatch):
    monkeypatch.delenv("SCLITMUS_CELLXGENE_API", raising=False)
    assert api_base() == "https://api.cellxgene.cziscience.com/curation/v1"
    monkeypatch.setenv("SCLITMUS_CELLXGENE_API", "http://mirror:8000/v1/")
    assert api_base() == "http://mirror:8000/v1"
    monkeypatch.setenv("SCLITMUS_CELLXGENE_API", "mirror")
    with pytest.raises(UserError, match="SCLITMUS_CELLXGENE_API"):
        api_base()


def test_a_newer_version_is_told(server, ask):
    server.put(VERSION_PATH, answer(NEW))
    assert ask(BY_VERSION)[0]["newest_version_id"] is None  # the server does not tell
    server.put(VERSIONS_PATH, answer({"datasets": [changed(dataset_version_id="newer"), NEW]}))
    assert ask(BY_VERSION)[0]["newest_version_id"] == "newer"


@pytest.mark.parametrize("step", [status(410), answer([changed(tombstone=True)])])
def test_a_version_of_a_withdrawn_data_set_is_refused(server, ask, step):
    server.put(VERSION_PATH, answer(NEW))
    server.put(VERSIONS_PATH, step)
    with pytest.raises(SourceFailed, match="withdrawn"):
        ask(BY_VERSION)
