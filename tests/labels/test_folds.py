"""Which cells train, which test, and whose labels are told."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import yaml
from labelled_cells import simulate, write

from contract.cli import dispatch
from contract.errors import NotApplicable, UserError
from tasks.__main__ import COMMANDS
from tasks.folds import make_folds, questions
from tasks.protocol import Protocol, read_protocol
from tasks.study import read_study

N = 360
RNG = np.random.default_rng(0)
DONOR = np.array([f"d{i}" for i in RNG.integers(0, 9, N)], dtype=object)
LABEL = RNG.choice(np.array(["a", "b", "c", "d"], dtype=object), N, p=[0.6, 0.25, 0.14, 0.01])
LABEL[:6] = None
ASSAY = np.where(RNG.random(N) < 0.5, "v2", "v3").astype(object)


def folds(protocol: Protocol, group: np.ndarray = DONOR, unit: np.ndarray = DONOR):
    return make_folds(protocol, group=group, unit=unit, label=LABEL)


def test_one_group_is_left_out_at_a_time() -> None:
    found = folds(Protocol())
    assert len(found) == 9
    tested = sum(fold.test.astype(int) for fold in found)
    assert (tested == 1).all()
    for fold in found:
        assert len(set(DONOR[fold.test])) == 1
        assert not set(DONOR[fold.train]) & set(DONOR[fold.test])


def test_groups_are_dealt_evenly() -> None:
    found = folds(Protocol(folds=3))
    sizes = [int(fold.test.sum()) for fold in found]
    assert max(sizes) - min(sizes) < max(Counter(DONOR).values())
    assert all(not set(DONOR[fold.train]) & set(DONOR[fold.test]) for fold in found)


def test_named_groups_train_and_all_others_test() -> None:
    (fold,) = folds(Protocol(held_out="assay", train=("v2",)), ASSAY, np.full(N, None, dtype=object))
    assert set(ASSAY[fold.train]) == {"v2"}
    assert set(ASSAY[fold.test]) == {"v3"}
    with pytest.raises(NotApplicable, match="'v9', which is to be trained on"):
        folds(Protocol(held_out="assay", train=("v9",)), ASSAY)


def test_a_donor_on_both_sides_is_taken_out_of_training() -> None:
    """Half of the donors were measured by both assays: their v2 cells must not train what v3 tests."""
    single = np.isin(DONOR, ["d0", "d1", "d2"])
    assay = np.where(single, "v2", ASSAY).astype(object)
    fold = next(f for f in folds(Protocol(held_out="assay"), assay) if set(assay[f.test]) == {"v3"})
    assert set(DONOR[fold.train]) == {"d0", "d1", "d2"}
    assert fold.n_left_out == ((assay == "v2") & ~single).sum()
    with pytest.raises(NotApplicable, match="donor is on the test side"):
        folds(Protocol(held_out="assay"), np.where(DONOR == "", "v2", ASSAY).astype(object))


def test_nothing_can_be_held_out_of_one_group() -> None:
    with pytest.raises(NotApplicable, match="1 group"):
        folds(Protocol(held_out="assay"), np.full(N, "v2", dtype=object))


def test_single_cells_are_split_only_by_name() -> None:
    found = folds(Protocol(held_out="cells", folds=4))
    assert len(found) == 4
    assert set(DONOR[found[0].train]) == set(DONOR[found[0].test])
    assert "single cells at random" in Protocol(held_out="cells", folds=4).name
    with pytest.raises(UserError, match="no 'folds'"):
        read_protocol({"held_out": "cells"}, {}, where="mine")


def test_few_shots_are_nested_and_tell_no_more_than_asked() -> None:
    protocol = Protocol(folds=3, shots=(1, 5, 50), draws=2)
    fold = folds(protocol)[0]
    asked = questions(protocol, fold, label=LABEL)
    assert [name for name in asked if "draw-0" in name] == [f"shots-{k}-draw-0" for k in (1, 5, 50)]
    there = Counter(LABEL[fold.train & np.array([name is not None for name in LABEL])])
    for name, (what, given) in asked.items():
        assert ((given > 0) == fold.train).all(), name
        if what.shots:
            told = Counter(LABEL[given == 2])
            assert told == {kind: min(what.shots, n) for kind, n in there.items()}
    one, five = asked["shots-1-draw-0"][1], asked["shots-5-draw-0"][1]
    assert (five[one == 2] == 2).all()
    assert (asked["shots-5-draw-1"][1] != five).any()


def test_a_hidden_type_leaves_no_trace_in_training() -> None:
    protocol = Protocol(folds=3, unseen=("b",))
    fold = folds(protocol)[0]
    asked = questions(protocol, fold, label=LABEL)
    (given,) = (given for what, given in asked.values() if what.hidden == "b")
    assert set(LABEL[given > 0]) == {"a", "c", "d"} & set(LABEL[fold.train])
    assert len(questions(Protocol(folds=3, unseen="all"), fold, label=LABEL)) == 5
    with pytest.raises(NotApplicable, match="'nothing', which is to be hidden"):
        questions(Protocol(unseen=("nothing",)), fold, label=LABEL)


STUDY = {
    "study": "mine",
    "title": "Mine",
    "datasets": ["toy"],
    "models": ["noise", "pca"],
    "seeds": 1,
    "tasks": ["mapping", "novelty"],
    "reference": "pca",
    "protocol": {"held_out": "donor", "folds": 3, "shots": [2], "draws": 2, "unseen": ["monocyte"]},
    "primary": {
        "mapping": {"metric": "balanced_accuracy", "margin": 0.02},
        "novelty": {"metric": "auroc", "margin": 0.02},
    },
    "level": 0.95,
}


def run_folds(folder, data, **changes) -> dict:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(STUDY | changes))
    words = ["--study", str(path), "--dataset", "toy", "--data", str(data), "--out", str(folder / "folds")]
    assert dispatch("tasks", COMMANDS, about="", argv=["folds", *words]) == 0
    return json.loads((folder / "folds" / "outcome.json").read_text())


def test_files_of_a_fold_hold_no_label_of_its_test_side(tmp_path, prepared) -> None:
    assert run_folds(tmp_path, prepared)["status"] == "ok"
    truth = pd.read_parquet(prepared / "truth.parquet").set_index("cell")
    for folder in sorted((tmp_path / "folds").glob("fold-*")):
        test = pd.read_parquet(folder / "test.parquet")
        train = pd.read_parquet(folder / "train.parquet")
        assert list(test.columns) == ["cell", "group"]
        assert not set(train["cell"]) & set(test["cell"])
        assert not set(train["unit"]) & set(truth.loc[test["cell"], "unit"])
        asked = pd.read_parquet(folder / "questions.parquet")
        assert set(asked["cell"]) <= set(train["cell"])
        told = asked[asked["labelled"]].merge(train, on="cell")
        assert told["label"].notna().all()


def test_another_column_of_labels(tmp_path, prepared) -> None:
    """Ill or well, by donor: the same machinery; types and their ids are not handed over."""
    assert (
        run_folds(
            tmp_path,
            prepared,
            protocol={"label": "condition", "folds": 3},
            tasks=["mapping"],
            primary={"mapping": STUDY["primary"]["mapping"]},
        )["status"]
        == "ok"
    )
    train = pd.read_parquet(tmp_path / "folds" / "fold-0" / "train.parquet")
    assert set(train["label"]) == {"ill", "well"}
    assert train["ontology_id"].isna().all()


def test_what_does_not_fit_the_data_set_is_not_applicable(tmp_path) -> None:
    cells, truth = simulate(n=60)
    data = write(tmp_path / "data" / "toy", cells, truth)
    outcome = run_folds(tmp_path, data, protocol={"held_out": "assay", "unseen": ["B cell"]})
    assert outcome["status"] == "not_applicable"
    assert "1 group(s) of assay" in outcome["reason"]


MISTAKES = [
    ({"protocol": {"held_out": "donnor"}}, "donnor"),
    ({"protocol": {"held_out": "donor", "shots": [0], "unseen": ["b"]}}, "0"),
    ({"protocol": {"held_out": "organism", "train": ["human"], "folds": 2, "unseen": "all"}}, "both 'train'"),
    ({"protocol": {"held_out": "donor"}}, "no 'unseen' types"),
    ({"protocol_of": {"toyy": {"folds": 2}}}, "did you mean 'toy'"),
    (
        {"tasks": ["integration"], "primary": {"integration": {"metric": "kbet", "margin": 0.1}}},
        "no task asks",
    ),
]


@pytest.mark.parametrize(("change", "told"), MISTAKES)
def test_mistakes_in_a_protocol(tmp_path, change, told) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(STUDY | change))
    with pytest.raises(UserError, match=told) as error:
        read_study(path)
    assert "\n" not in str(error.value)


def test_a_protocol_is_needed_where_a_task_asks_for_it(tmp_path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in STUDY.items() if key != "protocol"}))
    with pytest.raises(UserError, match="but no 'protocol'"):
        read_study(path)
