"""Files that were cut short, overwritten or mixed up: one line, and no number made from them."""

import json
import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import made_cells, write_prepared

from atlas.__main__ import COMMANDS
from contract.cli import dispatch
from contract.errors import UserError
from contract.files import Broken, read_array, read_json, read_table, sha256, write_json
from contract.outcome import Outcome
from models.embed import check_state
from models.state import read_state, write_state
from tasks.belongs import read_own_runs
from tasks.cells import read_cells

ENTRY = {
    "title": "Mine",
    "source": {"kind": "file", "path": "mine.h5ad"},
    "license": "CC0-1.0",
    "citation": "10.1000/mine",
    "organism": "human",
    "gene_ids": "ensembl",
    "total_counts": "matrix",
    "obs": {"donor": "donor", "batch": "batch"},
    "label_source": "none",
    "public_since": "2020",
    "tasks": ["integration"],
    "units": "donor",
}


def prepare(path: Path, **changes: object) -> Outcome:
    """``atlas prepare`` on one file; what is wrong with it is an outcome, and exit status 0."""
    catalogue, source, out = (path.with_name(name) for name in ("sets.yaml", "source.json", "made"))
    catalogue.write_text(yaml.safe_dump({"mine": ENTRY | changes | {"sha256": sha256(path)}}))
    write_json(source, {"status": "ok", "reason": "", "path": str(path), "sha256": sha256(path)})
    argv = ["prepare", "--datasets", catalogue, "--dataset", "mine", "--source", source, "--out", out]
    assert dispatch("atlas", COMMANDS, about="", argv=[str(word) for word in argv]) == 0
    assert (out / "cells.h5ad").is_file()
    return Outcome.read(out / "outcome.json")


def cut(path: Path, *, keep: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])


