"""A folder of predictions that was damaged, edited or mixed up: failed in one line, or what was written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fuzzing import DAMAGE, EDITS, damaged, often, one_line, with_edits
from hypothesis import given

from contract.errors import UserError
from contract.files import read_json, sha256, write_json
from contract.outcome import Outcome
from models.predict import write_predictions
from tasks.predictions import QUESTIONS, Predicted, read_predictions
from tasks.runs import read_record

N = 6
ASKED = {"all": {"shots": None, "draw": None, "hidden": None}, "without-1": {"hidden": "B"}}


def answered(fold: int, question: str) -> pd.DataFrame:
    """What is said of the N test cells of a fold; the hidden type has no column."""
    draw = np.random.default_rng([fold, len(question)])
    classes = ["A", "B", "C"] if question == "all" else ["A", "C"]
    P = draw.dirichlet(np.ones(len(classes)), N).astype(np.float32)
    table = pd.DataFrame(
        {"fold": str(fold), "question": question, "cell": [f"c{fold}-{i}" for i in range(N)]}
    )
    table["predicted"] = np.array(classes)[P.argmax(axis=1)]
    table["unseen_score"] = 1.0 - P.max(axis=1).astype(np.float64)
    return table.assign(**{f"p:{name}": P[:, i] for i, name in enumerate(classes)})


def write_folder(place: Path) -> Path:
    """Two folds, two questions, and the answers, as ``tasks folds`` and ``models predict`` leave them."""
    run, made, inputs = place / "run", [], {}
    for fold in (0, 1):
        own = place / "folds" / f"fold-{fold}"
        own.mkdir(parents=True)
        pd.DataFrame({"cell": [f"c{fold}-{i}" for i in range(N)]}).to_parquet(own / "test.parquet")
        pd.DataFrame({"cell": [f"c{1 - fold}-{i}" for i in range(N)]}).to_parquet(own / "train.parquet")
        inputs[f"{own.name}/train.parquet"] = sha256(own / "train.parquet")
        made.append(place / f"{fold}.parquet")
        pd.concat([answered(fold, name) for name in ASKED], ignore_index=True).to_parquet(made[-1])
    run.mkdir()
    write_predictions(run / "predictions.parquet", made, seed=0)
    ok = {"status": "ok", "reason": "", "chosen": None, "curve": [{"run": 0, "step": 0}]}
    facts: dict[str, Any] = {"dataset": "toy", "model": "pca", "fit": "labels", "seed": 0, "control": False}
    facts |= {"card": {}, "options": {}, "checkpoint": None, "inputs": inputs}
    facts["folds"] = {f"fold-{fold}": dict.fromkeys(ASKED, ok) for fold in (0, 1)}
    facts["predictions_sha256"] = sha256(run / "predictions.parquet")
    write_json(run / "run.json", facts)
    write_json(run / "cost.json", {})
    Outcome(status="ok", stage="predict").write(run / "outcome.json")
    return run


@pytest.fixture(scope="module")
def run(place: Path) -> Path:
    return write_folder(place)


@pytest.fixture
def own(run: Path, tmp_path: Path) -> Path:
    """A copy to be spoilt."""
    shutil.copytree(run.parent, tmp_path / "own")
    return tmp_path / "own" / "run"


def read(run: Path) -> Predicted:
    found = read_predictions(run, folds=run.parent / "folds")
    assert found.run.outcome.reason.isprintable()
    return found


def unpinned(run: Path) -> None:
    """Forget the hash of the table, as if other hands had written it."""
    facts = read_json(run / "run.json")
    write_json(run / "run.json", {key: value for key, value in facts.items() if key != "predictions_sha256"})


def test_what_is_whole_is_read(own: Path) -> None:
    """With its hash, and without it by its form alone."""
    for forget in (lambda: None, lambda: unpinned(own)):
        forget()
        found = read(own)
        assert (found.run.outcome.status, len(found.table)) == ("ok", 4 * N)


@often(150)
@given(damage=DAMAGE)
@pytest.mark.parametrize("pinned", [True, False])
def test_a_table_with_damage(run: Path, pinned: bool, damage: tuple) -> None:
    whole, record = (run / "predictions.parquet").read_bytes(), (run / "run.json").read_bytes()
    before = read(run).table
    try:
        (run / "predictions.parquet").write_bytes(damaged(whole, damage))
        if not pinned:
            unpinned(run)
        found = read(run)
    finally:
        (run / "predictions.parquet").write_bytes(whole)
        (run / "run.json").write_bytes(record)
    assert found.run.outcome.status == "failed" or not pinned or found.table.equals(before)
    assert (found.run.outcome.status == "failed") == (len(found.table) == 0)


def test_a_column_whose_name_is_no_text(run: Path) -> None:
    whole, record = (run / "predictions.parquet").read_bytes(), (run / "run.json").read_bytes()
    try:
        (run / "predictions.parquet").write_bytes(whole.replace(b"unseen_score", b"\x80nseen_score"))
        unpinned(run)
        outcome = read(run).run.outcome
    finally:
        (run / "predictions.parquet").write_bytes(whole)
        (run / "run.json").write_bytes(record)
    assert (outcome.status, "no parquet file" in outcome.reason) == ("failed", True)


@pytest.mark.parametrize("name", ["run.json", "cost.json", "outcome.json"])
@often(90)
@given(edits=EDITS)
def test_records_with_edits(run: Path, name: str, edits: list) -> None:
    whole = (run / name).read_bytes()
    try:
        (run / name).write_text(json.dumps(with_edits(json.loads(whole), edits)))
        read(run)
    except UserError as error:
        one_line(error)
    finally:
        (run / name).write_bytes(whole)


@often(90)
@given(edits=EDITS)
def test_questions_with_edits(place: Path, edits: list) -> None:
    about = {"protocol": "unit", "label": "label", "folds": {"fold-0": ASKED}}
    path = place / "questions.json"
    path.write_text(json.dumps(with_edits(about, edits)))
    try:
        read_record(path, QUESTIONS)
    except UserError as error:
        one_line(error)


def other_labels(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(predicted=np.roll(table["predicted"], 1))


SPOILT: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "a cell less": (lambda t: t.iloc[1:], "other cells"),
    "a cell twice": (lambda t: pd.concat([t, t.iloc[:1]]), "other cells"),
    "another cell": (lambda t: t.replace({"cell": {"c0-0": "c1-0"}}), "other cells"),
    "another order": (lambda t: t.iloc[::-1], "other cells"),
    "a question less": (lambda t: t[t["question"] == "all"], "answers 2 questions, not the 4"),
    "a question more": (
        lambda t: pd.concat([t, t.assign(question="shots-1-draw-0")]),
        "answers 6 questions, not the 4",
    ),
    "other labels": (other_labels, "not the likeliest"),
    "an unknown label": (lambda t: t.assign(predicted="Z"), "not the likeliest"),
    "a null label": (lambda t: t.assign(predicted=t["predicted"].where(t["cell"] != "c0-0")), "without"),
    "percent": (lambda t: t.assign(**{"p:A": t["p:A"] * 100}), "probability from 0 to 1"),
    "no probability": (lambda t: t.assign(**{"p:A": np.nan, "p:B": np.nan, "p:C": np.nan}), "from 0 to 1"),
    "no class": (lambda t: t.drop(columns=["p:A", "p:B", "p:C"]), "no probability"),
    "text for numbers": (lambda t: t.assign(unseen_score="high"), "holds string in 'unseen_score'"),
    "an infinite score": (lambda t: t.assign(unseen_score=np.inf), "not finite"),
    "no score": (lambda t: t.drop(columns="unseen_score"), "0 columns 'unseen_score'"),
    "numbers for folds": (lambda t: t.assign(fold=0), "holds int64 in 'fold'"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_good_parquet_of_wrong_answers(own: Path, what: str) -> None:
    """By its form alone: nobody wrote down its hash."""
    spoil, told = SPOILT[what]
    unpinned(own)
    spoil(pd.read_parquet(own / "predictions.parquet")).to_parquet(own / "predictions.parquet", index=False)
    found = read(own)
    assert found.run.outcome.status == "failed"
    assert told in found.run.outcome.reason
    assert not len(found.table)


def test_predictions_of_two_contestants_that_were_mixed_up(own: Path) -> None:
    """Both are good tables of the same cells; the record knows which is which."""
    table = pd.read_parquet(own / "predictions.parquet")
    table.assign(unseen_score=table["unseen_score"] + 1).to_parquet(own / "predictions.parquet", index=False)
    found = read(own)
    assert "not the table that was written here" in found.run.outcome.reason


def test_predictions_of_other_folds(own: Path) -> None:
    train = own.parent / "folds" / "fold-1" / "train.parquet"
    pd.read_parquet(train).iloc[1:].to_parquet(train)
    assert "other training cells than those of fold '1'" in read(own).run.outcome.reason
    shutil.rmtree(train.parent)
    assert "a fold '1' that is not there" in read(own).run.outcome.reason
