import dataclasses

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml

from contract.cli import dispatch
from contract.errors import NotApplicable, UserError
from contract.files import read_json, sha256, write_json
from contract.outcome import Outcome
from models.__main__ import COMMANDS
from models.catalogue import read_models
from models.classifiers import HEADS
from models.finetune import FineTuned
from models.finetune_options import FineTuneOptions
from models.labelled import Labelled, Labels, predict_checked
from models.options import RecipeOptions
from models.pretrained import Pretrained
from models.training_labels import read_training_labels, write_training_labels
from models.transformer.finetune_search import STRENGTHS

BASE = {"recipe": "geneformer", "size": "tiny", "budget_cells": 240}


@pytest.fixture(scope="module")
def state(cells_of, tmp_path_factory):
    """What pre-training on other cells left."""
    folder = tmp_path_factory.mktemp("state")
    Pretrained(RecipeOptions(**BASE)).fit(cells_of(seed=9), seed=0).save(folder)
    return folder


def contestant(state, part="lora", **other):
    options = FineTuneOptions(**BASE, finetune=part, **({"tune_cells": 160} | other))
    return FineTuned(options, checkpoint=state)


@pytest.fixture(scope="module")
def told(cells_of, programmes):
    """160 training cells and their labels; 40 test cells, and theirs."""
    train, test = cells_of(160), cells_of(40, seed=1)
    names = np.array(["A", "B", "C", "D"], dtype=object)
    units = np.array([f"donor:{name}" for name in train.obs["donor"]], dtype=object)
    label = names[programmes(160)[1]]
    labels = Labels(label=label, ontology_id=np.full(160, None), unit=units)
    return train, labels, test, names[programmes(40, seed=1)[1]]


def few(labels, each):
    """Labels of the first cells of each type only."""
    rank = np.array([(labels.label[:i] == name).sum() for i, name in enumerate(labels.label)])
    return dataclasses.replace(labels, label=np.where(rank < each, labels.label, None))


@pytest.mark.parametrize("part", ["head", "last", "lora", "full"])
def test_it_passes_the_door_and_learns(part, state, told):
    train, labels, test, truth = told
    model = contestant(state, part)
    assert isinstance(model, Labelled)
    before = model.base.embed(test)
    found = predict_checked(model.fit(train, labels=labels, seed=0), test, told=labels.classes)
    answers = np.array(found.classes)[found.probabilities.argmax(1)]
    assert (answers == truth).mean() > 0.8
    np.testing.assert_allclose(found.unseen_score, 1 - found.probabilities.max(1))
    assert ("rate" in found.chosen) == (part != "head")
    moved = np.abs(model.embed(test) - before).max()
    assert (moved > 1e-3) == (part != "head")
    np.testing.assert_array_equal(model.base.embed(test), before)
    assert "train_labels" in model.card.saw
    assert model.card.pretrained_on == ("toy",)


def test_the_frozen_probe_is_searched_like_any_logistic_head():
    assert HEADS["logistic"].values == STRENGTHS


def test_same_seed_same_answer_whatever_was_asked_before(state, told):
    train, labels, test, _ = told
    one = contestant(state).fit(train, labels=labels, seed=0).predict(test)
    model = contestant(state).fit(train, labels=few(labels, 3), seed=0)
    again = model.fit(train, labels=labels, seed=0).predict(test)
    np.testing.assert_array_equal(one.probabilities, again.probabilities)
    other = model.fit(train, labels=labels, seed=1).predict(test)
    assert (other.probabilities != one.probabilities).any()


def test_a_test_cell_cannot_change_what_is_learnt(state, told):
    train, labels, test, _ = told
    model = contestant(state).fit(train, labels=labels, seed=0)
    whole, part = model.predict(test), model.predict(test[5:9].copy())
    np.testing.assert_allclose(part.probabilities, whole.probabilities[5:9], atol=1e-5)


def test_cells_without_a_label_are_not_learnt_from(state, told):
    train, labels, test, _ = told
    some = few(labels, 6)
    one = contestant(state).fit(train, labels=some, seed=0).predict(test)
    rows = np.flatnonzero(some.given)
    alone = contestant(state).fit(train[rows].copy(), labels=some.take(rows), seed=0).predict(test)
    np.testing.assert_allclose(one.probabilities, alone.probabilities, atol=1e-4)


def test_few_shots_are_learnt_without_a_search(state, told):
    train, labels, test, truth = told
    found = contestant(state).fit(train, labels=few(labels, 2), seed=0).predict(test)
    assert not any("validation_loss" in record for record in found.curve)
    answers = np.array(found.classes)[found.probabilities.argmax(1)]
    assert (answers == truth).mean() > 0.5


def test_what_cannot_be_learnt_is_not_applicable(state, told, cells_of):
    train, labels, _, _ = told
    alone = dataclasses.replace(labels, label=np.where(labels.label == "A", "A", None))
    with pytest.raises(NotApplicable, match=r"1 type\(s\)"):
        contestant(state).fit(train, labels=alone, seed=0)
    mouse = cells_of(160, organism="Mus musculus")
    with pytest.raises(NotApplicable, match="corpus is Homo sapiens"):
        contestant(state).fit(mouse, labels=labels, seed=0)
    with pytest.raises(NotApplicable, match="corpus is Homo sapiens"):
        contestant(state).check(mouse)


