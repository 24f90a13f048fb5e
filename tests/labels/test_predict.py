"""The door of contestants that are given labels: what they are handed, and what they may answer."""

import dataclasses
import os
import shutil
import signal

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from labelled_cells import simulate

from contract.cli import dispatch
from contract.errors import NotApplicable, UserError
from contract.files import read_json, write_json
from contract.outcome import Outcome
from models import answer
from models import predict as command
from models.__main__ import COMMANDS
from models.baselines import Pca
from models.catalogue import find_contestant, read_models
from models.classifiers import HEADS, classify
from models.door import ContractError
from models.fold import read_fold
from models.labelled import Labels, Prediction, predict_checked
from models.step import Done
from models.validation import validation_cells


@pytest.fixture
def fold(tmp_path, prepared):
    """Donors d0 to d3 train, d4 and d5 test; all labels, and one of each type."""
    folder = tmp_path / "folds" / "fold-0"
    folder.mkdir(parents=True)
    truth = pd.read_parquet(prepared / "truth.parquet").assign(group=lambda t: t["donor"])
    test = truth["donor"].isin(["d4", "d5"])
    train = truth[~test & truth["label"].notna()]
    train[["cell", "label", "ontology_id", "unit", "group"]].to_parquet(folder / "train.parquet")
    truth.loc[test, ["cell", "group"]].to_parquet(folder / "test.parquet")
    one = ~train.duplicated("label")
    asked = [("all", np.ones(len(train), dtype=bool)), ("one", one.to_numpy())]
    pd.concat(
        [pd.DataFrame({"question": name, "cell": train["cell"], "labelled": told}) for name, told in asked]
    ).to_parquet(folder / "questions.parquet")
    write_json(folder / "fold.json", {"fold": "0", "held_out": "donor", "shared_groups": False})
    Outcome(status="ok", stage="folds").write(folder.parent / "outcome.json")
    return folder


def names(prepared):
    return ad.read_h5ad(prepared / "cells.h5ad").obs_names


def test_only_what_is_told_is_handed_over(fold, prepared) -> None:
    found = read_fold(fold, names(prepared))
    assert found.labels_of("one").given.sum() == 3
    assert found.labels_of("all").given.all()
    truth = pd.read_parquet(prepared / "truth.parquet")
    assert set(truth["donor"].iloc[found.train]) == {"d0", "d1", "d2", "d3"}


@pytest.mark.parametrize("plant", ["cell", "group"])
def test_a_planted_test_label_is_refused(fold, prepared, plant) -> None:
    """One row of the test side among the training rows: the very cell, or another cell of its donor."""
    truth = pd.read_parquet(prepared / "truth.parquet").assign(group=lambda t: t["donor"])
    train = pd.read_parquet(fold / "train.parquet")
    row = truth[truth["donor"] == "d5"].iloc[[9]][train.columns]
    if plant == "group":
        test = pd.read_parquet(fold / "test.parquet")
        test[test["cell"] != row["cell"].iloc[0]].to_parquet(fold / "test.parquet")
    pd.concat([train, row]).to_parquet(fold / "train.parquet")
    with pytest.raises(UserError, match=f"{plant} '.*', which is to be tested on"):
        read_fold(fold, names(prepared))


def test_a_label_of_an_untold_cell_is_refused(fold, prepared) -> None:
    train = pd.read_parquet(fold / "train.parquet")
    train.loc[train.index[0], "label"] = None
    train.to_parquet(fold / "train.parquet")
    with pytest.raises(UserError, match="told without a label"):
        read_fold(fold, names(prepared))


SAYS = {
    "strange class": (["B", "C"], [[0.5, 0.5]], [0.0], "class 'C'"),
    "unsorted": (["B", "A"], [[0.5, 0.5]], [0.0], "sorted"),
    "no row": (["A", "B"], np.zeros((0, 2)), [0.0], "shape \\(0, 2\\)"),
    "sum": (["A", "B"], [[0.5, 0.4]], [0.0], "miss a sum of 1"),
    "below 0": (["A", "B"], [[1.5, -0.5]], [0.0], "probabilities of -0.5"),
    "nan": (["A", "B"], [[0.5, 0.5]], [np.nan], "NaN or infinity in 1 rows of unseen_score"),
}


