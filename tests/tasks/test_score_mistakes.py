"""``python -m tasks score`` on what is no embedding, and on what does not belong together."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scored import folders, score, write_data, write_run

from contract.outcome import Outcome
from tasks.cells import Cells

pytestmark = pytest.mark.usefixtures("toy_terms")


@pytest.mark.parametrize(
    ("Z", "told"),
    [
        (np.zeros((359, 4)), "has shape (359, 4), not one row for each of 360 cells"),
        (np.zeros((360, 0)), "has shape (360, 0)"),
        (np.full((360, 2), np.nan), "is not finite in 360 of 360 cells"),
        (np.full((360, 2), "a"), "holds <U1, not numbers"),
    ],
)
def test_arrays_that_are_no_embedding(home: Path, tmp_path: Path, Z: np.ndarray, told: str) -> None:
    assert score(home, runs=[write_run(tmp_path, Z, model="pca", fit="train")], out="bad") == 0
    found = pd.read_parquet(home / "scores" / "bad.parquet")
    assert set(found.status) == {"failed"}
    assert found.reason.str.startswith("score: embedding.npy ").all()
    assert found.reason.str.contains(told, regex=False).all()


def test_pickles_are_not_opened(home: Path, tmp_path: Path) -> None:
    folder = write_run(tmp_path, None, model="pca", fit="train")
    np.save(folder / "embedding.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert score(home, runs=[folder], out="pickle") == 0
    found = pd.read_parquet(home / "scores" / "pickle.parquet")
    assert set(found.status) == {"failed"}


MISTAKES = {
    "other data set": (
        lambda h, t: {"dataset": "toi"},
        "mine.yaml: datasets: found no 'toi'; did you mean 'toy'",
    ),
    "nothing prepared": (lambda h, t: {"data": t}, "outcome.json: found no such file"),
    "no embedding": (lambda h, t: {"runs": [t / "nothing"]}, "outcome.json: found no such file"),
    "embedding of another data set": (
        lambda h, t: {"runs": [write_run(t, None, model="pca", fit="all", dataset="toys")]},
        "--embeddings pca fit-all seed-0: found an embedding of 'toys'",
    ),
    "contestant of another study": (
        lambda h, t: {"runs": [write_run(t, None, model="pcaa", fit="all")]},
        "found no contestant of the study; did you mean 'pca'",
    ),
    "the same run twice": (lambda h, t: {"runs": folders(h)[:1] * 2}, "found two folders of this run"),
}


@pytest.mark.parametrize(("change", "told"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_are_one_line(home: Path, tmp_path: Path, capsys, change, told: str) -> None:
    failed = Outcome(status="failed", stage="embed", reason="-")
    arguments = change(home, tmp_path)
    for folder in arguments.get("runs", []):
        if folder.is_relative_to(tmp_path) and folder.is_dir():
            failed.write(folder / "outcome.json")
    assert score(home, **arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert told in line


def test_truth_and_reference_must_agree(home: Path, tmp_path: Path, cells: Cells, capsys) -> None:
    data = write_data(tmp_path / "data", cells)
    np.save(data / "reference.npy", cells.reference[:-1])
    assert score(home, data=data) == 2
    assert "reference.npy: found 359 rows; expected 360" in capsys.readouterr().err
