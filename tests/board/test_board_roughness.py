"""ROGI-XD against task loss."""

import dataclasses

import pandas as pd
import pytest
from made_up import results, row, unit_rows
from written import page_text

from board.evidence import weigh
from board.roughness import rank_correlation, roughnesses
from metrics.table import TABLE

LEVELS = {"oracle": 1.0, "pca": 0.9, "scvi": 0.7, "hvg": 0.5, "harmony": 0.3}


def study(rogi, *, unit="train"):
    rows = []
    for model, level in LEVELS.items():
        where = {"task": "annotation", "model": model}
        rows += unit_rows([level] * 4, metric="balanced_accuracy", readout="logistic", **where)
        if model in rogi:
            rows.append(row(metric="rogi_xd", unit=unit, value=rogi[model], readout="none", **where))
    return results(rows, models=tuple(LEVELS), tasks=("annotation",))


def views(rogi):
    found = study(rogi)
    return roughnesses(found, weigh(found, TABLE), TABLE)


@pytest.mark.parametrize(
    ("rogi", "expected"),
    [((0.1, 0.2, 0.3, 0.4), 1.0), ((0.4, 0.3, 0.2, 0.1), -1.0), ((0.1, 0.3, 0.2, 0.4), 0.8)],
)
def test_the_correlation_is_that_of_ranks(rogi, expected) -> None:
    (view,) = views(dict(zip(["pca", "scvi", "hvg", "harmony"], rogi, strict=True)) | {"oracle": 0.0})
    assert view.correlation == pytest.approx(expected)
    assert "oracle" not in {line.model for line in view.lines}
    assert {line.model: round(line.loss, 6) for line in view.lines}["pca"] == 0.1
    assert [line.rogi for line in view.lines] == sorted(rogi)


def test_without_enough_contestants_there_is_no_correlation_and_a_reason() -> None:
    (view,) = views({"pca": 0.1, "scvi": 0.2, "hvg": 0.3})
    assert (view.correlation, view.reason) == (None, "3 contestants; 4 are needed")
    assert views({"pca": 0.1}) == []
    assert rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]) == (None, "all contestants have the same value")


def test_ties_share_their_rank() -> None:
    assert rank_correlation([1, 2, 2, 3], [1, 2, 2, 3])[0] == pytest.approx(1)
    assert rank_correlation([1, 2, 2, 3], [1, 2, 3, 4])[0] == pytest.approx(0.9486833)


def test_the_page_shows_it_beside_the_advice() -> None:
    text = page_text(study({"pca": 0.1, "scvi": 0.2, "hvg": 0.3, "harmony": 0.4}))
    assert "1 − balanced accuracy over ROGI-XD of the training units; 4 contestants, Spearman +1.000" in text
    assert 'id="roughness"' not in page_text(study({}))


def test_roughness_of_the_test_cells_is_called_so_and_gives_way_to_that_of_the_training_units() -> None:
    rogi = {"pca": 0.1, "scvi": 0.2, "hvg": 0.3, "harmony": 0.4}
    text = page_text(study(rogi, unit="set"))
    assert "over ROGI-XD of the test cells; 4 contestants, Spearman +1.000" in text
    backwards = study({model: 0.5 - value for model, value in rogi.items()}).rows
    both = study(rogi, unit="set")
    both = dataclasses.replace(both, rows=pd.concat([both.rows, backwards[backwards.unit == "train"]]))
    (view,) = roughnesses(both, weigh(both, TABLE), TABLE)
    assert (view.where, round(view.correlation, 6)) == ("training units", -1.0)