@pytest.mark.parametrize(("classes", "probability", "unseen", "told"), SAYS.values(), ids=SAYS)
def test_wrong_predictions_are_refused(classes, probability, unseen, told) -> None:
    class Says:
        def predict(self, cells) -> Prediction:
            return Prediction(
                classes=classes,
                probabilities=np.asarray(probability, dtype=float),
                unseen_score=np.asarray(unseen, dtype=float),
            )

    with pytest.raises(ContractError, match=told):
        predict_checked(Says(), simulate()[0][:1], told=["A", "B"])


@pytest.mark.parametrize("head", HEADS)
def test_heads_name_types_and_know_strangers(head) -> None:
    """Three far blobs are named; a fourth one is less like them by any head but a vote of trees."""
    rng = np.random.default_rng(0)
    centres = 6 * np.eye(4)[:, :4]
    kind = np.repeat(np.arange(3), 30)
    Z = centres[kind] + rng.normal(size=(90, 4))
    label = np.array(["a", "b", "c"], dtype=object)[kind]
    unit = np.array([f"d{i % 5}" for i in range(90)], dtype=object)
    labels = Labels(label=label, ontology_id=np.full(90, None, dtype=object), unit=unit)
    test = centres[np.repeat(np.arange(4), 20)] + rng.normal(size=(80, 4))
    found = classify(head, Z, labels, test, seed=0)
    right = np.array(found.classes)[found.probabilities.argmax(axis=1)][:60] == np.repeat(["a", "b", "c"], 20)
    assert right.mean() > 0.95
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-6)
    if head != "boosting":
        assert found.unseen_score[60:].mean() > found.unseen_score[:60].mean()
    assert set(found.chosen.values()) <= set(HEADS[head].values)


def test_validation_is_whole_units_or_nothing() -> None:
    unit = np.array([f"d{i % 6}" for i in range(120)], dtype=object)
    given = np.ones(120, dtype=bool)
    chosen = validation_cells(unit, given=given)
    assert len(set(unit[chosen])) == 2
    assert not set(unit[chosen]) & set(unit[~chosen])
    given[40:] = False
    assert not validation_cells(unit, given=given).any()


def test_few_labels_do_not_fit_the_embedder_anew(fold, prepared, models, tmp_path, monkeypatch) -> None:
    """Both questions give the same counts: PCA is fitted once, and only labels differ."""
    fits = []
    plain = Pca.fit
    monkeypatch.setattr(
        Pca, "fit", lambda self, train, *, seed: fits.append(1) or plain(self, train, seed=seed)
    )
    contestant = find_contestant(models, "pca")[0]
    request = {
        "contestant": dataclasses.asdict(contestant),
        "seed": 0,
        "data": str(prepared),
        "fold": str(fold),
        "state": None,
        "work": str(tmp_path),
    }
    report = answer._predict(request, tmp_path)
    assert len(fits) == 1
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    truth = pd.read_parquet(prepared / "truth.parquet").set_index("cell")["label"]
    right = (table["predicted"] == table["cell"].map(truth)).groupby(table["question"]).mean()
    assert right["all"] > 0.9
    assert right["one"] < right["all"]
    assert set(report["questions"]) == {"all", "one"}


def test_who_cannot_read_the_test_cells_learns_nothing(fold, prepared, models, tmp_path, monkeypatch) -> None:
    """It is asked before it learns, and who is asked never learns: it has seen the test cells."""
    seen = []

    class Refuses:
        card = None

        def check(self, cells) -> None:
            seen.append((self, set(cells.obs["donor"])))
            raise NotApplicable("no word of it")

        def fit(self, train, *, labels, seed):
            raise AssertionError("it learns")

    monkeypatch.setattr(answer, "_model", lambda request: Refuses())
    contestant = dataclasses.asdict(find_contestant(models, "pca")[0])
    request = {"contestant": contestant, "seed": 0, "data": str(prepared), "fold": str(fold)}
    with pytest.raises(NotApplicable, match="no word of it"):
        answer._predict(request, tmp_path)
    assert [donors for _, donors in seen] == [{"d4", "d5"}]


