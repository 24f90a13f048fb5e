"""Where a page comes from: code, packages, inputs; and apart from these, when and where it was made."""

import datetime
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from contract.files import sha256

PACKAGES = [
    "anndata",
    "harmonypy",
    "igraph",
    "jinja2",
    "leidenalg",
    "numpy",
    "pandas",
    "pyarrow",
    "scanpy",
    "scib-metrics",
    "scikit-learn",
    "scipy",
    "scvi-tools",
    "snakemake",
    "torch",
]


def provenance(*, study: Path, inputs: Sequence[Path]) -> dict[str, Any]:
    """Code, package versions and hashes of all inputs: the same on every repeat."""
    return {
        "study": {"path": shown(study), "sha256": sha256(study)},
        "inputs": {shown(path): sha256(path) for path in sorted(_with_companions(inputs))},
        **code_and_versions(),
    }


def code_and_versions() -> dict[str, Any]:
    """Commit of our checkout, and versions of the packages that a score rests on."""
    return {
        "code": commit(Path(__file__).resolve().parent),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def shown(path: Path) -> str:
    """A path from here on; of one elsewhere the last three parts, which tell data sets apart."""
    if not path.is_absolute():
        return path.as_posix()
    here = Path.cwd()
    return (
        path.relative_to(here).as_posix() if path.is_relative_to(here) else "/".join(["…", *path.parts[-3:]])
    )


def _with_companions(paths: Sequence[Path]) -> set[Path]:
    """The files named, and those read beside them."""
    beside = [
        p.with_suffix(".runs.json") if p.suffix == ".parquet" else p.with_name("outcome.json") for p in paths
    ]
    return {*paths, *beside}


def commit(folder: Path) -> dict[str, Any]:
    """Commit of the checkout around ``folder``, and whether files were changed since; nulls outside one."""
    blank = {"commit": None, "changed": None}
    if not shutil.which("git"):
        return blank
    head = _git("rev-parse", "HEAD", folder=folder)
    status = _git("status", "--porcelain", "--untracked-files=no", folder=folder)
    if head.returncode or status.returncode:
        return blank
    return {"commit": head.stdout.strip(), "changed": bool(status.stdout.strip())}


def _git(*words: str, folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)


def machine() -> dict[str, Any]:
    """Date (UTC), operating system, processor, cores and Python: never the same twice."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "system": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
