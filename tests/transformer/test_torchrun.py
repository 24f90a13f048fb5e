"""``torchrun --nproc-per-node 2 -m models pretrain``: one training, one writer, one fate."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from contract.files import read_json, write_json
from contract.outcome import Outcome
from models.transformer.checkpoint import read_tensors

ROOT = Path(__file__).resolve().parents[2]
ENTRY = {"recipe": "geneformer", "size": "tiny", "corpus": "toy", "options": {"budget_cells": 60}}
BROKEN = """
import os

from models.options import RecipeOptions
from models.pretrained import Pretrained


class Broken(Pretrained):
    def __init__(self):
        super().__init__(RecipeOptions(recipe="geneformer", size="tiny", budget_cells=60))

    def fit(self, train, *, seed):
        if os.environ["RANK"] == "1":
            raise RuntimeError("this disk is full")
        return super().fit(train, seed=seed)
"""
CARD = {"source": "doi", "revision": "v1", "license": "MIT", "pretrained_on": [], "saw": ["counts"]}


@pytest.fixture
def pretrain(cells_of, tmp_path):
    """Pre-train on a corpus of toy cells by the command line, in some processes; its folder and status."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    cells_of(120).write_h5ad(corpus / "cells.h5ad")
    write_json(corpus / "corpus.json", {})
    Outcome(status="ok", stage="corpus").write(corpus / "outcome.json")
    (tmp_path / "theirs.py").write_text(BROKEN)
    broken = {"adapter": "theirs:Broken", "corpus": "toy", "card": CARD}
    models = {"plain@toy": ENTRY, "broken@toy": broken}
    about = {"corpora": {"toy": {"title": "toy", "datasets": {"one": "all"}}}, "models": models}
    (tmp_path / "models.yaml").write_text(yaml.safe_dump(about))

    def run(model: str, *, processes: int) -> tuple[Path, int]:
        out = tmp_path / f"{model}-{processes}"
        start = ["torch.distributed.run", "--nproc-per-node", str(processes), "-m"] if processes > 1 else []
        words = ["--models", tmp_path / "models.yaml", "--model", model, "--corpus", corpus, "--out", out]
        done = subprocess.run(
            [sys.executable, "-m", *start, "models", "pretrain", *map(str, words)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": f"{tmp_path}", "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        print(done.stderr)
        return out, done.returncode

    return run


def test_two_processes_train_what_one_does_and_one_writes(pretrain):
    (alone, first), (both, second) = (pretrain("plain@toy", processes=n) for n in (1, 2))
    assert (first, second) == (0, 0)
    assert sorted(p.name for p in alone.iterdir()) == sorted(p.name for p in both.iterdir())
    assert [read_json(out / "cost.json")["processes"] for out in (alone, both)] == [1, 2]
    curves = [read_json(out / "state" / "curve.json") for out in (alone, both)]
    assert [r["cells"] for r in curves[0]] == [r["cells"] for r in curves[1]]
    assert curves[1][-1]["loss"] == pytest.approx(curves[0][-1]["loss"], rel=1e-5)
    weights = [read_tensors(out / "state" / "weights.safetensors")[0] for out in (alone, both)]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, atol=2e-5, rtol=1e-4, msg=name)


def test_processes_fail_together_and_the_outcome_is_written(pretrain):
    out, status = pretrain("broken@toy", processes=2)  # the second breaks, the first writes
    assert status != 0
    assert Outcome.read(out / "outcome.json").status == "failed"
    assert read_json(out / "run.json")["state"] == {}
    assert not list((out / "state").iterdir())
