"""`python -m models embed | pretrain` as the workflow calls them: whatever happens, the files are there."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import anndata as ad
import numpy as np
import psutil
import pytest
import yaml
from conftest import ROOT, call, simulate

from contract.files import read_json
from contract.outcome import Outcome
from models.step import OUT_OF_MEMORY, Done, exit_status

CARD = {"source": "doi", "revision": "v1", "license": "MIT", "pretrained_on": [], "saw": ["counts"]}
MODULE = """
import os, signal, sys, time
import numpy as np
from contract.errors import NotApplicable

class Base:
    card = None
    def __init__(self, *, mode): self.mode = mode
    def fit(self, train, *, seed): return self
    def embed(self, cells):
        print("the last words")
        return getattr(self, self.mode)(cells)
    def good(self, cells): return np.asarray(cells.X[:, :3].toarray(), dtype=np.float32)
    def sorts(self, cells): return np.sort(self.good(cells), axis=0)
    def transposed(self, cells): return self.good(cells).T
    def raises(self, cells): raise ValueError("no\\nluck")
    def declines(self, cells): raise NotApplicable("a mouse model")
    def exits(self, cells): sys.exit(3)
    def killed(self, cells): os.kill(os.getpid(), signal.SIGKILL)
    def sleeps(self, cells): time.sleep(60)
    def labels(self, cells):
        seen = " ".join([*cells.obs, *cells.var, *cells.uns, *cells.obsm])
        raise ValueError(f"label: {'label' in seen}")
"""


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory) -> Path:
    """A catalogue with a class of the user's in each of its moods, beside that class."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "usermodel.py").write_text(MODULE)
    modes = ("good", "sorts", "transposed", "raises", "declines", "exits", "killed", "sleeps", "labels")
    mine = {
        mode: {
            "adapter": "usermodel:Base",
            "options": {"mode": mode},
            "card": CARD,
            "fits": ["none", "train"],
        }
        for mode in modes
    }
    program = (
        "import sys, anndata, numpy as np; c = anndata.read_h5ad(sys.argv[1]);"
        "np.save(sys.argv[2], c.X[:, :int(sys.argv[3])].toarray().astype(float))"
    )
    command = ["-c", program, "{cells}", "{out}", "{seed}"]
    outside = {"adapter": "command", "env": [sys.executable], "card": CARD}
    models = mine | {
        "program": outside | {"command": command},
        "broken_program": outside | {"command": ["-c", "raise SystemExit(4)", "{out}"]},
        "paper": {"adapter": "file", "path": "{dataset}.npy", "card": CARD},
        "paper_h5ad": {"adapter": "file", "path": "paper.h5ad", "options": {"obsm": "X_mine"}, "card": CARD},
        "noise": {"adapter": "noise", "options": {"width": 4}},
        "oracle": {"adapter": "oracle"},
        "pca@mini": {"adapter": "pca", "corpus": "mini", "options": {"components": 5}},
        "good@mini": {
            "adapter": "usermodel:Base",
            "options": {"mode": "good"},
            "corpus": "mini",
            "card": CARD,
        },
    }
    path = folder / "models.yaml"
    path.write_text(
        yaml.safe_dump({"corpora": {"mini": {"datasets": {"elsewhere": "all"}}}, "models": models})
    )
    return path


@pytest.fixture
def embed(catalogue, prepared, tmp_path, monkeypatch):
    """Embed by name; returns exit status, outcome, embedding."""
    monkeypatch.setenv("PYTHONPATH", str(catalogue.parent))

    def run(name: str, *more, fit: str = "none", data: Path = prepared, out: Path = tmp_path / "out"):
        arguments = ["--models", catalogue, "--model", name, "--fit", fit, "--data", data, "--out", out]
        done = call("embed", *arguments, *more)
        if done.returncode == 2:
            return done
        assert sorted(p.name for p in out.iterdir()) == [
            "cost.json",
            "embedding.npy",
            "outcome.json",
            "run.json",
        ]
        values = np.load(out / "embedding.npy", allow_pickle=False)
        outcome = Outcome.read(out / "outcome.json")
        assert outcome.status == "ok" or values.shape == (0, 0)
        assert values.dtype == np.float32
        return done.returncode, outcome, values

    return run


