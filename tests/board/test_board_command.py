"""``python -m board page`` and ``check``: from files to files, and one line for each mistake."""

import json
import sys
from pathlib import Path

import pytest
from made_up import frame, row, whole_study
from written import board, files

from contract.files import write_json


def test_command_writes_five_files_and_repeats_to_the_byte(tmp_path, capsys, monkeypatch) -> None:
    no_git = str(Path(sys.executable).parent)  # a commit between the two runs is no fault of theirs
    monkeypatch.setenv("PATH", no_git)
    arguments = files(tmp_path, whole_study())
    assert board("page", *arguments) == 0
    out = tmp_path / "out"
    names = {"index.html", "scores.parquet", "scores.csv", "provenance.json", "leaderboard.json"}
    assert {path.name for path in out.iterdir()} == names
    assert capsys.readouterr().out.strip().endswith("index.html")
    first = {name: (out / name).read_bytes() for name in names - {"index.html", "provenance.json"}}
    assert board("page", *arguments) == 0
    assert {name: (out / name).read_bytes() for name in first} == first
    facts = json.loads((out / "provenance.json").read_text())
    assert set(facts) == {"code", "inputs", "machine", "study", "versions"}
    assert len(facts["inputs"]) == 4
    assert "date" in facts["machine"]
    assert (out / "index.html").stat().st_size < 1_000_000


def test_no_folder_of_this_machine_is_published(tmp_path) -> None:
    """A refused file names its path; the page, and what lies beside it, names only the file."""
    reason = "blood: /home/jo/secret/blood_raw.h5ad: found no counts"
    told = [row(metric="clisi", model="scvi", status="failed", reason=f"prepare: {reason}")]
    arguments = files(tmp_path, [*whole_study(), *told])
    bad = {"status": "failed", "stage": "prepare", "reason": reason, "log_tail": "/home/jo/secret"}
    write_json(tmp_path / "data" / "blood" / "outcome.json", bad)
    assert board("page", *arguments) == 0
    for path in (tmp_path / "out").iterdir():
        assert b"secret" not in path.read_bytes(), path
        assert str(tmp_path).encode() not in path.read_bytes(), path
    page = (tmp_path / "out" / "index.html").read_text()
    assert "blood failed at prepare: …/blood_raw.h5ad: found no counts. Nothing was measured" in page


def test_check_lists_what_failed(tmp_path, capsys) -> None:
    rows = [*whole_study(), row(metric="clisi", model="scvi", status="failed", reason="out of memory")]
    assert board("page", *files(tmp_path, rows)) == 0
    capsys.readouterr()
    out = str(tmp_path / "out")
    assert board("check", "--out", out) == 1
    told = capsys.readouterr().out
    assert "scvi" in told
    assert "out of memory" in told
    assert board("check", "--out", out, "--expect-failed", "blood") == 0


def test_check_wants_an_expected_failure_to_happen(tmp_path, capsys) -> None:
    assert board("page", *files(tmp_path, whole_study())) == 0
    out = str(tmp_path / "out")
    assert board("check", "--out", out) == 0
    assert board("check", "--out", out, "--expect-failed", "blood") == 1
    assert "did not" in capsys.readouterr().out


MISTAKES = [
    ({"study": "other"}, "study 'other'"),
    ({"dataset": "other"}, "dataset 'other'"),
    ({"model": "other"}, "model 'other'"),
    ({"metric": "other"}, "metric 'other'"),
    ({"status": "maybe"}, "status 'maybe'"),
    ({"value": None}, "a null value that is ok"),
    ({"status": "failed", "value": None, "reason": ""}, "without a reason"),
    ({"value": 0.1}, "two values of bio_conservation"),
    ({"metric": "clisi", "model": "scvi", "metric_version": "0"}, "of clisi; expected version"),
]


@pytest.mark.parametrize(("mistake", "told"), MISTAKES)
def test_a_broken_score_file_is_one_line(tmp_path, capsys, mistake, told) -> None:
    wrong = row(value=0.1) | mistake
    assert board("page", *files(tmp_path, [*whole_study(), row(metric="clisi"), wrong])) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "blood.parquet" in error
    assert told in error


@pytest.mark.parametrize(
    "missing", ["scores/blood.parquet", "scores/blood.runs.json", "data/blood/outcome.json"]
)
def test_a_missing_file_is_one_line(tmp_path, capsys, missing) -> None:
    arguments = files(tmp_path, whole_study())
    (tmp_path / missing).unlink()
    assert board("page", *arguments) == 2
    assert missing in capsys.readouterr().err


def test_a_parquet_that_is_none_is_one_line(tmp_path, capsys) -> None:
    arguments = files(tmp_path, whole_study())
    (tmp_path / "scores" / "blood.parquet").write_text("nonsense")
    assert board("page", *arguments) == 2
    assert "no parquet" in capsys.readouterr().err


def test_other_columns_are_named(tmp_path, capsys) -> None:
    arguments = files(tmp_path, whole_study())
    frame(whole_study()).drop(columns="reason").to_parquet(tmp_path / "scores" / "blood.parquet")
    assert board("page", *arguments) == 2
    assert "reason (string)" in capsys.readouterr().err


def test_check_before_page_is_one_line(tmp_path, capsys) -> None:
    assert board("check", "--out", str(tmp_path)) == 2
    assert "board page" in capsys.readouterr().err
