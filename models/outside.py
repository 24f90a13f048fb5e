"""Contestants that are not Python here: a program in an environment of its own, or a ready-made array."""

import contextlib
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import anndata as ad
import h5py
import numpy as np

from contract.errors import UserError
from contract.files import Broken, read_array
from models.options import CommandOptions, FileOptions


class _Outside:
    """Nothing is fitted here; what was fitted out there is for the card to say."""

    def fit(self, train: ad.AnnData, *, seed: int) -> Self:
        """Nothing to do: ``embed`` is handed the cells."""
        return self


class Command(_Outside):
    """A program that reads ``{cells}`` (h5ad) and writes ``{out}`` (npy), rows in input order."""

    def __init__(self, options: CommandOptions, *, seed: int) -> None:
        self.options, self.seed = options, seed

    def embed(self, cells: ad.AnnData) -> np.ndarray:
        """Run the program on a copy of the cells; floats of any size are taken as float32.

        Raises
        ------
        UserError
            If it cannot be started, ends with another status than 0, or writes no array.
        """
        with tempfile.TemporaryDirectory(prefix="sclitmus-") as folder:
            source, target = Path(folder) / "cells.h5ad", Path(folder) / "embedding.npy"
            cells.write_h5ad(source)
            words = {"{cells}": str(source), "{out}": str(target), "{seed}": str(self.seed)}
            command = [*self.options.env, *(_filled(part, words) for part in self.options.command)]
            try:
                status = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
            except OSError as error:
                raise UserError(
                    "command", found=f"{command[0]!r}: {error.strerror}", todo="check env"
                ) from None
            if status:
                raise UserError("command", found=f"exit status {status}", expected="0", todo="see its output")
            return _as_float32(_read_npy(target))


class File(_Outside):
    """An array of somebody's; its rows are found by cell name."""

    def __init__(self, options: FileOptions) -> None:
        self.options = options

    def embed(self, cells: ad.AnnData) -> np.ndarray:
        """Rows of the array in the order of ``cells``; floats of any size are taken as float32.

        Raises
        ------
        UserError
            If there is no such file, a cell is missing or named twice, or names and rows differ in number.
        """
        path = array_path(self.options.path, cells)
        if not path.is_file():
            raise UserError(str(path), found="no such file", todo="correct 'path'")
        names, values = _read_h5ad(path, self.options.obsm) if path.suffix == ".h5ad" else _read_pair(path)
        if values.ndim != 2 or len(names) != len(values):
            raise UserError(
                str(path), found=f"{len(names)} names, array of shape {values.shape}", expected="a row a name"
            )
        rows = {name: row for row, name in enumerate(names)}
        if len(rows) != len(names):
            raise UserError(str(path), found="a cell name twice", expected="each cell once")
        missing = [name for name in cells.obs_names if name not in rows]
        if missing:
            raise UserError(
                str(path),
                found=f"no row for {len(missing)} of {cells.n_obs} cells, first {missing[0]!r}",
                expected="a row for each cell",
            )
        return _as_float32(values[[rows[name] for name in cells.obs_names]])


def array_path(path: str, cells: ad.AnnData) -> Path:
    """``path`` with the id of the cells' data set in the place of ``{dataset}``."""
    return Path(path.replace("{dataset}", str(cells.uns.get("dataset", ""))))


def _filled(part: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        part = part.replace(word, value)
    return part


def _as_float32(values: np.ndarray) -> np.ndarray:
    """Floats as float32; anything else is left for the door to refuse."""
    return values.astype(np.float32) if np.issubdtype(values.dtype, np.floating) else values


def _read_npy(path: Path) -> np.ndarray:
    """Read an array of plain numbers; pickled objects are refused."""
    try:
        return read_array(path)
    except (OSError, Broken) as error:
        why = error.why if isinstance(error, Broken) else error
        raise UserError(path.name, found=f"no array ({why})", expected="a .npy file of floats") from None


def _read_pair(path: Path) -> tuple[list[str], np.ndarray]:
    """An ``.npy`` and the list of cell names beside it, ``X.npy`` and ``X.cells.txt``, one a line."""
    listed = path.with_suffix(".cells.txt")
    if not listed.is_file():
        raise UserError(str(path), found=f"no {listed.name} beside it", expected="one cell name a line")
    return listed.read_text(encoding="utf-8").splitlines(), _read_npy(path)


def _read_h5ad(path: Path, key: str | None) -> tuple[list[str], np.ndarray]:
    """Cell names and one array of ``obsm``; the counts in the file are not read."""
    try:
        with contextlib.closing(h5py.File(path, "r")) as file:
            keys = sorted(file["obsm"]) if "obsm" in file else []
            chosen = key or (keys[0] if len(keys) == 1 else None)
            if chosen not in keys:
                found = f"obsm: {', '.join(keys) or 'nothing'}"
                raise UserError(str(path), found=found, expected=key or "one array", todo="set options.obsm")
            return ad.io.read_elem(file["obs"]).index.astype(str).tolist(), np.asarray(file["obsm"][chosen])
    except OSError as error:
        raise UserError(str(path), found=f"no readable h5ad ({error})", expected="an .h5ad file") from None
