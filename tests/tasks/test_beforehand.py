"""What is known of an embedding before its test rests on training cells alone."""

import numpy as np
import pytest

from tasks.beforehand import left_out_accuracy, score_beforehand
from tasks.cells import Cells


def cells_of(*, seed: int = 0, units: int = 3) -> tuple[np.ndarray, Cells]:
    """Three types in each of ``units`` training units and one test unit, well apart."""
    rng = np.random.default_rng(seed)
    names = [f"donor:d{i}" for i in range(units)] + ["donor:test"]
    unit = np.repeat(names, 30).astype(object)
    label = np.tile(np.repeat(["a", "b", "c"], 10), len(names)).astype(object)
    Z = (
        rng.standard_normal((len(unit), 3)) * 0.1
        + 3.0 * np.eye(3)[np.searchsorted(["a", "b", "c"], label.astype(str))]
    )
    part = np.where(unit == "donor:test", "test", "train").astype(object)
    blank = np.full(len(unit), None, dtype=object)
    return Z, make(label, unit, part, blank)


def make(label, unit, part, blank) -> Cells:
    known = {"label": label, "unit": unit, "part": part, "batch": unit, "ontology_id": blank}
    return Cells(**{name: known.get(name, blank) for name in Cells.__dataclass_fields__})


def test_types_apart_are_smooth_and_named() -> None:
    rogi, knn = score_beforehand(*cells_of())
    assert (rogi.unit, knn.unit, rogi.n, knn.n) == ("train", "train", 90, 90)
    assert knn.value == 1
    rng = np.random.default_rng(1)
    Z, cells = cells_of()
    rough, lost = score_beforehand(rng.permutation(Z), cells)
    assert rough.value > rogi.value
    assert lost.value < 0.6


def test_test_cells_change_nothing() -> None:
    Z, cells = cells_of()
    wild = Z.copy()
    wild[cells.part == "test"] = 100.0
    assert score_beforehand(wild, cells) == score_beforehand(Z, cells)


def test_a_unit_is_never_its_own_teacher() -> None:
    """Labels that only a cell's own unit could tell are not learned."""
    Z = np.repeat(np.eye(4), 20, axis=0)
    unit = np.repeat([f"donor:{i}" for i in range(4)], 20)
    label = np.repeat(["a", "b", "a", "b"], 20)
    assert left_out_accuracy(Z, label, unit) == pytest.approx(0.5, abs=0.5)
    near = Z + 0.01 * np.random.default_rng(0).standard_normal(Z.shape)
    assert left_out_accuracy(near, label, unit) < 1


def test_one_training_unit_or_one_type_is_undefined() -> None:
    _, knn = score_beforehand(*cells_of(units=1))
    assert (knn.status, knn.value) == ("undefined", None)
    Z, cells = cells_of()
    same = make(
        np.full(len(Z), "a", dtype=object), cells.unit, cells.part, np.full(len(Z), None, dtype=object)
    )
    assert [found.status for found in score_beforehand(Z, same)] == ["undefined", "undefined"]
