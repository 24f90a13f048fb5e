"""The bytes of a source, one file or all the files of a zarr store, and what ``atlas fetch`` said of them."""

import hashlib
import os
from pathlib import Path
from typing import Any

from contract.catalogue import check
from contract.errors import UserError
from contract.files import read_json, sha256

SOURCE = {
    "type": "object",
    "required": ["status", "reason", "path", "sha256"],
    "properties": {"reason": {"type": "string"}},
    "oneOf": [
        {"properties": {"status": {"const": "ok"}, "path": {"type": "string"}, "sha256": {"type": "string"}}},
        {"properties": {"status": {"enum": ["failed", "not_applicable"]}}},
    ],
}
"""JSON schema of ``source.json``, as far as it is read here."""


def content_sha256(path: Path) -> str:
    """SHA-256 of a file; of a store that of the names and hashes of its files, sorted by name."""
    if not path.is_dir():
        return sha256(path)
    digest = hashlib.sha256()
    for file in _files(path):
        digest.update(os.fsencode(f"{file.relative_to(path).as_posix()}\0{sha256(file)}\n"))
    return digest.hexdigest()


def content_bytes(path: Path) -> int:
    """Its size."""
    return sum(file.stat().st_size for file in (_files(path) if path.is_dir() else [path]))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def read_fetched(path: Path) -> dict[str, Any]:
    """``source.json``; anything else is a ``UserError``."""
    if not path.is_file():
        raise UserError(str(path), found="no such file", todo="run atlas fetch first")
    try:
        source = read_json(path)
        check(source, SOURCE, where="it")
    except UserError as error:
        raise UserError(
            str(path), found=f"no source.json ({error})", expected="what atlas fetch wrote"
        ) from None
    return source


def check_content(path: Path, sha256: str, *, where: str) -> None:
    """Raise a ``UserError`` unless a source is still what ``atlas fetch`` saw: the page names its hash."""
    try:
        found = content_sha256(path)
    except OSError as error:
        found = error.strerror or "nothing"
    if found != sha256:
        raise UserError(
            f"{where}: {path}",
            found=f"other bytes than atlas fetch did ({found})",
            expected=f"SHA-256 {sha256}",
            todo="fetch it again",
        )
