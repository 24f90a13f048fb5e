"""Hash of the source a step runs, so that Snakemake sees an edited module.

Snakemake re-runs a job when the *rule* changes, not when a module that its
command imports does. A rule therefore carries the hash of the static import
closure of its command as a parameter: editing a module re-runs exactly the
steps that import it, and what depends on them.
"""

import ast
import functools
import hashlib
import importlib.machinery
import importlib.util
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("atlas", "board", "contract", "metrics", "models", "tasks")


def fingerprint(*modules: str, root: Path = ROOT) -> str:
    """Short hash of the named modules, all of ours they import, and the data files beside them.

    Parameters
    ----------
    modules
        Dotted names such as ``models.embed``. A package stands for all its modules,
        because a package may hand out names lazily.

    Raises
    ------
    ValueError
        If a name is not a module of ours.
    """
    digest = hashlib.sha256()
    for path in sorted(_closure(frozenset(modules), root)):
        digest.update(str(path.relative_to(root)).encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


@functools.cache
def _closure(modules: frozenset[str], root: Path) -> frozenset[Path]:
    seen: set[Path] = set()
    waiting = [path for name in modules for path in _files(name, root)]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        seen.update(_data_in(path.parent))
        for name in _imported(path, root):
            waiting.extend(_files(name, root))
    return frozenset(seen)


def _files(name: str, root: Path) -> list[Path]:
    """Files that a dotted name stands for: a module with the packages above it, or a whole package."""
    base = root.joinpath(*name.split("."))
    if base.is_dir():
        own = sorted(base.glob("*.py"))
    elif base.with_suffix(".py").is_file():
        own = [base.with_suffix(".py")]
    else:
        raise ValueError(f"{name} is not a module of ours")
    above = [p / "__init__.py" for p in base.parents if p != root and p.is_relative_to(root)]
    return own + [p for p in above if p.is_file()]


@functools.cache
def _imported(path: Path, root: Path) -> tuple[str, ...]:
    return tuple(_names_of_ours(path, root))


def _names_of_ours(path: Path, root: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes(), filename=str(path))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [
                f"{node.module}.{alias.name}"
                if _is_module(f"{node.module}.{alias.name}", root)
                else node.module
                for alias in node.names
            ]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in PACKAGES)


def _is_module(name: str, root: Path) -> bool:
    base = root.joinpath(*name.split("."))
    return base.is_dir() or base.with_suffix(".py").is_file()


@functools.cache
def _data_in(folder: Path) -> frozenset[Path]:
    return frozenset(_data_files(folder))


def _data_files(folder: Path) -> Iterator[Path]:
    """Data files in a module's folder, and in its sub-folders that hold no code."""
    for child in folder.iterdir():
        if child.is_file() and child.suffix not in {".py", ".pyc"}:
            yield child
        elif child.is_dir() and child.name != "__pycache__" and not any(child.rglob("*.py")):
            yield from (p for p in child.rglob("*") if p.is_file() and p.suffix != ".pyc")


def adapter_fingerprint(step: str, target: str, *, root: Path = ROOT) -> str:
    """Short hash of a step and of the adapter class ``module:Class`` that it runs, ours or a user's."""
    module = target.partition(":")[0]
    if module.split(".")[0] in PACKAGES:
        return fingerprint(step, module, root=root)
    path = module_file(module)
    source = b"" if path is None else path.read_bytes()
    return f"{fingerprint(step, root=root)}-{hashlib.sha256(source).hexdigest()[:12]}"


def module_file(module: str) -> Path | None:
    """Where a module's source lies, or nothing; no code of the user's is run to find out."""
    top, *parts = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:
        return None
    name = top
    for part in parts:
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = f"{name}.{part}"
        spec = importlib.machinery.PathFinder.find_spec(name, spec.submodule_search_locations)
    return Path(spec.origin) if spec and spec.has_location else None
