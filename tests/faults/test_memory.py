"""A contestant that wants more memory than there is: the kernel ends it, and nobody else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from contract.outcome import Outcome
from models.step import OUT_OF_MEMORY

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 700 << 20
GLUTTON = """
import numpy as np

class Glutton:
    def fit(self, train, *, seed): return self
    def embed(self, cells):
        print("about to ask for two gigabytes", flush=True)
        held = [np.ones(10 << 20, dtype=np.uint8) for _ in range(200)]
        return np.ones((cells.n_obs, len(held)), dtype=np.float32)
"""
CARD = {"source": "doi", "revision": "v1", "license": "MIT", "pretrained_on": [], "saw": ["counts"]}
# Version 1 and 2 of control groups: the folder below which groups are made, and the name of the limit.
HIERARCHIES = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max"),
)


@pytest.fixture
def little_memory() -> Iterator[Path]:
    """The ``cgroup.procs`` of a control group that may use 700 MiB."""
    if psutil.swap_memory().total:
        pytest.skip("SKIPPED: what does not fit would be swapped out")
    for above, limit in HIERARCHIES:
        group = above / f"sclitmus-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / limit).is_file():
            (group / limit).write_text(str(LIMIT))
            yield group / "cgroup.procs"
            group.rmdir()
            return
        group.rmdir()
    pytest.skip("SKIPPED: no control group with a memory limit can be made here (root alone can)")


def test_the_kernel_ends_a_glutton_and_nobody_else(
    little_memory: Path, prepared: Path, tmp_path: Path
) -> None:
    """The step stands in the same group, as a job of a cluster does, and lives to write what happened."""
    (tmp_path / "gluttony.py").write_text(GLUTTON)
    entry = {"adapter": "gluttony:Glutton", "card": CARD, "fits": ["none"]}
    (tmp_path / "models.yaml").write_text(yaml.safe_dump({"models": {"glutton": entry}}))
    command = [sys.executable, "-m", "models", "embed", "--models", str(tmp_path / "models.yaml")]
    command += [
        "--model",
        "glutton",
        "--fit",
        "none",
        "--data",
        str(prepared),
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(
        ["sh", "-c", 'echo $$ > "$0"; exec "$@"', str(little_memory), *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == OUT_OF_MEMORY, done.stderr
    outcome = Outcome.read(tmp_path / "out" / "outcome.json")
    assert (outcome.status, outcome.reason) == ("failed", "killed from outside, probably for lack of memory")
    assert "about to ask for two gigabytes" in outcome.log_tail