def test_a_recipe_that_pools_its_input_says_so(state, told, tmp_path):
    model = contestant(state)
    encoder = model.base.fitted.network.encoder
    pooler = dataclasses.replace(encoder.design.pooler, layer=-3)
    encoder.design = dataclasses.replace(encoder.design, pooler=pooler)
    with pytest.raises(UserError, match="no block to fine-tune"):
        model.fit(told[0], labels=told[1], seed=0)


def test_a_killed_contestant_goes_on_to_the_same_answer(state, told, tmp_path, monkeypatch):
    train, labels, test, _ = told
    whole = contestant(state).fit(train, labels=labels, seed=0).predict(test)
    options = FineTuneOptions(**BASE, finetune="lora", tune_cells=160)

    class Killed(Exception):
        pass

    def kill(record):
        if record["run"] == 1 and record["step"] >= 3:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("models.transformer.finetune_search.say", kill)
        with pytest.raises(Killed):
            FineTuned(options, checkpoint=state, workdir=tmp_path).fit(train, labels=labels, seed=0)
    told_again = []
    monkeypatch.setattr("models.transformer.finetune_search.say", told_again.append)
    again = FineTuned(options, checkpoint=state, workdir=tmp_path).fit(train, labels=labels, seed=0)
    assert min(record["run"] for record in told_again) == 1
    found = again.predict(test)
    np.testing.assert_array_equal(found.probabilities, whole.probabilities)
    assert found.curve == whole.curve


ENTRY = {"recipe": "geneformer", "size": "tiny", "corpus": "demo", "options": {"budget_cells": 240}}
TUNED = ENTRY | {"finetune": "lora", "options": {"budget_cells": 240, "tune_cells": 64}}


def catalogue(folder, **models):
    path = folder / "models.yaml"
    corpora = {"demo": {"datasets": {"toy": "train"}}}
    models = {name.replace("_at_", "@"): entry for name, entry in models.items()}
    path.write_text(yaml.safe_dump({"corpora": corpora, "models": models}, sort_keys=False))
    return path


def test_an_entry_starts_from_the_same_one_without_finetune(tmp_path):
    other = ENTRY | {"options": {"budget_cells": 241}}
    path = catalogue(tmp_path, tuned_at_demo=TUNED, other_at_demo=other, frozen_at_demo=ENTRY)
    found = read_models(path).contestants["tuned@demo"]
    assert found.trained_as == "frozen@demo"
    assert found.labelled
    assert found.predicts
    assert found.embeds
    assert found.fits == ("train",)
    assert "train_labels" in found.card.saw
    twin = ENTRY | {"options": {"init": "random"}}
    tuned_twin = TUNED | {"options": {"init": "random"}}
    twins = read_models(catalogue(tmp_path, twin_at_demo=twin, tuned_at_demo=tuned_twin)).contestants
    assert twins["tuned@demo"].trained_as == "twin@demo"
    assert "pretraining" not in twins["tuned@demo"].card.saw


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (TUNED | {"options": {"budget_cells": 9}}, "no entry that is the same without 'finetune'"),
        (TUNED | {"finetune": "all"}, "finetune: found 'all'"),
        ({"adapter": "pca", "corpus": "demo", "finetune": "lora"}, "finetune: found beside adapter 'pca'"),
        (TUNED | {"head": "knn"}, "head: found beside adapter 'finetuned'"),
        (TUNED | {"options": {"budget_cells": 240, "rank": 0}}, "options.rank: found 0"),
        (TUNED | {"options": {"budget_cells": 240, "protocol": "published"}}, "expected finetune: full"),
    ],
)
def test_a_mistake_in_an_entry_is_one_line(tmp_path, entry, message):
    with pytest.raises(UserError, match=message) as caught:
        read_models(catalogue(tmp_path, frozen_at_demo=ENTRY, tuned_at_demo=entry))
    assert "\n" not in str(caught.value)


def test_the_published_protocol_is_a_contestant(state, told):
    train, labels, test, _ = told
    model = contestant(state, "full", tune_cells=None, protocol="published").fit(train, labels=labels, seed=0)
    found = predict_checked(model, test, told=labels.classes)
    assert found.chosen == {"rate": 5e-5, "passes": 10.0}
    assert found.curve[-1]["cells"] == 1600
    assert found.curve[-1]["loss"] < found.curve[1]["loss"]
    assert "published" in model.card.note


