"""From predictions to score rows: by hand on three cells, and end to end on simulated donors."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_folds import run_folds

from contract.cli import dispatch
from models.__main__ import COMMANDS as MODELS
from tasks.__main__ import COMMANDS as TASKS
from tasks.predictions import read_predictions


def predict(folder: Path, data: Path, models: Path, name: str) -> Path:
    out = folder / "predictions" / name
    words = ["--models", str(models), "--model", name, "--data", str(data)]
    argv = ["predict", *words, "--folds", str(folder / "folds"), "--out", str(out)]
    assert dispatch("models", MODELS, about="", argv=argv) == 0
    return out


def score(folder: Path, data: Path, predictions: list[Path]) -> pd.DataFrame:
    words = ["--study", str(folder / "mine.yaml"), "--dataset", "toy", "--data", str(data)]
    words += ["--folds", str(folder / "folds"), "--predictions", *map(str, predictions)]
    words += ["--cache", str(folder / "cache"), "--out", str(folder / "scores.parquet")]
    assert dispatch("tasks", TASKS, about="", argv=["score", *words]) == 0
    return pd.read_parquet(folder / "scores.parquet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, prepared, models) -> Path:
    """Folds, and what PCA with logistic regression says of them."""
    made = tmp_path_factory.mktemp("study")
    assert run_folds(made, prepared)["status"] == "ok"
    predict(made, prepared, models, "pca")
    return made


def test_pca_learns_and_values_stand_on_donors(folder, prepared) -> None:
    rows = score(folder, prepared, [folder / "predictions" / "pca"])
    assert (rows["status"] == "ok").sum() > 100
    main = rows[(rows["task"] == "mapping") & (rows["metric"] == "balanced_accuracy")]
    everything = main[main["shots"].isna()]
    assert everything.set_index("unit")["value"]["set"] > 0.9
    assert everything["unit"].str.startswith("donor:").sum() == 6
    few = main[(main["shots"] == 2) & (main["unit"] == "set")]
    assert sorted(few["draw"]) == [0, 1]
    assert few["value"].mean() < everything.set_index("unit")["value"]["set"]
    types = rows[rows["unit"].str.startswith("type:") & (rows["task"] == "mapping")]
    assert set(types["metric"]) == {"accuracy"}
    assert types["n"].sum() == 235
    noticed = rows[(rows["task"] == "novelty") & (rows["metric"] == "auroc") & (rows["unit"] == "set")]
    assert noticed["value"].item() > 0.6
    assert set(rows["split"]) == {"donor: 3 folds"}
    record = json.loads((folder / "scores.runs.json").read_text())[0]
    assert (record["fit"], record["access"]) == ("labels", ["inductive"])


def test_values_are_those_of_the_table_of_predictions(folder, prepared) -> None:
    """Accuracy counted again from the parquet file and the truth."""
    rows = score(folder, prepared, [folder / "predictions" / "pca"])
    table = pd.read_parquet(folder / "predictions" / "pca" / "predictions.parquet")
    truth = pd.read_parquet(prepared / "truth.parquet").set_index("cell")
    table = table[table["question"] == "all"].assign(true=lambda t: t["cell"].map(truth["label"]))
    table = table[table["true"].notna()].assign(unit=lambda t: t["cell"].map(truth["unit"]))
    right = (table["predicted"] == table["true"]).groupby(table["unit"]).mean()
    found = rows[(rows["metric"] == "accuracy") & rows["shots"].isna() & rows["unit"].isin(right.index)]
    pd.testing.assert_series_equal(
        found.set_index("unit")["value"].sort_index(), right.sort_index(), check_names=False
    )
    columns = [name for name in table.columns if name.startswith("p:")]
    assert (table[columns].idxmax(axis=1).str.removeprefix("p:") == table["predicted"]).all()


def test_permuted_training_labels_score_at_chance(folder, prepared, models, tmp_path) -> None:
    """What is learned, is learned from training labels: shuffled among cells, they are worth nothing."""
    assert run_folds(tmp_path, prepared)["status"] == "ok"
    rng = np.random.default_rng(0)
    for path in (tmp_path / "folds").glob("*/train.parquet"):
        train = pd.read_parquet(path)
        order = rng.permutation(train.index[train["label"].notna()])
        train.loc[train["label"].notna(), "label"] = train.loc[order, "label"].to_numpy()
        train.to_parquet(path)
    rows = score(tmp_path, prepared, [predict(tmp_path, prepared, models, "pca")])
    main = rows[(rows["metric"] == "balanced_accuracy") & rows["shots"].isna() & (rows["unit"] == "set")]
    assert abs(main["value"].item() - 1 / 3) < 0.1  # three standard errors of 235 cells


def test_what_a_search_found_on_its_own_units(folder, tmp_path) -> None:
    """Record 0 of each run is the frozen probe; the last run, of all cells, has nothing to be measured on."""
    name = "validation_balanced_accuracy"
    probes = [{"strength": 1.0, name: 0.9}]
    runs = [{"run": run, "step": step, name: 0.5 + 0.1 * run * step} for run in (0, 1) for step in (0, 1)]
    last = [{"run": 3, "step": 0}, {"run": 3, "step": 9, "loss": 0.1}]
    shutil.copytree(folder / "predictions" / "pca", tmp_path / "tuned")
    run = json.loads((tmp_path / "tuned" / "run.json").read_text())
    run["folds"]["fold-0"]["all"]["curve"] = probes + runs + last
    run["folds"]["fold-1"]["all"]["curve"] = probes + last
    (tmp_path / "tuned" / "run.json").write_text(json.dumps(run))
    found = read_predictions(tmp_path / "tuned", folds=folder / "folds").run.made
    assert found["search"] == {"fold-0": {"frozen": 0.5, "best": 0.6}}
    whole = read_predictions(folder / "predictions" / "pca", folds=folder / "folds")
    assert "search" not in whole.run.made


def test_a_failed_contestant_has_rows_that_say_why(folder, prepared, tmp_path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder / "predictions" / "pca", broken)
    outcome = json.loads((broken / "outcome.json").read_text())
    (broken / "outcome.json").write_text(json.dumps(outcome | {"status": "failed", "reason": "it broke"}))
    rows = score(folder, prepared, [broken])
    assert set(rows["status"]) == {"failed"}
    assert rows["reason"].str.contains("it broke").all()
    assert set(rows["task"]) == {"mapping", "novelty"}


def test_a_planted_label_stops_the_run(folder, prepared, models, tmp_path) -> None:
    shutil.copytree(folder / "folds", tmp_path / "folds")
    path = tmp_path / "folds" / "fold-1" / "train.parquet"
    train = pd.read_parquet(path)
    test = pd.read_parquet(path.with_name("test.parquet"))
    planted = train.iloc[[-1]].assign(cell=test["cell"].iloc[0])
    pd.concat([train, planted]).to_parquet(path)
    out = predict(tmp_path, prepared, models, "pca")
    outcome = json.loads((out / "outcome.json").read_text())
    assert outcome["status"] == "failed"
    assert "which is to be tested on" in outcome["reason"]
    assert len(pd.read_parquet(out / "predictions.parquet")) == 0
