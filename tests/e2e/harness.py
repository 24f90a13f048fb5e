"""A clone of the working tree, run as a user runs it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def clone(target: Path) -> Path:
    """Copy what git knows or would take, so that a test may edit and kill without harm."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def environment() -> dict[str, str]:
    """The clone's own packages, not the installed ones: the current folder comes first for ``-m``."""
    return os.environ | {"PYTHONPATH": "", "COLUMNS": "200"}


def run(where: Path, *arguments: str, timeout: int = 1500) -> subprocess.CompletedProcess[str]:
    """``python -m workflow run --cores all …`` in ``where``; output is kept for the failure report."""
    return subprocess.run(
        [sys.executable, "-m", "workflow", "run", "--cores", "all", *arguments],
        cwd=where,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
