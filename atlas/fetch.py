"""``python -m atlas fetch``: one data set's h5ad, here and verified, and ``source.json`` that says so.

What is wrong with a source is a result (``status: failed``, exit 0): one broken
data set never costs the page. Only a mistake in the catalogue is an error.
"""

import argparse
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atlas.catalogue import Dataset, find_dataset
from atlas.content import content_bytes, content_sha256
from atlas.discover import api_base, look_up
from atlas.download import download
from atlas.web import Patience, SourceFailed
from contract.errors import UserError
from contract.files import read_json, sha256, write_json

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SCANPY_FILES = {"pbmc68k_reduced": "10x_pbmc68k_reduced.h5ad"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fetch``."""
    parser.add_argument("--datasets", type=Path, default=Path("datasets.yaml"), help="the catalogue")
    parser.add_argument("--dataset", required=True, metavar="ID", help="which entry of it")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of the entries of kind 'file'")
    parser.add_argument("--out", type=Path, required=True, help="where to write source.json")


def main(args: argparse.Namespace) -> int:
    """Write ``source.json`` (and ``source.h5ad`` beside it where bytes were made or downloaded)."""
    dataset = find_dataset(args.datasets, args.dataset)
    try:
        answer = fetch(dataset, data=args.data, folder=args.out.parent)
    except UserError as error:
        raise UserError(
            f"{args.datasets}: {dataset.id}: source", found=f"one that was refused ({error})"
        ) from None
    write_json(args.out, answer)
    found = answer["reason"] or f"{answer['path']}, {answer['bytes']} bytes, sha256 {answer['sha256']}"
    print(f"{dataset.id}: {answer['status']}: {found}", file=sys.stderr)
    return 0


def fetch(
    dataset: Dataset,
    *,
    data: Path | None,
    folder: Path,
    patience: Patience = Patience(),  # noqa: B008 - frozen
) -> dict[str, Any]:
    """Bring one h5ad here and return what ``source.json`` says.

    ``status`` is ``ok`` or ``failed`` (then ``reason`` is one line, and ``path``,
    ``sha256`` and ``bytes`` are null); a source of kind ``cellxgene`` adds the facts
    that Discover states, one of kind ``soma`` where it was sliced from. ``data`` is the
    folder of local sources; ``folder`` takes what is simulated, sliced or downloaded, as
    ``source.h5ad``.
    """
    kind = dataset.source["kind"]
    bring: Callable[[], tuple[Path, dict[str, Any]]] = {
        "file": lambda: (_local(dataset, data), {}),
        "scanpy": lambda: (_shipped_by_scanpy(dataset), {}),
        "simulated": lambda: (_simulated(dataset, folder / "source.h5ad"), {}),
        "cellxgene": lambda: _downloaded(dataset, folder / "source.h5ad", patience),
        "soma": lambda: _sliced(dataset, data, folder / "source.h5ad"),
    }[kind]
    nothing = {"kind": kind, "path": None, "sha256": None, "bytes": None}
    try:
        path, facts = bring()
        checked = _checked(path, dataset.sha256)
    except SourceFailed as error:
        return {**nothing, "status": "failed", "reason": " ".join(str(error).split())}
    except OSError as error:
        return {
            **nothing,
            "status": "failed",
            "reason": f"{error.filename or folder}: {error.strerror or error}",
        }
    return {**facts, **nothing, **checked, "status": "ok", "reason": ""}


def _checked(path: Path, expected: str | None) -> dict[str, Any]:
    if path.is_file():
        _check_signature(path)
    found = content_sha256(path)
    if expected is not None and found != expected:
        raise SourceFailed(
            f"{path}: found SHA-256 {found}, expected {expected}; get the right file, or correct the entry"
        )
    return {"path": str(path), "sha256": found, "bytes": content_bytes(path)}


def _check_signature(path: Path) -> None:
    with open(path, "rb") as file:
        start = file.read(len(HDF5_SIGNATURE))
    if start != HDF5_SIGNATURE:
        raise SourceFailed(f"{path}: found a file that begins with {start!r}, expected HDF5 (an h5ad)")


def _local(dataset: Dataset, data: Path | None) -> Path:
    name = dataset.source["path"]
    if data is None:
        raise SourceFailed(
            f"{dataset.id}: found no data folder, expected one that holds {name}; pass --config data=DIR"
        )
    path = data / name
    if not (path.is_dir() if path.suffix == ".zarr" else path.is_file()):
        raise SourceFailed(f"{path}: found no such file; check --config data=DIR")
    return path


def _shipped_by_scanpy(dataset: Dataset) -> Path:
    """Return where the installed scanpy keeps the file, without importing scanpy (seconds)."""
    spec = importlib.util.find_spec("scanpy")
    if spec is None or spec.origin is None:
        raise SourceFailed(f"{dataset.id}: scanpy is not installed; run 'make' to set up .venv")
    return Path(spec.origin).parent / "datasets" / _SCANPY_FILES[dataset.source["name"]]


def _simulated(dataset: Dataset, path: Path) -> Path:
    from atlas.simulate import Simulation, simulate_to_file  # anndata takes seconds to import

    parameters = {key: value for key, value in dataset.source.items() if key != "kind"}
    simulate_to_file(Simulation(**parameters), path)
    return path


def _sliced(dataset: Dataset, data: Path | None, path: Path) -> tuple[Path, dict[str, Any]]:
    from atlas.soma import address, slice_to_file  # anndata takes seconds to import

    uri = address(dataset.source, organism=dataset.organism, data=data)
    return path, slice_to_file(dataset.source, uri, path)


def _downloaded(dataset: Dataset, path: Path, patience: Patience) -> tuple[Path, dict[str, Any]]:
    """Download, unless the pinned bytes are here already; then no network is needed either."""
    said = path.with_name("discover.json")
    if said.is_file() and path.is_file() and sha256(path) == dataset.sha256:
        facts = read_json(said)
        if all(facts.get(key) == value for key, value in dataset.source.items() if key != "kind"):
            return path, facts
    facts, asset = look_up(dataset.source, base=api_base(), patience=patience)
    found = download(
        asset.url,
        path,
        expected_bytes=asset.bytes,
        expected_sha256=dataset.sha256,
        patience=patience,
    )
    write_json(said, facts)
    if facts["newest_version_id"] not in (None, facts["dataset_version_id"]):
        print(f"{dataset.id}: superseded by version {facts['newest_version_id']}", file=sys.stderr)
    if dataset.sha256 is None:
        version = facts["dataset_version_id"]
        print(f'{dataset.id}: pin what came: version {version}, sha256: "{found}"', file=sys.stderr)
    return path, facts