@pytest.fixture
def on_disk(state, told, tmp_path):
    """A prepared data set of training and test cells, and the words of a step that fine-tunes on it."""
    train, labels, test, truth = told
    test = test.copy()
    test.obs_names = [f"test{i}" for i in range(test.n_obs)]
    data, trained = tmp_path / "toy", tmp_path / "checkpoint"
    data.mkdir()
    trained.mkdir()
    both = anndata.concat([train, test])
    both.uns["dataset"] = "toy"
    both.write_h5ad(data / "cells.h5ad")
    frame = pd.DataFrame({"cell": both.obs_names, "label": [*labels.label, *truth], "ontology_id": None})
    frame["unit"], frame["part"] = [*labels.unit, *["donor:new"] * 40], ["train"] * 160 + ["test"] * 40
    frame.to_parquet(data / "truth.parquet")
    frame[["cell", "unit", "part"]].to_parquet(data / "split.parquet")
    for folder, stage in ((data, "prepare"), (trained, "pretrain")):
        Outcome(status="ok", stage=stage).write(folder / "outcome.json")
    (trained / "state").symlink_to(state)
    hashes = {path.name: sha256(path) for path in sorted(state.iterdir())}
    write_json(trained / "run.json", {"model": "frozen@demo", "seed": 0, "state": hashes})
    path = catalogue(tmp_path, frozen_at_demo=ENTRY, tuned_at_demo=TUNED)
    words = ["--models", str(path), "--model", "tuned@demo", "--data", str(data)]
    return data, [*words, "--checkpoint", str(trained), "--out", str(tmp_path / "out")]


def run_step(step, words):
    return dispatch("models", COMMANDS, about="", argv=[step, *words])


def test_predictions_through_the_door(on_disk, tmp_path):
    """From a checkpoint and a fold on disk to predictions, their curve and their cost."""
    data, words = on_disk
    fold, out = tmp_path / "folds" / "fold-0", tmp_path / "out"
    fold.mkdir(parents=True)
    truth = pd.read_parquet(data / "truth.parquet")
    train, test = truth[truth["part"] == "train"], truth[truth["part"] == "test"]
    train.assign(group=train["unit"]).drop(columns="part").to_parquet(fold / "train.parquet")
    pd.DataFrame({"cell": test["cell"], "group": "donor:new"}).to_parquet(fold / "test.parquet")
    asked = pd.DataFrame({"question": "all", "cell": train["cell"], "labelled": True})
    asked.to_parquet(fold / "questions.parquet")
    write_json(fold / "fold.json", {"fold": "0", "held_out": "donor", "shared_groups": False})
    Outcome(status="ok", stage="folds").write(fold.parent / "outcome.json")
    assert run_step("predict", [*words, "--folds", str(fold.parent)]) == 0
    assert read_json(out / "outcome.json")["status"] == "ok"
    found = pd.read_parquet(out / "predictions.parquet")
    assert found["cell"].tolist() == test["cell"].tolist()
    run = read_json(out / "run.json")
    curve = next(iter(run["folds"].values()))["all"]["curve"]
    assert {record.get("run") for record in curve} == {None, 0, 1, 2, 3}
    assert read_json(out / "cost.json")["seconds"]["fit"] > 0


def test_an_embedding_through_the_door(on_disk, state, told, tmp_path):
    """It learns from the split's training cells as it does here, where no other label is told."""
    _, words = on_disk
    out = tmp_path / "out"
    assert run_step("embed", [*words, "--fit", "train"]) == 0
    assert read_json(out / "outcome.json")["status"] == "ok"
    assert not (out / "work").exists()
    run = read_json(out / "run.json")
    assert "train_labels" in run["card"]["saw"]
    assert run["checkpoint"]["model"] == "frozen@demo"
    train, labels, test, _ = told
    known = contestant(state, tune_cells=64).fit(train, labels=labels, seed=0).embed(test)
    np.testing.assert_allclose(np.load(out / "embedding.npy")[160:], known, atol=1e-4)


def test_no_label_of_a_test_cell_is_handed_on(on_disk, told, tmp_path):
    data, _ = on_disk
    path = tmp_path / "labels.parquet"
    write_training_labels(data / "truth.parquet", path)
    handed = pd.read_parquet(path)
    assert handed["cell"].tolist() == told[0].obs_names.tolist()
    assert handed.columns.tolist() == ["cell", "label", "ontology_id", "unit"]
    order = np.random.default_rng(0).permutation(160)
    read = read_training_labels(path, told[0].obs_names[order])
    np.testing.assert_array_equal(read.label, told[1].label[order])


def test_steps_refuse_what_they_cannot_do(on_disk, tmp_path, capsys):
    _, words = on_disk
    assert run_step("embed", [*words, "--fit", "none"]) == 2
    assert "found --fit none; expected one of train" in capsys.readouterr().err
    write_json(tmp_path / "checkpoint" / "run.json", {"model": "tuned@demo", "seed": 0, "state": {}})
    assert run_step("embed", [*words, "--fit", "train"]) == 2
    assert "expected frozen@demo, seed 0" in capsys.readouterr().err
    words = ["--models", words[1], "--model", "tuned@demo", "--corpus", "x", "--out", "y"]
    assert run_step("pretrain", words) == 2
    assert "train frozen@demo instead" in capsys.readouterr().err