def told(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert "found" in text
    return text


def refused(outcome: Outcome, path: Path) -> None:
    assert outcome.status == "failed"
    assert str(path) in outcome.reason
    assert "\n" not in outcome.reason


def test_a_source_that_changed_after_it_was_fetched(prepared: Path) -> None:
    """Whatever it is now, the hash that the page would show is another file's."""
    path = prepared / "cells.h5ad"
    assert prepare(path).status == "ok"
    argv = ["prepare", "--datasets", path.with_name("sets.yaml"), "--dataset", "mine"]
    argv += ["--source", path.with_name("source.json"), "--out", path.with_name("made")]
    for change, told in (
        (lambda: made_cells(seed=1).write_h5ad(path), "other bytes"),
        (path.unlink, "No such file"),
    ):
        change()
        assert dispatch("atlas", COMMANDS, about="", argv=[str(word) for word in argv]) == 0
        outcome = Outcome.read(path.with_name("made") / "outcome.json")
        refused(outcome, path)
        assert told in outcome.reason


@pytest.mark.parametrize("keep", [0.0, 0.02, 0.5, 0.97])
def test_a_cut_h5ad_is_refused(prepared: Path, keep: float) -> None:
    path = prepared / "cells.h5ad"
    cut(path, keep=keep)
    refused(prepare(path), path)


def test_an_h5ad_of_noise_behind_its_signature_is_refused(prepared: Path) -> None:
    path = prepared / "cells.h5ad"
    content = bytearray(path.read_bytes())
    content[96:] = np.random.default_rng(0).bytes(len(content) - 96)
    path.write_bytes(content)
    refused(prepare(path), path)


@pytest.mark.parametrize("name", ["truth.parquet", "reference.npy"])
@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_a_cut_table_or_array_is_told(prepared: Path, name: str, keep: float) -> None:
    cut(prepared / name, keep=keep)
    with pytest.raises(Broken, match=name) as error:
        read_cells(prepared)
    assert "run again" in told(error)


def test_one_kind_of_file_in_the_place_of_another(prepared: Path) -> None:
    shutil.copy(prepared / "split.parquet", prepared / "truth.parquet")
    with pytest.raises(Broken, match=r"truth\.parquet") as error:
        read_cells(prepared)
    told(error)
    shutil.copy(prepared / "truth.parquet", prepared / "reference.npy")
    for read, name in ((read_array, "reference.npy"), (read_table, "cells.h5ad"), (read_json, "cells.h5ad")):
        with pytest.raises(Broken, match=name) as error:
            read(prepared / name)
        told(error)


@pytest.mark.parametrize("text", ["", "{", '{"status": "ok"', "[" * 100_000, "\x00\x01"])
def test_json_that_is_cut_short(tmp_path: Path, text: str) -> None:
    path = tmp_path / "outcome.json"
    path.write_text(text)
    with pytest.raises(Broken, match=r"outcome\.json: found a broken file"):
        Outcome.read(path)


@pytest.mark.parametrize("value", [[], {"status": "splendid", "stage": "x"}, {"state": "ok"}, None, 7])
def test_json_that_is_no_outcome(tmp_path: Path, value: object) -> None:
    write_json(tmp_path / "outcome.json", value)
    with pytest.raises(Broken, match=r"outcome\.json"):
        Outcome.read(tmp_path / "outcome.json")


def test_an_array_whose_header_promises_the_world(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    with open(path, "wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (1 << 40, 1 << 10)}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(Broken, match=r"x\.npy"):
        read_array(path)


def test_weights_that_are_cut_or_anothers(tmp_path: Path) -> None:
    state = tmp_path / "seed-0" / "state"
    state.mkdir(parents=True)
    write_state(state, arrays={"mean": np.arange(9.0)}, about={"genes": ["g"]})
    facts = {"state": {path.name: sha256(path) for path in state.iterdir()}}
    check_state(state.parent, facts)
    (tmp_path / "other").mkdir()
    write_state(tmp_path / "other", arrays={"mean": np.arange(9.0) + 1}, about={"genes": ["g"]})
    shutil.copy(tmp_path / "other" / "arrays.safetensors", state)
    assert read_state(state)[0]["mean"][0] == 1.0, "a swapped file is a good file of its kind"
    with pytest.raises(UserError, match=r"arrays\.safetensors: found other bytes than") as error:
        check_state(state.parent, facts)
    told(error)
    (state / "about.json").unlink()
    with pytest.raises(UserError, match="no such file"):
        check_state(state.parent, {"state": {"about.json": "0"}})
    write_state(state, arrays={"mean": np.arange(9.0)}, about={"genes": ["g"]})
    cut(state / "arrays.safetensors", keep=0.6)
    with pytest.raises(UserError, match="no readable checkpoint"):
        read_state(state)


def embedded(folder: Path, prepared: Path, *, model: str, value: float) -> Path:
    """An embedding folder as ``models embed`` leaves it."""
    folder.mkdir(parents=True)
    names = ad.read_h5ad(prepared / "cells.h5ad").obs_names
    np.save(folder / "embedding.npy", np.full((len(names), 2), value, dtype=np.float32))
    facts = {"dataset": prepared.name, "model": model, "fit": "none", "seed": 0, "control": False}
    facts |= {"card": {}, "options": {}, "checkpoint": None}
    facts["inputs"] = {name: sha256(prepared / name) for name in ("cells.h5ad", "split.parquet")}
    facts["embedding_sha256"] = sha256(folder / "embedding.npy")
    write_json(folder / "run.json", facts)
    write_json(folder / "cost.json", {})
    Outcome(status="ok", stage="embed").write(folder / "outcome.json")
    return folder


def test_arrays_of_two_contestants_that_were_mixed_up(tmp_path: Path, prepared: Path) -> None:
    one = embedded(tmp_path / "one", prepared, model="one", value=1.0)
    two = embedded(tmp_path / "two", prepared, model="two", value=2.0)
    good = read_own_runs([one, two], data=prepared, n_cells=40)
    assert [run.outcome.status for run in good] == ["ok", "ok"]
    shutil.copy(two / "embedding.npy", one / "embedding.npy")
    bad, still_good = read_own_runs([one, two], data=prepared, n_cells=40)
    assert (bad.outcome.status, bad.Z) == ("failed", None)
    assert "not the array that was written here" in bad.outcome.reason
    assert still_good.outcome.status == "ok"
    cut(two / "embedding.npy", keep=0.9)
    assert read_own_runs([two], data=prepared, n_cells=40)[0].outcome.status == "failed"


def test_an_embedding_of_other_cells_of_the_same_number(tmp_path: Path, prepared: Path) -> None:
    run = embedded(tmp_path / "one", prepared, model="one", value=1.0)
    other = write_prepared(tmp_path / "data" / "other", seed=1)
    (found,) = read_own_runs([run], data=other, n_cells=40)
    assert (found.outcome.status, found.Z) == ("failed", None)
    assert "made from other cells" in found.outcome.reason


def test_labels_of_another_data_set_of_the_same_size(tmp_path: Path, prepared: Path) -> None:
    other = write_prepared(tmp_path / "data" / "other", seed=1)
    shutil.copy(other / "truth.parquet", prepared / "truth.parquet")
    with pytest.raises(UserError, match=r"truth\.parquet: found other cells than in split\.parquet") as error:
        read_own_runs([], data=prepared, n_cells=40)
    told(error)


def test_score_rows_that_are_cut_or_of_another_kind(tmp_path: Path, prepared: Path) -> None:
    from board.scores import read_rows
    from tasks.study import read_study

    study = read_study(Path(__file__).resolve().parents[2] / "studies" / "demo.yaml")
    shutil.copy(prepared / "truth.parquet", tmp_path / "scores.parquet")
    for damage in (lambda: None, lambda: cut(tmp_path / "scores.parquet", keep=0.5)):
        damage()
        with pytest.raises(UserError, match=r"scores\.parquet") as error:
            read_rows(study, [tmp_path / "scores.parquet"])
        told(error)


def test_what_is_whole_is_read(prepared: Path) -> None:
    """Or all of the above would pass for a reader that refuses everything."""
    assert len(read_cells(prepared)) == 40
    assert read_array(prepared / "reference.npy").shape == (40, 2)
    assert list(read_table(prepared / "split.parquet").columns) == ["cell", "unit", "part"]
    assert isinstance(read_table(prepared / "truth.parquet", columns=["cell"]), pd.DataFrame)
    assert json.loads((prepared / "report.json").read_text()) == read_json(prepared / "report.json")
    assert prepare(prepared / "cells.h5ad").status == "ok"
