"""``python -m atlas fetch``: every kind of source, and what becomes of those that cannot be had."""

import hashlib
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from lying_server import answer, ranged, status
from test_catalogue import REMOVE, ROOT, SIMULATED, entry
from test_discover import BY_VERSION, VERSION_PATH, changed

from atlas import __main__ as command_line
from atlas.catalogue import find_dataset
from contract.catalogue import read_yaml
from contract.cli import dispatch
from contract.files import read_json, sha256


@pytest.fixture
def fetch(tmp_path: Path, monkeypatch, hasty):
    """Write one entry, run the command on it, and return exit status and ``source.json``."""
    monkeypatch.setattr("atlas.fetch.fetch.__kwdefaults__", {"patience": hasty})

    def run(made: dict, *, data: Path | None = None) -> tuple[int, dict]:
        catalogue = tmp_path / "sets.yaml"
        catalogue.write_text(yaml.safe_dump({"mine": made}), encoding="utf-8")
        out = tmp_path / "results" / "mine" / "source.json"
        argv = ["fetch", "--datasets", str(catalogue), "--dataset", "mine", "--out", str(out)]
        argv += ["--data", str(data)] if data else []
        code = dispatch("atlas", command_line.COMMANDS, about="", argv=argv)
        return code, read_json(out) if out.exists() else {}

    return run


@pytest.fixture
def data(tmp_path: Path, body: bytes) -> Path:
    folder = tmp_path / "data" / "sets"
    folder.mkdir(parents=True)
    (folder / "three.h5ad").write_bytes(body)
    return folder.parent


def failed(found: tuple[int, dict]) -> str:
    code, source = found
    assert code == 0
    assert source["status"] == "failed"
    assert (source["path"], source["sha256"], source["bytes"]) == (None, None, None)
    assert "\n" not in source["reason"]
    return source["reason"]


def test_a_file_is_checked_where_it_lies(fetch, data, body):
    digest = hashlib.sha256(body).hexdigest()
    code, source = fetch(entry(sha256=digest), data=data)
    assert code == 0
    path = str(data / "sets/three.h5ad")
    assert source == {
        "status": "ok",
        "reason": "",
        "kind": "file",
        "path": path,
        "sha256": digest,
        "bytes": len(body),
    }


def test_a_zarr_store_is_known_by_all_its_files(fetch, tmp_path):
    store = tmp_path / "data/sets/three.zarr/X"
    store.mkdir(parents=True)
    for name in ("b", "a"):
        (store / name).write_bytes(name.encode())
    lines = [f"X/{name}\0{hashlib.sha256(name.encode()).hexdigest()}\n" for name in ("a", "b")]
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    made = entry(source__path="sets/three.zarr", sha256=digest)
    assert fetch(made, data=tmp_path / "data")[1] | {"path": ""} == {
        "status": "ok",
        "reason": "",
        "kind": "file",
        "path": "",
        "sha256": digest,
        "bytes": 2,
    }
    (store / "c").write_bytes(b"")
    assert "found SHA-256" in failed(fetch(made, data=tmp_path / "data"))


def test_no_folder_is_a_result(fetch):
    assert "pass --config data=DIR" in failed(fetch(entry()))


def test_no_file_is_a_result(fetch, tmp_path):
    reason = failed(fetch(entry(), data=tmp_path))
    assert str(tmp_path / "sets/three.h5ad") in reason
    assert "no such file" in reason


def test_other_bytes_are_a_result(fetch, data, body):
    reason = failed(fetch(entry(), data=data))
    assert f"found SHA-256 {hashlib.sha256(body).hexdigest()}, expected {'a' * 64}" in reason


def test_a_truncated_file_is_a_result(fetch, data, body):
    (data / "sets/three.h5ad").write_bytes(body[:-1])
    assert "found SHA-256" in failed(fetch(entry(sha256=hashlib.sha256(body).hexdigest()), data=data))


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", b"version https://git-lfs.github.com/spec/v1"])
def test_what_is_not_hdf5_is_told_so(fetch, data, content):
    (data / "sets/three.h5ad").write_bytes(content)
    assert "expected HDF5" in failed(fetch(entry(sha256=hashlib.sha256(content).hexdigest()), data=data))


def test_a_catalogue_mistake_is_an_error(fetch, capsys):
    code, source = fetch(entry(organism="yeast"))
    assert (code, source) == (2, {})
    assert capsys.readouterr().err.count("\n") == 1


def test_an_unknown_id_is_an_error(tmp_path, capsys):
    argv = [
        "fetch",
        "--datasets",
        str(ROOT / "datasets.yaml"),
        "--dataset",
        "pbmc86k",
        "--out",
        str(tmp_path / "s"),
    ]
    assert dispatch("atlas", command_line.COMMANDS, about="", argv=argv) == 2
    assert "did you mean 'pbmc68k'" in capsys.readouterr().err


