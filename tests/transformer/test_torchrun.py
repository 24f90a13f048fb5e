"""``torchrun --nproc-per-node 2 -m models pretrain``: one training, one writer, one fate."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from contract.cli import dispatch
from contract.files import read_json, write_json
from contract.outcome import Outcome
from models import pretrain as command
from models.cells_file import CellsFile
from models.options import RecipeOptions
from models.pretrained import Pretrained
from models.step import Done
from models.transformer.checkpoint import read_tensors

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = {"budget_cells": 60}


@pytest.fixture
def words(cells_of, tmp_path) -> list[str]:
    """How to pre-train a tiny Geneformer on a corpus of 120 toy cells, into ``out``."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    cells_of(120).write_h5ad(corpus / "cells.h5ad")
    write_json(corpus / "corpus.json", {})
    Outcome(status="ok", stage="corpus").write(corpus / "outcome.json")
    models = {"m@toy": {"recipe": "geneformer", "size": "tiny", "corpus": "toy", "options": OPTIONS}}
    about = {"corpora": {"toy": {"title": "toy", "datasets": {"one": "all"}}}, "models": models}
    (tmp_path / "models.yaml").write_text(yaml.safe_dump(about))
    given = ["--models", tmp_path / "models.yaml", "--model", "m@toy", "--corpus", corpus]
    return ["pretrain", *map(str, given), "--out", str(tmp_path / "out")]


def test_two_processes_train_what_one_does_and_one_writes(words, tmp_path):
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "models"]
    subprocess.run([*start, *words], cwd=ROOT, timeout=600, check=True)
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["cost.json", "outcome.json", "run.json", "state"]
    assert read_json(out / "cost.json")["processes"] == 2
    alone = Pretrained(RecipeOptions(recipe="geneformer", size="tiny", **OPTIONS))
    alone = alone.fit(CellsFile.open(tmp_path / "corpus" / "cells.h5ad"), seed=0).fitted
    curve = read_json(out / "state" / "curve.json")
    assert [record["cells"] for record in curve] == [record["cells"] for record in alone.curve]
    assert curve[-1]["loss"] == pytest.approx(alone.curve[-1]["loss"], rel=1e-5)
    weights, _ = read_tensors(out / "state" / "weights.safetensors")
    for name, tensor in alone.network.state_dict().items():
        torch.testing.assert_close(weights[name], tensor, atol=2e-5, rtol=1e-4, msg=name)


def as_process(number: int, monkeypatch, words, *, child) -> int:
    """The command as ``torchrun`` starts it, its child replaced; the status it ends with."""
    for name, value in (("RANK", number), ("WORLD_SIZE", 2)):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(command, "run_child", child)
    monkeypatch.setattr(command, "GRACE", 0.0)
    before = signal.getsignal(signal.SIGTERM)
    try:
        return dispatch("models", {"pretrain": ("models.pretrain", "x")}, about="", argv=words)
    finally:
        signal.signal(signal.SIGTERM, before)


def failed(*_, **__) -> Done:
    return Done(Outcome(status="failed", stage="pretrain", reason="this disk is full"), {}, None)


def ended_by_torchrun(*_, **__) -> Done:
    os.kill(os.getpid(), signal.SIGTERM)
    raise AssertionError("the signal comes first")


def test_a_further_process_that_fails_is_non_zero_and_writes_nothing(words, monkeypatch, tmp_path, capsys):
    assert as_process(1, monkeypatch, words, child=failed) == 1
    assert not (tmp_path / "out").exists()
    assert "this disk is full" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("child", "reason"), [(failed, "this disk is full"), (ended_by_torchrun, "another process")]
)
def test_the_first_process_writes_the_outcome_before_it_is_non_zero(
    words, monkeypatch, tmp_path, child, reason
):
    assert as_process(0, monkeypatch, words, child=child) == 1
    outcome = Outcome.read(tmp_path / "out" / "outcome.json")
    assert outcome.status == "failed"
    assert reason in outcome.reason
    assert read_json(tmp_path / "out" / "run.json")["state"] == {}
