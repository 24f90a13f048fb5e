"""Leaderboards that leave this machine: exported, joined, compared."""

from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from made_up import LEVELS, jackknife_rows, results, whole_study
from made_up import run as made_run
from written import FACTS, WHERE, board, files, page_text

from board.export import SCHEMA, read_export, results_of
from board.publish import publish
from board.results import read_results
from contract.catalogue import check
from contract.errors import UserError
from contract.files import read_json, write_json
from tasks.rows import SCHEMA as SCORES
from tasks.study import Primary, Protocol, read_study

LEARN = ("pca", "scvi")
HERE, THERE = ("oracle", "noise", "pca", "scvi"), ("oracle", "noise", "pca", "geneformer@demo")


def rows_of(models, *, bump: float = 0.0) -> list[dict]:
    """The rows of some contestants as the whole study has them; ``bump`` is what another machine adds."""
    found = [r for r in whole_study() if r["model"] in models]
    return [r if r["value"] is None else r | {"value": r["value"] + bump} for r in found]


def made(folder: Path, models, *, bump: float = 0.0, change=None, **study) -> Path:
    """The folder of a leaderboard; ``change`` may edit each row before."""
    rows = rows_of(models, bump=bump)
    arguments = files(folder, [change(dict(r)) for r in rows] if change else rows, models=models, **study)
    assert board("page", *arguments) == 0
    return folder / "out"


@pytest.fixture
def both(tmp_path) -> tuple[Path, Path]:
    return made(tmp_path / "a", HERE), made(tmp_path / "b", THERE)


def facts(folder: Path) -> dict:
    return read_export(folder)


def test_the_export_is_what_its_schema_says(both) -> None:
    found = facts(both[0])
    assert found["version"] == 2
    assert {c["model"] for c in found["comparisons"]} >= {"scvi"}
    with pytest.raises(UserError, match="version"):
        check(found | {"version": "1"}, read_json(SCHEMA), where="x")


def test_the_export_holds_all_that_the_page_shows(tmp_path, both) -> None:
    """What is read back gives the same page: nothing is lost on the way."""
    found, table = results_of(facts(both[0]), both[0])
    arguments = iter(files(tmp_path / "a", rows_of(HERE), models=HERE))
    given = dict(zip(arguments, arguments, strict=True))
    paths = [Path(given["--scores"])], [Path(given["--reports"])]
    asked, before = read_results(read_study(Path(given["--study"])), scores=paths[0], reports=paths[1])
    assert table.equals(before)
    assert found.study == replace(asked.study, path="…/demo.yaml")
    assert [asdict(run) for run in found.runs] == [asdict(run) for run in asked.runs]
    assert found.datasets == asked.datasets
    assert page_text(found) == page_text(replace(asked, study=found.study))


def test_parts_of_a_study_join_to_the_whole(tmp_path, both, capsys) -> None:
    whole = made(tmp_path / "whole", tuple(LEVELS))
    out = tmp_path / "joined"
    assert board("merge", *map(str, both), "--out", str(out)) == 0
    said = capsys.readouterr().out
    assert "measured twice; the largest difference is 0" in said
    one, other = facts(out), facts(whole)
    key = lambda c: (c["task"], c["access"], c["model"])  # noqa: E731
    assert sorted(one["comparisons"], key=key) == sorted(other["comparisons"], key=key)
    assert (one["family"], one["level"]) == (other["family"], other["level"])
    assert one["family"] > facts(both[0])["family"], "the family is that of the whole"
    assert pd.read_parquet(out / "scores.parquet").equals(pd.read_parquet(whole / "scores.parquet"))
    assert len(read_json(out / "provenance.json")["merged"]) == 2
    assert "Joined from" in (out / "index.html").read_text()


def test_a_joined_board_can_be_joined_again(tmp_path, both) -> None:
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    assert board("merge", *map(str, both), "--out", first) == 0
    assert board("merge", first, str(both[1]), "--out", second) == 0
    assert facts(Path(first))["comparisons"] == facts(Path(second))["comparisons"]


def test_values_that_differ_need_a_word(tmp_path, both, capsys) -> None:
    off = made(tmp_path / "off", THERE, bump=0.01)
    arguments = ["merge", str(both[0]), str(off), "--out", str(tmp_path / "out")]
    assert board(*arguments) == 2
    told = capsys.readouterr().err
    assert "0.01 apart" in told
    assert "--first-wins" in told
    assert board(*arguments, "--first-wins") == 0
    rows = pd.read_parquet(tmp_path / "out" / "scores.parquet")
    first = pd.read_parquet(both[0] / "scores.parquet")
    assert (
        rows[rows["model"] == "pca"]
        .reset_index(drop=True)
        .equals(first[first["model"] == "pca"].reset_index(drop=True))
    )
    assert len(rows) == len(rows_of(LEVELS))


def newer(row: dict) -> dict:
    return row | {"metric_version": "2" if row["metric"] == "bio_conservation" else "1"}


REFUSED = [
    ({"change": newer}, "bio_conservation of version 2"),
    ({"level": 0.9}, "level 0.9"),
    ({"seeds": 3}, "seeds (0, 1, 2)"),
    ({"reference": "noise"}, "reference 'noise'"),
]