def test_a_good_run_and_its_repeat(embed, tmp_path, prepared) -> None:
    status, outcome, values = embed("noise", "--seed", "3")
    assert (status, outcome.status) == (0, "ok")
    assert values.shape == (200, 4)
    run, cost = (read_json(tmp_path / "out" / name) for name in ("run.json", "cost.json"))
    assert run["dataset"] == "small"
    assert (run["model"], run["fit"], run["seed"], run["n"], run["width"]) == ("noise", "none", 3, 200, 4)
    assert run["options"] == {"width": 4}
    assert set(run["inputs"]) == {"cells.h5ad", "split.parquet"}
    assert run["checkpoint"] is None
    assert cost["peak_rss_bytes"] > 50e6
    assert cost["seconds"]["fit"] is None
    assert cost["seconds"]["embed"] > 0
    assert cost["seconds_per_10k_cells"] == pytest.approx(cost["seconds"]["embed"] * 50)
    embed("noise", "--seed", "3", out=tmp_path / "again")
    for name in ("embedding.npy", "run.json", "outcome.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_labels_reach_the_oracles_only(embed, prepared, tmp_path) -> None:
    """What is not opened may be missing."""
    blind = shutil.copytree(prepared, tmp_path / "blind")
    (blind / "truth.parquet").unlink()
    assert embed("noise", data=blind)[1].status == "ok"
    assert embed("oracle", "--truth")[1].status == "ok"
    assert "expected --truth" in embed("oracle").stderr
    assert "labels for oracles only" in embed("noise", "--truth").stderr
    assert "truth.parquet: found no such file" in embed("oracle", "--truth", data=blind).stderr
    assert embed("labels")[1].reason == "ValueError: label: False"


@pytest.mark.parametrize(
    ("mode", "status", "told"),
    [
        ("good", "ok", ""),
        ("sorts", "failed", "another order"),
        ("transposed", "failed", "it is transposed"),
        ("raises", "failed", "ValueError: no luck"),
        ("declines", "not_applicable", "a mouse model"),
        ("exits", "failed", "exit status 3"),
    ],
)
def test_a_class_of_the_users(embed, mode: str, status: str, told: str) -> None:
    code, outcome, _ = embed(mode)
    assert (code, outcome.status) == (0, status)
    assert told in outcome.reason
    assert "\n" not in outcome.reason
    assert status != "failed" or "the last words" in outcome.log_tail


def test_a_kill_for_memory_asks_for_more(embed) -> None:
    code, outcome, _ = embed("killed")
    assert code == OUT_OF_MEMORY
    assert "memory" in outcome.reason
    done = Done(outcome, {}, None, killed=True)
    assert exit_status(done, last_attempt=True) == 0


def test_a_timeout(embed) -> None:
    start = time.monotonic()
    code, outcome, _ = embed("sleeps", "--timeout", "6")
    assert (code, outcome.status, outcome.reason) == (0, "failed", "not done after 6 seconds")
    assert time.monotonic() - start < 20


def test_a_killed_parent_takes_its_child_along(catalogue, prepared, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(catalogue.parent))
    command = [sys.executable, "-m", "models", "embed", "--models", str(catalogue), "--model", "sleeps"]
    command += ["--fit", "none", "--data", str(prepared), "--out", str(tmp_path / "out")]
    parent = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    for line in parent.stderr:
        if "the last words" in line:
            break
    (child,) = psutil.Process(parent.pid).children()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stderr.close()
    child.wait(timeout=10)
    assert not child.is_running()


def test_earlier_steps_pass_on_what_stopped_them(embed, prepared, tmp_path, catalogue) -> None:
    failed = tmp_path / "failed"
    failed.mkdir()
    Outcome(status="failed", stage="counts", reason="no counts").write(failed / "outcome.json")
    code, outcome, _ = embed("noise", data=failed)
    assert (code, outcome.status, outcome.stage, outcome.reason) == (0, "failed", "counts", "no counts")
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    Outcome(status="not_applicable", stage="pretrain", reason="no gene").write(checkpoint / "outcome.json")
    outcome = embed("pca@mini", "--checkpoint", checkpoint)[1]
    assert (outcome.status, outcome.stage) == ("not_applicable", "pretrain")


def test_wrong_calls_are_one_line(embed, prepared, tmp_path) -> None:
    for done, told in (
        (embed("noise", fit="train"), "found --fit train; expected one of none"),
        (embed("pca@mini"), "no --checkpoint"),
        (embed("noise", "--checkpoint", tmp_path), "found --checkpoint"),
        (embed("noise", data=tmp_path), "outcome.json: found no such file"),
        (embed("nois"), "did you mean 'noise'"),
        (embed("noise", "--seed", "-1"), "--seed: found -1"),
    ):
        assert told in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_program(embed, prepared) -> None:
    counts = ad.read_h5ad(prepared / "cells.h5ad").X.toarray()
    _, outcome, values = embed("program", "--seed", "2")
    assert outcome.status == "ok", outcome
    assert np.array_equal(values, counts[:, :2])
    assert "exit status 4" in embed("broken_program")[1].reason


def test_a_ready_made_array(embed, catalogue, prepared, cells) -> None:
    names = cells.obs_names[::-1]
    values = np.random.default_rng(0).standard_normal((len(names), 3))
    np.save(catalogue.parent / "small.npy", values)
    listed = catalogue.parent / "small.cells.txt"
    listed.write_text("\n".join(names))
    assert np.array_equal(embed("paper")[2], values[::-1].astype(np.float32))
    table = ad.AnnData(X=np.zeros((len(names), 1), np.float32), obsm={"X_mine": values, "X_other": values})
    table.obs_names = names
    table.write_h5ad(catalogue.parent / "paper.h5ad")
    assert np.array_equal(embed("paper_h5ad")[2], values[::-1].astype(np.float32))
    listed.write_text("\n".join(["stranger", *names[1:]]))
    assert f"no row for 1 of 200 cells, first '{names[0]}'" in embed("paper")[1].reason
    np.save(catalogue.parent / "small.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "found no array" in embed("paper")[1].reason


def test_trained_on_a_corpus(embed, catalogue, corpus, tmp_path) -> None:
    def pretrain(name: str, out: Path, seed: int = 0) -> None:
        done = call(
            "pretrain",
            "--models",
            catalogue,
            "--model",
            name,
            "--seed",
            seed,
            "--corpus",
            corpus,
            "--out",
            out,
        )
        assert done.returncode == 0, done.stderr
        assert {p.name for p in out.iterdir()} == {"state", "outcome.json", "run.json", "cost.json"}

    out = tmp_path / "checkpoint"
    pretrain("pca@mini", out)
    about = read_json(out / "run.json")
    assert about["corpus"] == {"name": "mini", "datasets": {"elsewhere": "all"}}
    assert about["n"] == 200
    assert len(read_json(out / "state" / "about.json")["genes"]) == 140, "genes that all data sets measured"
    _, outcome, values = embed("pca@mini", "--checkpoint", out)
    assert outcome.status == "ok", outcome
    assert values.shape == (200, 5)
    run, cost = (read_json(tmp_path / "out" / name) for name in ("run.json", "cost.json"))
    assert run["checkpoint"] == about
    assert run["card"]["pretrained_on"] == ["elsewhere"]
    spent = read_json(out / "cost.json")["seconds"]["pretrain"]
    assert spent > 0
    assert cost["seconds"]["pretrain"] == spent
    assert "expected pca@mini, seed 1" in embed("pca@mini", "--checkpoint", out, "--seed", "1").stderr
    pretrain("good@mini", out)
    assert Outcome.read(out / "outcome.json").reason == (
        "good@mini: found no method 'save'; expected one: it is trained on a corpus"
    )
    assert not list((out / "state").iterdir()), "nothing of the earlier training is left"


def test_fit_train_sees_training_cells_only(embed, prepared, tmp_path) -> None:
    """The test cells' counts change; what was fitted on the training cells does not."""
    other = shutil.copytree(prepared, tmp_path / "other")
    cells = ad.read_h5ad(prepared / "cells.h5ad")
    train = cells.obs["donor"].isin(["d0", "d2"]).to_numpy()
    counts = np.where(train[:, None], cells.X.toarray(), simulate(seed=9).X.toarray())
    ad.AnnData(X=type(cells.X)(counts), obs=cells.obs, var=cells.var, uns=cells.uns).write_h5ad(
        other / "cells.h5ad"
    )
    arguments = ["--models", ROOT / "models.yaml", "--model", "pca", "--fit", "train"]
    found = []
    for data in (prepared, other):
        out = tmp_path / f"pca-{data.name}"
        assert call("embed", *arguments, "--data", data, "--out", out).returncode == 0
        found.append(np.load(out / "embedding.npy"))
    assert np.array_equal(found[0][train], found[1][train])
    assert not np.allclose(found[0][~train], found[1][~train])
    assert json.loads((out / "cost.json").read_text())["seconds"]["fit"] > 0
