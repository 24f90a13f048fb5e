"""Probes on cells whose truth is known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tasks import probes
from tasks.annotation import MEASURES, label_ids, predict, score_annotation
from tasks.cells import Cells
from tasks.measured import Measured
from tasks.table import TASKS

TASK = TASKS["annotation"]


@pytest.fixture(scope="module")
def score(knowledge):
    def run(Z: np.ndarray, cells: Cells) -> dict[tuple[str, str, str], Measured]:
        found = score_annotation(Z, cells, knowledge=knowledge)
        keyed = {(row.readout, row.metric, row.unit): row for row in found}
        assert len(keyed) == len(found)
        return keyed

    return run


def masks(cells: Cells) -> dict[str, np.ndarray]:
    return {"fit": cells.part == "train", "test": cells.part == "test"}


def test_every_metric_for_each_readout_and_unit(score, cells: Cells, embeddings) -> None:
    found = score(embeddings["blurred"], cells)
    expected = {
        (readout, metric, unit)
        for readout in TASK.readouts
        for metric in TASK.metrics_of(readout)
        for unit in ("set", "donor:d4", "donor:d5")
    }
    types = {f"type:type{code}" for code in range(8)}
    assert set(found) == expected | {(r, "accuracy", unit) for r in TASK.readouts for unit in types}
    assert {row.status for row in found.values()} == {"ok"}
    assert ("knn", "ece", "set") not in found
    assert set(MEASURES) | {"lcad", "lcad_errors"} == set(TASK.metrics)


@pytest.mark.parametrize("readout", TASK.readouts)
def test_more_truth_answers_better(score, cells: Cells, embeddings, readout: str) -> None:
    found = {name: score(Z, cells) for name, Z in embeddings.items()}
    for metric in ("accuracy", "balanced_accuracy", "macro_f1", "kappa"):
        oracle, blurred, noise = (found[z][readout, metric, "set"].value for z in embeddings)
        assert oracle == pytest.approx(1.0)
        assert oracle > blurred > noise
    assert abs(found["noise"][readout, "kappa", "set"].value) < 0.15
    assert found["oracle"][readout, "lcad", "set"].value == 0.0
    assert found["noise"][readout, "lcad", "set"].value > found["blurred"][readout, "lcad", "set"].value > 0


def test_an_embedding_without_errors_has_no_distance_of_errors(score, cells: Cells, embeddings) -> None:
    row = score(embeddings["oracle"], cells)["knn", "lcad_errors", "set"]
    assert (row.status, row.value) == ("undefined", None)


@pytest.mark.parametrize("readout", TASK.readouts)
def test_permuted_labels_are_chance(score, cells: Cells, embeddings, readout: str) -> None:
    order = np.random.default_rng(3).permutation(len(cells))
    found = score(embeddings["oracle"], replace(cells, label=cells.label[order]))
    assert found[readout, "balanced_accuracy", "set"].value < 0.25


@pytest.mark.parametrize("readout", TASK.readouts)
def test_probes_never_see_test_labels(cells: Cells, embeddings, readout: str) -> None:
    Z, test = embeddings["blurred"], cells.part == "test"
    lied = replace(cells, label=np.where(test, "something else", cells.label))
    honest, other = (predict(readout, Z, c, **masks(cells)) for c in (cells, lied))
    np.testing.assert_array_equal(honest.label, other.label)
    np.testing.assert_array_equal(honest.confidence, other.confidence)


@pytest.mark.parametrize("readout", TASK.readouts)
def test_excluded_cells_teach_nothing(score, cells: Cells, embeddings, readout: str) -> None:
    out = cells.unit == "donor:d0"
    partly = replace(cells, part=np.where(out, "excluded", cells.part), unit=np.where(out, None, cells.unit))
    found = score(embeddings["blurred"], partly)
    gone = score(embeddings["blurred"][~out], cells.take(~out))
    assert found == gone


def test_donors_never_straddle(score, cells: Cells, embeddings, monkeypatch) -> None:
    """Neither between training and test, nor between the folds that choose the penalty."""
    unit_of_row = {tuple(row): unit for row, unit in zip(embeddings["noise"], cells.unit, strict=True)}
    folds: list[tuple[set[str], set[str]]] = []
    monkeypatch.setattr(probes, "_common_scale", lambda Z, Z_test: (Z, Z_test))
    true = probes._held_out

    def spy(Z, label, fit, test, *, strength):
        folds.append(tuple({unit_of_row[tuple(row)] for row in Z[rows]} for rows in (fit, test)))
        return true(Z, label, fit, test, strength=strength)

    monkeypatch.setattr(probes, "_held_out", spy)
    found = score(embeddings["noise"], cells)
    assert {unit for _, _, unit in found if not unit.startswith("type:")} == {"set", "donor:d4", "donor:d5"}
    assert len(folds) == 3 * len(probes.STRENGTHS)
    training = {f"donor:d{i}" for i in range(4)}
    for fit, test in folds:
        assert not fit & test
        assert fit | test == training


def test_set_is_the_mean_of_units_weighted_by_cells(score, cells: Cells, embeddings) -> None:
    found = score(embeddings["blurred"], cells)
    units = [found["knn", "accuracy", unit] for unit in ("donor:d4", "donor:d5")]
    mean = sum(row.value * row.n for row in units) / sum(row.n for row in units)
    assert found["knn", "accuracy", "set"].value == pytest.approx(mean)


def test_confusions_of_types_add_up(score, cells: Cells, embeddings) -> None:
    """Right and wrong answers are all cells of a type, and the types are all cells."""
    found = score(embeddings["blurred"], cells)
    own = [row for (readout, _, unit), row in found.items() if readout == "knn" and unit.startswith("type:")]
    whole = found["knn", "accuracy", "set"]
    assert sum(row.n for row in own) == whole.n
    right = 0
    for row in own:
        wrong = json.loads(row.reason.removeprefix("taken for ")) if row.reason else {}
        assert row.unit.removeprefix("type:") not in wrong
        assert list(wrong.values()) == sorted(wrong.values(), reverse=True)
        assert row.value == pytest.approx(1 - sum(wrong.values()) / row.n)
        right += row.n - sum(wrong.values())
    assert right == pytest.approx(whole.value * whole.n)


def test_types_without_training_cells_count_as_errors(score, cells: Cells, embeddings) -> None:
    test = cells.part == "test"
    novel = test & (cells.label == "type0")
    fewer = ~((cells.label == "type0") & ~test)
    found = score(embeddings["oracle"][fewer], cells.take(fewer))["logistic", "accuracy", "set"]
    assert found.value == pytest.approx(1 - novel.sum() / test.sum())
    assert found.n == test.sum()
    assert found.reason.startswith(
        f"{novel.sum()} of {test.sum()} cells are of types without a training cell"
    )


def test_unlabelled_cells_are_left_out_and_counted(score, cells: Cells, embeddings) -> None:
    gone = np.arange(len(cells)) % 5 == 0
    nothing = replace(
        cells, label=np.where(gone, None, cells.label), ontology_id=np.where(gone, None, cells.ontology_id)
    )
    found = score(embeddings["blurred"], nothing)
    assert found == score(embeddings["blurred"][~gone], cells.take(~gone))
    assert found["knn", "accuracy", "set"].n == (~gone & (cells.part == "test")).sum()


def test_cells_without_an_ontology_id_are_left_out_of_distances(score, cells: Cells, embeddings) -> None:
    nothing = replace(cells, ontology_id=np.where(cells.label == "type3", None, cells.ontology_id))
    found = score(embeddings["oracle"], nothing)
    left = (cells.part == "test") & (cells.label != "type3")
    assert found["knn", "lcad", "set"].n == left.sum()
    assert "cells have no ontology id" in found["knn", "lcad", "set"].reason
    none_at_all = replace(cells, ontology_id=np.full(len(cells), None, dtype=object))
    row = score(embeddings["oracle"], none_at_all)["knn", "lcad", "set"]
    assert (row.status, row.n) == ("undefined", 0)


def test_distance_of_errors_by_hand(score, cells: Cells) -> None:
    """Each type is confused with its sister for all cells: one step up from the true type, always."""
    code = np.array([int(name.removeprefix("type")) for name in cells.label])
    swapped = np.where(cells.part == "test", code ^ 1, code)
    found = score(np.eye(8)[swapped], cells)
    assert found["knn", "accuracy", "set"].value == 0.0
    assert found["knn", "lcad", "set"].value == 1.0
    assert found["knn", "lcad_errors", "set"].value == 1.0


def test_without_units_batches_stand_in(score, cells: Cells, embeddings) -> None:
    by_batch = replace(
        cells,
        unit=np.full(len(cells), None, dtype=object),
        batch=np.array([f"lane{unit[-1]}" for unit in cells.unit], dtype=object),
    )
    found = score(embeddings["blurred"], by_batch)
    units = {unit for _, _, unit in found if not unit.startswith("type:")}
    assert units == {"set", "batch:lane4", "batch:lane5"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: replace(c, part=np.full(len(c), "test", dtype=object)), "no split"),
        (
            lambda c: replace(c, label=np.where(c.part == "train", None, c.label)),
            "no training cell has a label",
        ),
        (lambda c: replace(c, label=np.where(c.part == "test", None, c.label)), "no test cell has a label"),
    ],
)
def test_no_question(score, cells: Cells, embeddings, change, told: str) -> None:
    found = score(embeddings["oracle"], change(cells))
    assert len(found) == sum(len(TASK.metrics_of(readout)) for readout in TASK.readouts)
    for row in found.values():
        assert (row.status, row.value, row.n) == ("not_applicable", None, None)
        assert row.reason.startswith(told)


def test_one_training_type_is_undefined(score, cells: Cells, embeddings) -> None:
    kept = (cells.part == "test") | (cells.label == "type1")
    found = score(embeddings["oracle"][kept], cells.take(kept))
    assert {row.status for row in found.values()} == {"undefined"}
    assert found["knn", "kappa", "set"].reason.startswith("the training cells are of 1 type(s)")


@pytest.mark.parametrize("pure", [("u1",), ("u1", "u2", "u3")])
def test_training_units_of_one_type_do_not_silence_the_probe(pure: tuple[str, ...]) -> None:
    """Sorted cells: such a unit can choose no penalty, and is still trained on."""
    unit = np.repeat(["u1", "u2", "u3"], 20)
    label = np.where(np.isin(unit, pure), np.where(unit == "u1", "a", "b"), np.tile(["a", "b"], 30))
    Z = np.where(label == "a", -1.0, 1.0)[:, None] + 0.1 * np.random.default_rng(0).normal(size=(60, 3))
    assert (probes.logistic(Z, label, unit, Z).label == label).all()


def test_a_broken_probe_is_a_result(score, cells: Cells, embeddings, monkeypatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise FloatingPointError("too much")

    monkeypatch.setattr(probes, "_choose", broken)
    found = score(embeddings["oracle"], cells)
    assert found["knn", "accuracy", "set"].status == "ok"
    assert found["logistic", "accuracy", "set"].status == "failed"
    assert found["logistic", "accuracy", "set"].reason == "FloatingPointError: too much"


@pytest.mark.parametrize("block", [50_000, 7])
def test_knn_by_its_definition(cells: Cells, embeddings, monkeypatch, block: int) -> None:
    monkeypatch.setattr("tasks.probes.BLOCK", block)
    Z, fit, test = embeddings["blurred"], cells.part == "train", cells.part == "test"
    label = cells.label[fit].astype(str)
    names = np.unique(label)
    found = probes.knn(Z[fit], label, Z[test])
    for row, answer in zip(Z[test], found.label, strict=True):
        distance = np.sqrt(((Z[fit] - row) ** 2).sum(axis=1))
        near = np.argsort(distance)[:15]
        votes = [(1 / distance[near])[label[near] == name].sum() for name in names]
        assert answer == names[np.argmax(votes)]


def test_logistic_knows_no_scale_nor_axes(cells: Cells, embeddings) -> None:
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(8, 8)))[0]
    Z, other = embeddings["blurred"], 5.0 + 1e3 * embeddings["blurred"] @ turn
    one, two = (predict("logistic", z, cells, **masks(cells)) for z in (Z, other))
    assert (one.label == two.label).mean() > 0.99  # the solver stops at its tolerance
    np.testing.assert_allclose(one.confidence, two.confidence, atol=0.01)


def test_columns_that_hold_next_to_nothing_stay_small(cells: Cells, embeddings) -> None:
    """Fifty columns of faint noise: one scale a column would make them as loud as the types."""
    Z, few = embeddings["blurred"], np.flatnonzero(cells.part == "train")[::8]
    noise = 1e-3 * np.random.default_rng(7).normal(size=(len(Z), 50))
    test, label = cells.part == "test", cells.label.astype(str)
    unit, noisy = cells.unit[few].astype(str), np.column_stack([Z, noise])
    blown_up = noisy / noisy[few].std(axis=0)
    plain, small, large = (
        probes.logistic(z[few], label[few], unit, z[test]).label for z in (Z, noisy, blown_up)
    )
    assert (plain == small).mean() > 0.85
    assert (plain == large).mean() < 0.75


def test_wide_embeddings_have_the_same_solution(cells: Cells, embeddings) -> None:
    """In the row space of the training cells the penalised optimum is the same."""
    Z = embeddings["blurred"] @ np.random.default_rng(4).normal(size=(8, 400))
    Z = Z + 0.1 * np.random.default_rng(6).normal(size=Z.shape)
    fit, test = cells.part == "train", cells.part == "test"
    label = cells.label[fit].astype(str)
    narrow, narrow_test = probes._rotated(Z[fit], Z[test])
    assert narrow.shape == (fit.sum(), fit.sum())
    plain = probes._fit(Z[fit], label, strength=0.1).predict_proba(Z[test])
    turned = probes._fit(narrow, label, strength=0.1).predict_proba(narrow_test)
    np.testing.assert_allclose(plain, turned, atol=0.01)  # the solver stops at its tolerance


def test_a_constant_column_says_nothing(cells: Cells, embeddings) -> None:
    Z = embeddings["blurred"]
    spoiled = np.column_stack([Z, np.where(cells.part == "train", 3.0, 1e6)])
    one, two = (predict("logistic", z, cells, **masks(cells)) for z in (Z, spoiled))
    np.testing.assert_array_equal(one.label, two.label)


def test_the_id_of_a_label_is_the_most_common_one() -> None:
    label = np.array(["a", "a", "a", "b", "b", "c"], dtype=object)
    term = np.array(["CL:2", "CL:1", "CL:2", "CL:4", "CL:3", None], dtype=object)
    assert label_ids(label, term) == {"a": "CL:2", "b": "CL:3"}
