"""Whether an embedding is the one that was written, and of the cells that are scored.

Two data sets of one size, or two contestants, have arrays of one shape: files that were mixed up,
restored from a backup or cut by a disk would be scored without a word. What each step read and wrote
is therefore compared by SHA-256 before anything is measured.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from contract.errors import UserError
from contract.files import read_json, read_table, sha256
from tasks.runs import Run, read_run

WRITTEN = "embedding_sha256"


def read_own_runs(folders: Sequence[Path], *, data: Path, n_cells: int) -> list[Run]:
    """Read embedding folders of the data set in ``data``; a run whose files are others' is failed.

    Raises
    ------
    UserError
        If a file is missing, or ``truth.parquet`` and ``split.parquet`` are of different cells.
    """
    split = data / "split.parquet"
    if not split.is_file():
        return [read_run(folder, n_cells=n_cells) for folder in folders]
    check_same_cells(data)
    expected = sha256(split)
    return [_own(read_run(folder, n_cells=n_cells), folder, split=expected) for folder in folders]


def check_same_cells(data: Path) -> None:
    """Raise a ``UserError`` unless truth and split name the same cells in the same order."""
    truth, split = (read_table(data / name, columns=["cell"]) for name in ("truth.parquet", "split.parquet"))
    if not truth.equals(split):
        raise UserError(
            str(data / "truth.parquet"),
            found="other cells than in split.parquet",
            expected="the same, in order",
            todo="prepare this data set again",
        )


def _own(run: Run, folder: Path, *, split: str) -> Run:
    if run.Z is None:
        return run
    problem = ""
    if run.made.get("inputs", {}).get("split.parquet", split) != split:
        problem = "it was made from other cells than those that are scored: split.parquet has changed"
    elif read_json(folder / "run.json").get(WRITTEN) not in (None, sha256(folder / "embedding.npy")):
        problem = "embedding.npy is not the array that was written here"
    if not problem:
        return run
    return replace(run, outcome=replace(run.outcome, status="failed", stage="score", reason=problem), Z=None)