@pytest.mark.parametrize(("difference", "told"), REFUSED)
def test_what_cannot_be_joined_is_one_line(tmp_path, both, capsys, difference, told) -> None:
    other = made(tmp_path / "other", THERE, **difference)
    assert board("merge", str(both[0]), str(other), "--out", str(tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert told in error
    assert not (tmp_path / "out").exists()


def edited(folder: Path, edit) -> None:
    found = read_json(folder / "leaderboard.json")
    edit(found)
    write_json(folder / "leaderboard.json", found)


def other_cells(found: dict) -> None:
    found["datasets"][0]["report"]["n_cells"] = 799


def other_split(found: dict) -> None:
    for run in found["runs"]:
        run["made"] = {"inputs": {"split.parquet": "f" * 64}}


def first_split(found: dict) -> None:
    for run in found["runs"]:
        run["made"] = {"inputs": {"split.parquet": "0" * 64}}


def other_options(found: dict) -> None:
    for run in found["runs"]:
        run["options"] = {"width": 51}


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (other_cells, "another 'n_cells'"),
        (other_split, "split.parquet of SHA-256 ffff"),
        (other_options, "other options"),
    ],
)
def test_mixed_data_are_refused(tmp_path, both, capsys, edit, told) -> None:
    edited(both[0], first_split)
    edited(both[1], edit)
    assert board("merge", *map(str, both), "--out", str(tmp_path / "out")) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [("nonsense", "expected JSON"), ("{}", "format"), ('{"version": 1}', "version 1"), ("[]", "[]")],
)
def test_another_file_is_one_line(both, capsys, text, told) -> None:
    (both[0] / "leaderboard.json").write_text(text)
    assert board("compare", *map(str, both)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert told in error


def test_no_change_is_no_change(both, capsys) -> None:
    assert board("compare", str(both[0]), str(both[0])) == 0
    told = capsys.readouterr().out
    assert "none differs" in told
    assert "0 gains changed" in told


def test_compare_names_what_left_its_interval(tmp_path, both, capsys) -> None:
    def better(row: dict) -> dict:
        if row["model"] == "scvi" and row["task"] == "integration" and row["value"] is not None:
            row["value"] += 0.2
        return row

    new = made(tmp_path / "new", HERE, change=better)
    assert board("compare", str(both[0]), str(new)) == 1
    told = capsys.readouterr().out
    line = next(line for line in told.splitlines() if line.startswith("integration") and " scvi " in line)
    assert "out of the old interval" in line
    assert "another word" in line
    assert "annotation" not in told
    assert "the largest difference is 0.2 " in told


def test_compare_forgives_what_stays_inside(tmp_path, both, capsys) -> None:
    def nudged(row: dict) -> dict:
        if row["model"] == "scvi" and row["task"] == "integration" and row["value"] is not None:
            row["value"] += 0.0005
        return row

    assert board("compare", str(both[0]), str(made(tmp_path / "new", HERE, change=nudged))) == 0
    assert "within the old interval" in capsys.readouterr().out


def test_compare_tells_versions_newcomers_and_losses(tmp_path, both, capsys) -> None:
    other = made(tmp_path / "new", THERE, change=newer)
    edited(other, other_cells)
    board("compare", str(both[0]), str(other))
    told = capsys.readouterr().out
    assert "bio_conservation: version 1 became 2" in told
    assert "blood: the data set changed (n_cells)" in told
    assert "gone" in told
    assert "new" in told


def learned(folder: Path, dataset: str, **own) -> Path:
    """The folder of a leaderboard of predictions, of one data set of its own."""
    protocol = {"held_out": "donor", "folds": 4}
    facts = {"task": "mapping", "metric": "balanced_accuracy", "dataset": dataset}
    facts["split"] = Protocol(**protocol).name
    rows = [one for name in LEARN for one in jackknife_rows([LEVELS[name]] * 5, model=name, **facts)]
    runs = [made_run(model=name, fit="labels", dataset=dataset) for name in LEARN]
    found = results(
        rows,
        runs=runs,
        models=LEARN,
        datasets=(dataset,),
        tasks=("mapping",),
        primary={"mapping": Primary(metric="balanced_accuracy", readout=None, margin=0.02)},
        protocols={dataset: Protocol(**protocol | own)},
    )
    table = pa.Table.from_pandas(found.rows, schema=SCORES, preserve_index=False).replace_schema_metadata(
        None
    )
    publish(found, table, provenance=FACTS, where=WHERE, out=folder)
    return folder


def test_parts_that_learned_from_labels_join(tmp_path, capsys) -> None:
    """Each machine had a data set of its own, and with it a protocol for that one alone."""
    one, other = learned(tmp_path / "a", "blood"), learned(tmp_path / "b", "lung", folds=2)
    assert board("merge", str(one), str(other), "--out", str(tmp_path / "out")) == 0
    found = read_export(tmp_path / "out")
    assert {name: own["folds"] for name, own in found["study"]["protocols"].items()} == {
        "blood": 4,
        "lung": 2,
    }
    assert {c["dataset"] for c in found["comparisons"]} == {"blood", "lung"}
    capsys.readouterr()
    torn = learned(tmp_path / "c", "lung", folds=3)
    assert board("merge", str(one), str(other), str(torn), "--out", str(tmp_path / "torn")) == 2
    assert "protocol of lung Protocol(held_out='donor', folds=3" in capsys.readouterr().err
