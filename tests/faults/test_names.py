"""Names that are no text, that climb out of their folder, or that mean something to a shell or a page."""

import os
import sys
from pathlib import Path

import pytest
import yaml
from conftest import made_cells

from atlas.__main__ import COMMANDS
from atlas.content import content_sha256
from contract.catalogue import read_yaml
from contract.cli import dispatch
from contract.errors import UserError
from contract.files import sha256, write_json
from models.catalogue import read_models
from tasks.study import read_study

ROOT = Path(__file__).resolve().parents[2]
CLIMBERS = [
    *("../x", "..", "/etc/passwd", "a/../../b", "a/b", "a\\b", "~root", "con:", ".hidden", "x\n", "x y"),
    *("$(id)", "`id`", "a;id", "a|b", "-rf", "{dataset}", "%2e%2e", "x\0", "caf\u00e9", "\u202eadmin"),
]
TOO_LONG = "x" * 300


@pytest.mark.parametrize("name", [*CLIMBERS, TOO_LONG])
def test_a_contestant_or_corpus_is_no_path(tmp_path: Path, name: str) -> None:
    path = tmp_path / "models.yaml"
    ours = {"pca": {"adapter": "pca"}}
    for file in (
        {"models": {name: {"adapter": "pca"}}},
        {"models": ours, "corpora": {name: {"datasets": {"a": "all"}}}},
        {
            "models": {"pca@c": {"adapter": "pca", "corpus": name}},
            "corpora": {"c": {"datasets": {"a": "all"}}},
        },
    ):
        path.write_text(yaml.safe_dump(file, allow_unicode=True))
        with pytest.raises(UserError) as error:
            read_models(path)
        assert str(error.value).isprintable()


@pytest.mark.parametrize("name", CLIMBERS)
@pytest.mark.parametrize("field", ["study", "datasets", "models"])
def test_a_study_names_no_path(tmp_path: Path, name: str, field: str) -> None:
    file = yaml.safe_load((ROOT / "studies" / "demo.yaml").read_text(encoding="utf-8"))
    file[field] = name if field == "study" else [name, *file[field][1:]]
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(file, allow_unicode=True))
    with pytest.raises(UserError) as error:
        read_study(path)
    assert str(error.value).isprintable()


def test_a_name_that_no_folder_can_bear(tmp_path: Path) -> None:
    file = yaml.safe_load((ROOT / "studies" / "demo.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(file | {"study": TOO_LONG}))
    with pytest.raises(UserError, match="at most 64 characters"):
        read_study(path)


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder whose name is no UTF-8."""
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    try:
        Path(os.fsdecode(folder)).mkdir()
    except OSError:
        pytest.skip("SKIPPED: this file system knows UTF-8 names only")
    return Path(os.fsdecode(folder))


def test_a_folder_whose_name_is_no_text(odd: Path, tmp_path: Path, capsys) -> None:
    """The file in it may be fine; its path cannot be written down, and that is one line."""
    (odd / "mine.h5ad").write_bytes(b"\x89HDF\r\n\x1a\n")
    file = yaml.safe_load((ROOT / "datasets.yaml").read_text(encoding="utf-8"))
    entry = next(dict(e) for e in file.values() if e["source"]["kind"] == "file")
    entry |= {"source": {"kind": "file", "path": "mine.h5ad"}, "sha256": sha256(odd / "mine.h5ad")}
    (tmp_path / "sets.yaml").write_text(yaml.safe_dump({"mine": entry}))
    out = tmp_path / "out" / "source.json"
    argv = ["fetch", "--datasets", str(tmp_path / "sets.yaml"), "--dataset", "mine"]
    assert dispatch("atlas", COMMANDS, about="", argv=[*argv, "--data", str(odd), "--out", str(out)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "a name that is no text" in told
    assert not out.exists()
    with pytest.raises(UserError, match="no such file") as error:
        read_yaml(odd / "nowhere.yaml")
    assert str(error.value).isprintable()


def test_what_is_no_text_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="rename it"):
        write_json(tmp_path / "x.json", {"path": "caf\udce9"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="names of files are bytes elsewhere only")
@pytest.mark.parametrize("what", ["obs/_index", "var/_index", "obs/donor/categories"])
def test_names_in_a_file_that_are_no_utf8_are_one_line(tmp_path: Path, what: str) -> None:
    """Of cells, genes and donors, written by other programs: fixed-length bytes in Latin-1."""
    import h5py
    from test_files import prepare, refused

    path = tmp_path / "mine.h5ad"
    made_cells().write_h5ad(path)
    with h5py.File(path, "a") as file:
        names = [name + b"\xe9" for name in file[what][:]]
        attributes = dict(file[what].attrs)
        del file[what]
        made = file.create_dataset(what, data=names, dtype=h5py.string_dtype())
        made.attrs.update(attributes)
    outcome = prepare(path)
    if outcome.status == "failed":
        refused(outcome, path)
        return
    import anndata as ad

    cells = ad.read_h5ad(path.with_name("made") / "cells.h5ad")
    assert cells.obs_names.is_unique
    assert cells.obs["donor"].nunique() == 4
    assert all(name.encode("utf-8") for name in (*cells.obs_names, *cells.obs["donor"]))


def test_a_store_whose_files_have_names_that_are_no_text(odd: Path) -> None:
    """They can be hashed, as any bytes."""
    other = Path(os.fsdecode(os.fsencode(odd) + b"/\xff"))
    other.write_bytes(b"x")
    one = content_sha256(odd)
    other.rename(Path(os.fsdecode(os.fsencode(odd) + b"/\xfe")))
    assert content_sha256(odd) != one
