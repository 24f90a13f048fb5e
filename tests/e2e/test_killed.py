"""Killed at ten moments, a run starts again and ends in the scores of another clone, byte for byte."""

import contextlib
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from harness import environment, run
from small import CONFIG, STUDY, small_study

pytestmark = pytest.mark.e2e


def kill_tree(process: subprocess.Popen) -> None:
    """``kill -9`` on the run and on all that it started."""
    victims = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for victim in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.send_signal(signal.SIGKILL)
    process.wait()


def test_killed_runs_end_in_the_same_scores(tmp_path: Path) -> None:
    whole = small_study(tmp_path / "whole")
    start = time.monotonic()
    done = run(whole, *CONFIG)
    seconds = time.monotonic() - start
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"

    killed = small_study(tmp_path / "killed")
    command = [sys.executable, "-m", "workflow", "run", "--cores", "all", *CONFIG]
    draw = random.Random(0)
    living = 0
    while living < 10:
        process = subprocess.Popen(
            command, cwd=killed, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(draw.uniform(0.05, 0.25) * seconds)
        if process.poll() is None:
            kill_tree(process)
            living += 1
        else:  # it was done before its kill came: from the beginning, so that ten disturb somebody
            assert process.returncode == 0
            shutil.rmtree(killed / "results")
    done = run(killed, *CONFIG)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"

    scores = "results/leaderboards/small/scores.parquet"
    assert (whole / scores).read_bytes() == (killed / scores).read_bytes()


def test_a_mistake_is_told_before_anything_runs(tmp_path: Path) -> None:
    where = small_study(tmp_path)
    study = dict(STUDY, models=[*STUDY["models"], "harmonny"])
    (where / "small/study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    done = run(where, *CONFIG)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "did you mean 'harmony'" in done.stderr
    by_hand = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", "-n", *CONFIG],
        cwd=where,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert by_hand.returncode != 0
    assert "did you mean 'harmony'" in by_hand.stderr
    assert "Traceback" not in by_hand.stderr
    assert not list((where / "results").glob("data/*"))