def test_predict_by_hand(fold, prepared, models, tmp_path) -> None:

    out = tmp_path / "out"
    words = ["--models", str(models), "--data", str(prepared), "--folds", str(fold.parent), "--out", str(out)]
    assert dispatch("models", COMMANDS, about="", argv=["predict", "--model", "pca_knn", *words]) == 0
    assert read_json(out / "outcome.json")["status"] == "ok"
    run = read_json(out / "run.json")
    assert run["folds"]["fold-0"]["all"]["chosen"] == {"n_neighbors": 15}
    assert "train_labels" in run["card"]["saw"]
    table = pd.read_parquet(out / "predictions.parquet")
    assert len(table) == 160
    assert set(table["seed"]) == {0}
    assert not list(out.glob("fold-*"))


def failed(*_, **__) -> Done:
    return Done(Outcome(status="failed", stage="predict", reason="this disk is full"), {}, None)


def ended_by_torchrun(*_, **__) -> Done:
    os.kill(os.getpid(), signal.SIGTERM)
    raise AssertionError("the signal comes first")


@pytest.mark.parametrize(
    ("number", "child", "reason"),
    [(0, failed, "disk is full"), (0, ended_by_torchrun, "another process"), (1, failed, "disk is full")],
)
def test_processes_share_one_fate(
    fold, prepared, models, tmp_path, monkeypatch, capsys, number, child, reason
) -> None:
    """As ``torchrun`` starts them: a failed one is non-zero and ends the step; the first alone writes."""
    shutil.copytree(fold, fold.parent / "fold-1")
    monkeypatch.setenv("RANK", str(number))
    monkeypatch.setenv("WORLD_SIZE", "2")
    asked = []
    monkeypatch.setattr(command, "run_child", lambda *a, **k: asked.append(a) or child())
    monkeypatch.setattr(command, "GRACE", 0.0)
    before = signal.getsignal(signal.SIGTERM)
    out = tmp_path / "out"
    words = ["--models", str(models), "--data", str(prepared), "--folds", str(fold.parent), "--out", str(out)]
    try:
        assert dispatch("models", COMMANDS, about="", argv=["predict", "--model", "pca", *words]) == 1
    finally:
        signal.signal(signal.SIGTERM, before)
    assert len(asked) == 1
    assert reason in capsys.readouterr().err
    assert out.exists() == (number == 0)
    if number == 0:
        assert Outcome.read(out / "outcome.json").status == "failed"
        assert read_json(out / "cost.json")["processes"] == 2


def test_an_embedding_after_labels_knows_those_of_training_cells_alone(prepared, models, tmp_path) -> None:
    """All labels of test cells are changed: the same embedding, to the bit."""
    changed = tmp_path / "data" / "toy"
    shutil.copytree(prepared, changed)
    truth = pd.read_parquet(changed / "truth.parquet")
    other = truth["label"].where(truth["part"] == "train", "B cell")
    truth.assign(label=other).to_parquet(changed / "truth.parquet")
    found = {}
    for data in (prepared, changed):
        out = tmp_path / data.parent.name
        words = ["--models", str(models), "--model", "souza_mehta", "--fit", "train"]
        argv = ["embed", *words, "--data", str(data), "--out", str(out)]
        assert dispatch("models", COMMANDS, about="", argv=argv) == 0
        assert read_json(out / "outcome.json")["status"] == "ok"
        found[data] = np.load(out / "embedding.npy")
    assert found[prepared].shape == (240, 10)
    np.testing.assert_array_equal(found[prepared], found[changed])
    contestants = read_models(models).contestants
    assert not contestants["celltypist_style"].embeds
    assert not contestants["pca_knn"].embeds


@pytest.mark.parametrize("name", ["oracle", "harmony"])
def test_who_saw_the_answers_does_not_predict(fold, prepared, models, tmp_path, name, capsys) -> None:

    words = ["--models", str(models), "--data", str(prepared), "--folds", str(fold.parent)]
    argv = ["predict", "--model", name, *words, "--out", str(tmp_path / "out")]
    assert dispatch("models", COMMANDS, about="", argv=argv) == 2
    assert "can be given labels" in capsys.readouterr().err
