"""What a test enforces, no reviewer has to repeat."""

import ast
import importlib
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MAY_IMPORT = {
    "contract": set(),
    "atlas": {"contract"},
    "models": {"contract"},
    "metrics": {"contract"},
    "tasks": {"contract", "atlas", "metrics"},
    "board": {"contract", "metrics", "tasks"},
    "workflow": {"contract", "atlas", "models", "metrics", "tasks", "board"},
}
FILES = [path for package in MAY_IMPORT for path in sorted((ROOT / package).rglob("*.py"))]


def names_imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    ours = {name.split(".")[0] for name in names_imported(path)} & MAY_IMPORT.keys()
    assert ours <= MAY_IMPORT[package] | {package}


def test_the_board_reads_only_tables() -> None:
    """The page knows what metrics and tasks are called, not how they are computed."""
    allowed = {"metrics", "metrics.table", "tasks.table", "tasks.study", "tasks.rows"}
    for path in (ROOT / "board").rglob("*.py"):
        ours = {n for n in names_imported(path) if n.split(".")[0] in {"metrics", "tasks"}}
        assert ours <= allowed, f"{path} imports {ours - allowed}"


def test_the_engine_runs_on_a_bare_gpu_machine() -> None:
    allowed = {"torch", "numpy", "safetensors", "yaml", "tqdm", "models"} | set(sys.stdlib_module_names)
    for path in (ROOT / "models" / "transformer").rglob("*.py"):
        names = names_imported(path)
        assert {n.split(".")[0] for n in names} <= allowed, path
        assert all(n.startswith("models.transformer") for n in names if n.split(".")[0] == "models"), path


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_generic_names_are_ours(package: str) -> None:
    module = importlib.import_module(package)
    assert Path(module.__file__).is_relative_to(ROOT)


def test_the_snakefile_stays_light() -> None:
    """Reading the workflow must not load torch or scanpy: it happens again for every cluster job."""
    code = (
        "import sys, pathlib; from workflow.config import read; import workflow.plan, workflow.fingerprint;"
        "read({}, home=pathlib.Path('.'));"
        "heavy = {'torch', 'scanpy', 'anndata', 'sklearn', 'scipy', 'numba'} & set(sys.modules);"
        "sys.exit(f'heavy: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_one_build_of_torch() -> None:
    """A CPU build beside CUDA packages means that two builds were installed over each other."""
    import torch

    names = [d.metadata["Name"].lower() for d in importlib.metadata.distributions() if d.metadata["Name"]]
    assert names.count("torch") == 1
    if torch.version.cuda is None:
        assert not [name for name in names if name.startswith("nvidia-")]


def test_constraints_hold_no_addresses() -> None:
    lines = (ROOT / "constraints.txt").read_text().split()
    assert all("==" in line and "+" not in line and "/" not in line for line in lines)


def test_every_dependency_says_why() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text.split("dependencies = [")[1].split("]\n\n")[0]
    wanted = [line for line in block.splitlines() if line.strip().startswith('"')]
    assert len(wanted) > 10
    assert all("#" in line for line in wanted)


def test_files_do_one_thing() -> None:
    long = {p: n for p in FILES if (n := len(p.read_text(encoding="utf-8").splitlines())) > 320}
    assert not long


def test_the_conda_environment_follows_the_constraints() -> None:

    pins = dict(
        line.lower().replace("_", "-").split("==") for line in (ROOT / "constraints.txt").read_text().split()
    )
    environment = yaml.safe_load((ROOT / "workflow/envs/harness.yaml").read_text())
    pip = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    assert dict(line.split("==") for line in pip) == {
        line.split("==")[0]: pins[line.split("==")[0]] for line in pip
    }
    text = (
        (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("dependencies = [")[1].split("]\n\n")[0]
    )
    wanted = re.findall(r'^  "([A-Za-z0-9_-]+)', text, re.M)
    assert [line.split("==")[0] for line in pip] == wanted