def test_scanpy_ships_its_file(fetch):
    ours = find_dataset(ROOT / "datasets.yaml", "pbmc68k")
    good = entry(source=ours.source, sha256=ours.sha256)
    code, source = fetch(good)
    assert (code, source["status"], source["bytes"]) == (0, "ok", 1_772_368)
    assert sha256(Path(source["path"])) == ours.sha256


def test_another_scanpy_is_a_result(fetch):
    assert "found SHA-256" in failed(fetch(entry(source={"kind": "scanpy", "name": "pbmc68k_reduced"})))


def simulated(**changes: object) -> dict:
    return entry(source={**SIMULATED, **changes}, sha256=REMOVE, label_source="simulated")


def test_simulated_cells_are_written_beside(fetch, tmp_path):
    code, source = fetch(simulated(n_cells=40, n_genes=50, n_donors=2, n_batches=1))
    path = tmp_path / "results/mine/source.h5ad"
    assert (code, source["status"], source["path"]) == (0, "ok", str(path))
    assert source["sha256"] == sha256(path)


def test_a_refused_simulation_is_an_error(fetch, capsys):
    assert fetch(simulated(n_donors=1, n_batches=5, dispersion=0))[0] == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "sets.yaml: mine: source:" in message


def test_the_schema_knows_the_parameters_of_the_simulation():
    from atlas.simulate import Simulation

    known = read_yaml(ROOT / "workflow/schemas/datasets.schema.yaml")["$defs"]["simulated"]["properties"]
    assert set(known) == {"kind"} | {field.name for field in fields(Simulation)}


@pytest.fixture
def discover(server, monkeypatch, body):
    """A mirror that holds one data set; returns the entry that asks for it."""
    monkeypatch.setenv("SCLITMUS_CELLXGENE_API", server.base + "/v1")
    url = server.put("/file.h5ad", ranged(body))
    assets = [{"filetype": "H5AD", "filesize": len(body), "url": url}]
    server.put(VERSION_PATH, answer(changed(assets=assets)))
    return entry(source=BY_VERSION, sha256=hashlib.sha256(body).hexdigest())


def test_cellxgene_is_looked_up_and_downloaded(fetch, discover, body, tmp_path):
    code, source = fetch(discover)
    assert (code, source["status"], source["kind"], source["bytes"]) == (0, "ok", "cellxgene", len(body))
    assert Path(source["path"]).read_bytes() == body
    assert source["title"] == "AIDA"
    assert source["schema_version"] == "5.2.0"
    assert source["dataset_version_id"] == BY_VERSION["dataset_version_id"]


def test_a_second_fetch_of_pinned_bytes_needs_no_network(fetch, discover, server):
    first = fetch(discover)
    server.put(VERSION_PATH, status(500))
    server.put("/file.h5ad", status(500))
    assert fetch(discover) == first
    assert len(server.seen["/file.h5ad"]) == 1


def test_spoilt_bytes_are_downloaded_again(fetch, discover, body):
    _, source = fetch(discover)
    Path(source["path"]).write_bytes(b"spoilt")
    assert fetch(discover)[1] == source
    assert Path(source["path"]).read_bytes() == body


def test_without_a_hash_the_one_to_pin_is_told(fetch, discover, body, capsys):
    digest = discover.pop("sha256")
    assert fetch(discover)[1]["sha256"] == digest
    assert f'sha256: "{digest}"' in capsys.readouterr().err


def test_cellxgene_sends_other_bytes(fetch, discover, tmp_path):
    assert "found SHA-256" in failed(fetch({**discover, "sha256": "b" * 64}))
    assert not (tmp_path / "results/mine/source.h5ad").exists()


@pytest.mark.parametrize(("code", "word"), [(404, "no such"), (410, "withdrawn"), (500, "gave up")])
@pytest.mark.parametrize("path", [VERSION_PATH, "/file.h5ad"])
def test_cellxgene_fails_as_a_result(fetch, discover, server, path, code, word):
    server.put(path, status(code))
    assert word in failed(fetch(discover))


def test_the_network_is_down(fetch, discover, server):
    server.http.server_close()
    assert "ConnectionError" in failed(fetch(discover))


def test_a_wrong_mirror_is_an_error(fetch, discover, monkeypatch, capsys):
    monkeypatch.setenv("SCLITMUS_CELLXGENE_API", "mirror")
    assert fetch(discover)[0] == 2
    assert "SCLITMUS_CELLXGENE_API" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_a_result(fetch, discover, tmp_path):
    (tmp_path / "results" / "mine" / "source.h5ad.part").mkdir(parents=True)
    assert "source.h5ad.part" in failed(fetch(discover))
