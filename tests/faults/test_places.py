"""Disks that are full, folders that are read-only, clocks that go backwards."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from conftest import made_cells
from test_files import ENTRY

from atlas.__main__ import COMMANDS
from atlas.blocks import write_cells
from atlas.web import Patience
from contract.cli import dispatch
from contract.files import atomic, read_json, sha256, write_json

ROOT = Path(__file__).resolve().parents[2]
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


SNAKEFILE = """
rule all:
    input: "results/b"
rule a:
    output: "results/a"
    shell: "echo a > {output}"
rule b:
    input: "results/a"
    output: "results/b"
    shell: "cat {input} > {output}"
"""


def test_a_clock_set_back_makes_nothing_for_ever(tmp_path: Path) -> None:
    """Made by a clock that was a day ahead: what depends on it is made once more, and that is all."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]

    def run(*more: str) -> str:
        done = subprocess.run([*command, *more], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout + done.stderr

    run()
    tomorrow = time.time() + 86_400
    os.utime(tmp_path / "results/a", (tomorrow, tomorrow))
    run()
    assert "Nothing to be done" in run("--dry-run")
