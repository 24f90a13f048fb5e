"""One run at a time: the lock goes with its holder, however that dies."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contract.errors import UserError
from workflow.fingerprint import ROOT
from workflow.lock import hold

HOLDER = """
import sys, time
from pathlib import Path
from workflow.lock import hold
handle = hold(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def start_holder(path: Path) -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_second_run_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    path = tmp_path / "results" / ".lock"
    process = start_holder(path)
    try:
        with pytest.raises(UserError, match=f"process {process.pid}"):
            hold(path)
    finally:
        process.kill()
        process.wait()


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    process = start_holder(path)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    os.close(hold(path))


def test_a_living_child_keeps_the_lock(tmp_path: Path) -> None:
    """``make demo`` was killed, its Snakemake lives on: the next run must wait."""
    path = tmp_path / ".lock"
    handle = hold(path)
    child = subprocess.Popen(["sleep", "60"], pass_fds=(handle,))
    os.close(handle)
    try:
        with pytest.raises(UserError, match="another run"):
            hold(path)
    finally:
        child.kill()
        child.wait()
    for _ in range(50):
        try:
            os.close(hold(path))
            return
        except UserError:
            time.sleep(0.1)
    pytest.fail("the lock outlived its last holder")


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(UserError, match=r"\.lock: found no way to write there"):
        hold(tmp_path / "results" / ".lock")


@pytest.mark.parametrize("more", [[], ["--unlock"]])
def test_snakemake_called_by_hand_is_refused_in_one_line(tmp_path: Path, more: list[str]) -> None:
    process = start_holder(tmp_path / "results" / ".lock")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1"]
    try:
        done = subprocess.run([*command, *more], cwd=tmp_path, capture_output=True, text=True, check=False)
        looking = subprocess.run(
            [*command, "-n", "--quiet"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    finally:
        process.kill()
        process.wait()
    told = [line for line in done.stderr.splitlines() if "profile" not in line]
    assert done.returncode == 1
    assert len(told) == 1
    assert f"another run in this folder (process {process.pid})" in told[0]
    assert looking.returncode == 0, looking.stderr
