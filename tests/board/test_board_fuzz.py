"""Records of a leaderboard that were damaged or edited: one line, never a traceback, never half a page."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fuzzing import DAMAGE, EDITS, damaged, often, one_line, with_edits
from hypothesis import given
from made_up import data_set, jackknife_rows
from written import FACTS, WHERE, board, files

from board.export import NAME
from board.merge import merge, read_part
from board.publish import publish
from board.results import read_results
from contract.errors import UserError
from tasks.study import read_study

RECORDS = ("scores/blood.runs.json", "data/blood/report.json", "data/blood/outcome.json")
MODELS = ("oracle", "pca", "geneformer@demo")
REPORT = {
    "tasks": ["integration"],
    "entry": {"public_since": "2020", "label_agreement": {"value": 0.9, "n": 7, "source": "x"}},
    "label_ids": {"T": ["CL:0000084"]},
    "type_tree": [{"id": "CL:0000084", "name": "T cell", "parent": None}],
}


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    rows = [one for i, model in enumerate(MODELS) for one in jackknife_rows([0.5 + i / 10] * 5, model=model)]
    folder = tmp_path_factory.mktemp("board")
    primary = {"integration": {"metric": "bio_conservation", "margin": 0.02}}
    arguments = files(folder, rows, models=MODELS, tasks=["integration"], primary=primary)
    (folder / "data" / "blood" / "report.json").write_text(json.dumps({**data_set().report, **REPORT}))
    assert board("page", *arguments) == 0
    return arguments


@pytest.fixture(scope="module")
def out(arguments: list[str]) -> Path:
    return Path(arguments[-1])


def joined(folder: Path) -> None:
    """Read a part, and make the page of it: what is read must do for all that follows."""
    part = read_part(folder)
    results, rows, _ = merge([part, part])
    publish(results, rows, provenance=FACTS, where=WHERE, out=folder.parent / "again")


def refused_or(read: Callable[[], object]) -> None:
    try:
        read()
    except UserError as error:
        one_line(error)


def while_it_reads(path: Path, content: bytes, read: Callable[[], object]) -> None:
    """Read while ``path`` has this content; its own is put back."""
    whole = path.read_bytes()
    try:
        path.write_bytes(content)
        refused_or(read)
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("name", ["leaderboard.json", "provenance.json", "scores.parquet"])
@often(30)
@given(damage=DAMAGE)
def test_leaderboards_with_damage(out: Path, name: str, damage: tuple) -> None:
    while_it_reads(out / name, damaged((out / name).read_bytes(), damage), lambda: read_part(out))


@often(40)
@given(edits=EDITS)
def test_leaderboards_with_edits(out: Path, edits: list) -> None:
    value = with_edits(json.loads((out / NAME).read_bytes()), edits)
    while_it_reads(out / NAME, json.dumps(value).encode(), lambda: joined(out))


@pytest.mark.parametrize(
    "name", ["scores/blood.runs.json", "data/blood/report.json", "data/blood/outcome.json"]
)
@often(20)
@given(edits=EDITS)
def test_records_of_runs_and_data_sets_with_edits(arguments: list[str], name: str, edits: list) -> None:
    path = Path(arguments[-1]).parent / name
    value = with_edits(json.loads(path.read_bytes()), edits)
    while_it_reads(path, json.dumps(value).encode(), lambda: page(arguments))


def page(arguments: list[str]) -> None:
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    study = read_study(Path(given["--study"]))
    results, rows = read_results(study, scores=[Path(given["--scores"])], reports=[Path(given["--reports"])])
    publish(results, rows, provenance=FACTS, where=WHERE, out=Path(given["--out"]).parent / "again")
