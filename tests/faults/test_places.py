"""Disks that are full, folders that are read-only."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import made_cells
from test_files import ENTRY, embedded

from atlas.__main__ import COMMANDS
from atlas.blocks import write_cells
from atlas.web import Patience
from board.__main__ import COMMANDS as BOARD_COMMANDS
from contract.cli import dispatch
from contract.files import atomic, read_json, sha256, write_json
from tasks.__main__ import COMMANDS as TASK_COMMANDS

ROOT = Path(__file__).resolve().parents[2]
STUDY = {
    "study": "mine",
    "title": "Mine",
    "datasets": ["small"],
    "models": ["pca", "hvg"],
    "seeds": 1,
    "tasks": ["integration"],
    "reference": "pca",
    "primary": {"integration": {"metric": "bio_conservation", "margin": 0.02}},
    "level": 0.95,
}
WRITER = """
from pathlib import Path
from contract.files import write_json
def add_arguments(parser): parser.add_argument("--out", type=Path)
def main(args): write_json(args.out, {"big": "x" * 1_000_000})
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "big_writer.py").write_text(WRITER)
    monkeypatch.syspath_prepend(tmp_path)
    return lambda out: dispatch(
        "p", {"go": ("big_writer", "writes")}, about="", argv=["go", "--out", str(out)]
    )


def test_a_full_disk_is_one_line_and_keeps_the_old_file(mount, write, capsys) -> None:
    place = mount("disk", size="256k")
    write_json(place / "value.json", {"old": True})
    assert write(place / "value.json") == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "No space left on device" in told
    assert read_json(place / "value.json") == {"old": True}
    assert [path.name for path in place.iterdir()] == ["value.json"], "half a file is left behind"


def test_an_array_that_does_not_fit_leaves_nothing(mount) -> None:
    import numpy as np

    place = mount("disk", size="64k")
    with pytest.raises(OSError, match=r"No space left|requested and"), atomic(place / "x.npy") as path:
        np.save(path, np.zeros(1_000_000))
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("size", ["4k", "300k", "1m"])
def test_cells_that_do_not_fit_are_one_line(mount, tmp_path: Path, capsys, size: str) -> None:
    """HDF5 crashed the process here (exit status 139), and left half a file behind."""
    source, place = tmp_path / "mine.h5ad", mount("disk", size=size)
    made_cells(n=2000, n_genes=100).write_h5ad(source)
    (tmp_path / "sets.yaml").write_text(yaml.safe_dump({"mine": ENTRY | {"sha256": sha256(source)}}))
    write_json(
        tmp_path / "source.json",
        {"status": "ok", "reason": "", "path": str(source), "sha256": sha256(source)},
    )
    argv = ["prepare", "--datasets", str(tmp_path / "sets.yaml"), "--dataset", "mine"]
    argv += ["--source", str(tmp_path / "source.json"), "--out", str(place)]
    assert dispatch("atlas", COMMANDS, about="", argv=argv) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "No space left on device" in told
    assert list(place.iterdir()) == []
    with pytest.raises(OSError, match="No space left"):
        write_cells(made_cells(n=2000, n_genes=100), place / "cells.h5ad")


def test_scores_and_a_page_that_do_not_fit_are_one_line(
    mount, prepared: Path, tmp_path: Path, capsys
) -> None:
    """Neither leaves half a file, nor a page beside scores that are not there."""
    study = tmp_path / "mine.yaml"
    study.write_text(yaml.safe_dump(STUDY))
    runs = [embedded(tmp_path / model, prepared, model=model, value=1.0) for model in STUDY["models"]]
    what = ["--study", study, "--dataset", "small", "--data", prepared, "--embeddings", *runs]

    def score(out: Path) -> int:
        argv = ["score", *what, "--cache", tmp_path / "cache", "--out", out / "scores.parquet"]
        return dispatch("tasks", TASK_COMMANDS, about="", argv=[str(word) for word in argv])

    def page(out: Path) -> int:
        argv = ["page", "--study", study, "--scores", tmp_path / "whole/scores.parquet"]
        argv += ["--reports", prepared / "report.json", "--out", out]
        return dispatch("board", BOARD_COMMANDS, about="", argv=[str(word) for word in argv])

    assert (score(tmp_path / "whole"), page(tmp_path / "whole")) == (0, 0)
    capsys.readouterr()
    for write, size in ((score, "4k"), (page, "4k"), (page, "40k")):
        place = mount(f"{write.__name__}-{size}", size=size)
        assert write(place) == 2
        told = capsys.readouterr().err.splitlines()
        assert [line for line in told if "error" in line.lower()] == told[-1:]
        assert "No space left on device" in told[-1]
        assert not (place / "index.html").exists()
        assert not [path for path in place.rglob("*") if path.name.startswith(".")], (
            "half a file is left behind"
        )


def test_a_disk_that_fills_while_bytes_come(mount, lying_server) -> None:
    """The server does not say how much it will send, so that nobody could know before."""
    from atlas.download import download

    server, steps = lying_server
    place = mount("disk", size="128k")
    url = server.put("/big.h5ad", steps.chunked(b"x" * 600_000, size=50_000))
    with pytest.raises(OSError, match="No space left"):
        download(url, place / "source.h5ad", patience=Patience(attempts=2, first_wait=0.01))
    assert not (place / "source.h5ad").exists()


def test_a_failed_contestant_cannot_fill_the_disk_for_the_next(mount, prepared) -> None:
    """The step's own folder goes away, whatever the disk says."""
    from models.step import forget

    place = mount("disk", size="64k")
    (place / ".step-left").mkdir()
    (place / ".step-left" / "half.npy").write_bytes(b"x" * 60_000)
    forget(place, ["embedding.npy"])
    assert list(place.iterdir()) == []


def test_read_only_results_are_one_line(mount, write, capsys) -> None:
    place = mount("results", size="64k")
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    assert write(place / "value.json") == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "Read-only file system" in told
    done = subprocess.run(
        [sys.executable, "-m", "workflow", "run", "--cores", "1", "--", "-n"],
        cwd=place.parent,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "results/.lock: found no way to write there (Read-only file system)" in done.stderr
