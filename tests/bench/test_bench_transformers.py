"""The benchmarks of the transformers run, tell the truth about small cases, and go on where they stopped."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import embed, mixers, pretrain, zoo
from bench.blood import read_cells

ROOT = Path(embed.__file__).parents[1]


def run(main, monkeypatch, capsys, *arguments):
    """Status of a command, and the JSON of its last line."""
    monkeypatch.setattr("sys.argv", ["bench", *map(str, arguments)])
    threads = torch.get_num_threads()
    status = main()
    torch.set_num_threads(threads)
    return status, json.loads(capsys.readouterr().out.splitlines()[-1])


def test_made_up_blood_has_the_lengths_of_blood():
    cells = read_cells(None, cells=200)
    expressed = np.diff(cells.X.indptr)
    assert cells.shape == (200, 20_000)
    assert 900 < np.median(expressed) < 1500
    assert 1.3 < np.percentile(expressed, 84) / np.median(expressed) < 1.9
    assert (cells.obs["total_counts"] == np.asarray(cells.X.sum(1)).ravel()).all()


def test_embedding_is_timed_from_counts(monkeypatch, capsys):
    about = ("--no-peer", "--cells", 8, "--size", "tiny", "--repeats", 1)
    status, found = run(embed.main, monkeypatch, capsys, *about)
    assert status == 0
    assert found["cells"] == 8
    assert found["cells_per_second"][embed.OURS] > 0
    assert found["ratio"] is None


def test_a_missing_peer_is_told_in_one_line(monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    monkeypatch.setattr("sys.argv", ["bench", "--cells", "8", "--size", "tiny"])
    assert embed.main() == 2
    assert "pip install -e '.[bench]'" in capsys.readouterr().err.splitlines()[-1]


def test_steps_and_data_path_are_timed(monkeypatch, capsys):
    names = ("geneformer", "sccello", "scprint_style")
    about = ("--cells", 40, "--recipes", *names, "--steps", 1, "--batch-cells", 8)
    status, found = run(pretrain.main, monkeypatch, capsys, *about, "--shape", 1, 32, 64)
    assert status == 0
    assert found["left_out"] == ["sccello"]  # told types; scprint_style is told batches, which all cells have
    assert sorted(found["recipes"]) == ["L1 d32 S64", "geneformer", "scprint_style"]
    assert 0.1 < found["sorting_ratio"] < 100
    for row in found["recipes"].values():
        assert 0 < row["mfu"] < 3  # above 1 where others slow the product that the peak is measured by
        assert row["padding"] == 0  # all cells are longer than the network reads
        assert row["data_ratio"] == pytest.approx(
            row["data_tokens_per_second"] / row["tokens_per_second"], rel=0.01
        )


def test_what_is_kept_for_the_way_back_is_linear_where_it_is_said_to_be():
    lengths = [128, 256, 512]
    for mixer in mixers.MIXERS:
        kept = [mixers.measure(mixer, length=t, depth=1, device=torch.device("cpu"))[1] for t in lengths]
        grows = mixers.exponent(lengths, np.array(kept))
        if mixer in mixers.LINEAR:
            assert grows == pytest.approx(1.0, abs=0.03)
        elif mixer == "relu_kernel":
            assert grows > 1.3


def test_recipes_are_trained_once_under_one_budget(monkeypatch, capsys, tmp_path):
    about = ("--cells", 60, "--size", "tiny", "--budget-cells", 32, "--out", tmp_path)
    recipes = ("--recipes", "geneformer", "sccello", "tgpt")
    status, found = run(zoo.main, monkeypatch, capsys, *about, *recipes)
    assert status == 0
    assert sorted(found["recipes"]) == ["geneformer", "tgpt"]
    assert {row["cells"] for row in found["recipes"].values()} == {32}
    assert (tmp_path / "tgpt/state/weights.safetensors").is_file()
    monkeypatch.setattr(zoo, "train", lambda *_, **__: pytest.fail("trained again"))
    assert run(zoo.main, monkeypatch, capsys, *about, *recipes)[1] == found


STAND_IN = """#!/usr/bin/env bash
echo "$2" >> "$LOG"
[[ $2 == "$SLOW" ]] && exec sleep 60
[[ $2 == "$BROKEN" ]] && exit 3
echo "a table"
echo '{"module": "'"$2"'"}'
"""


def test_the_gpu_script_does_each_step_once_over_many_calls(tmp_path):
    stand_in, log = tmp_path / "python", tmp_path / "log"
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)

    def call(*more, **given):
        plain = {"PYTHON": str(stand_in), "LOG": str(log), "SLOW": "", "BROKEN": ""}
        log.write_text("")
        command = ["bash", str(ROOT / "bench/gpu.sh"), str(tmp_path / "out"), *more]
        environment = os.environ | plain | given
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done, log.read_text().split()

    dry, begun = call("--dry-run")
    assert dry.returncode == 0
    assert not begun
    assert [line.split(":")[0] for line in dry.stdout.splitlines()] == [
        "embed",
        "pretrain",
        "compiled",
        "mixers",
        "zoo",
    ]
    assert not (tmp_path / "out").exists()
    broken, begun = call(BROKEN="bench.pretrain")
    assert broken.returncode == 3
    assert begun == ["bench.embed", "bench.pretrain"]
    short, begun = call(SLOW="bench.mixers", MINUTES="0.1")
    assert short.returncode == 75
    assert begun == ["bench.pretrain", "bench.pretrain", "bench.mixers"]
    last, begun = call()
    assert last.returncode == 0
    assert begun == ["bench.mixers", "bench.zoo"]
    assert json.loads((tmp_path / "out/zoo.json").read_text()) == {"module": "bench.zoo"}
    assert call()[1] == []


def test_each_command_of_the_gpu_script_is_understood(tmp_path):
    dry = subprocess.run(
        ["bash", str(ROOT / "bench/gpu.sh"), str(tmp_path / "out"), "--dry-run"],
        env=os.environ | {"DATA": "cells.h5ad"},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = {"bench.embed": embed, "bench.pretrain": pretrain, "bench.zoo": zoo}
    lines = dry.stdout.splitlines()
    assert len(lines) == 5
    for line in lines:
        _, _, _, module, *arguments = line.split()
        if module in modules:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("sys.argv", [module, *arguments])
                modules[module]._arguments()
