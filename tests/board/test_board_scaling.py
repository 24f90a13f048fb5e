"""Curves over training, size and input length: who is on one, where, and how sure."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from made_up import jackknife_rows, results, row, runs_of, unit_rows
from written import page_text

from board.evidence import weigh
from board.samples import primary_samples
from board.scaling import half_width, scalings
from board.svg import Curve, curves
from metrics.table import TABLE

UNITS = [0.02, -0.02, 0.01, -0.01, 0.0, 0.0]
USUAL = {"recipe": "geneformer", "size": "tiny", "init": "trained", "budget_cells": 500, "context": None}
SEEN = {"cells": 500, "tokens": 50_000, "parameters": 90_000, "length": 128}


def contestant(level: float, *, options=None, seen=None, corpus: str = "demo") -> dict:
    about = {"corpus": {"name": corpus}, "seen": {**SEEN, **(seen or {})}}
    return {"level": level, "options": {**USUAL, **(options or {})}, "checkpoint": about}


ZOO = {
    "none@demo": contestant(
        0.3, options={"init": "random", "budget_cells": None}, seen={"cells": 0, "tokens": 0}
    ),
    "big@demo": contestant(0.7, options={"budget_cells": 2000}, seen={"cells": 2000}),
    "little@demo": contestant(0.5),
    "short@demo": contestant(0.4, options={"context": 32}),
    "wide@demo": contestant(0.6, options={"size": "small"}, seen={"parameters": 900_000}),
    "other@blood": contestant(0.8, options={"budget_cells": 9000}, seen={"cells": 9000}, corpus="blood"),
    "another@demo": contestant(0.9, options={"recipe": "scgpt"}),
}


def study(zoo=ZOO):
    models = ("noise", "pca", *zoo)
    rows = []
    for model in models:
        level = zoo[model]["level"] if model in zoo else 0.65
        rows += unit_rows([level + d for d in UNITS], task="annotation", metric="balanced_accuracy",
                          readout="logistic", model=model)  # fmt: skip
    runs = [
        one
        for model in models
        for one in runs_of(
            model, **({k: v for k, v in zoo[model].items() if k != "level"} if model in zoo else {})
        )
    ]
    return results(rows, models=models, tasks=("annotation",), runs=runs)


def found(zoo=ZOO) -> dict:
    of = study(zoo)
    return {one.axis.name: one for one in scalings(of, weigh(of, TABLE), TABLE)}


def test_contestants_that_differ_in_one_thing_are_one_curve() -> None:
    views = found()
    assert list(views) == ["training", "size", "length"]
    models = {name: [step.model for step in view.steps] for name, view in views.items()}
    assert models == {
        "training": ["none@demo", "little@demo", "big@demo"],
        "size": ["little@demo", "wide@demo"],
        "length": ["short@demo", "little@demo"],
    }
    assert [step.seen["cells"] for step in views["training"].steps] == [0, 500, 2000]
    assert [step.seen["context"] for step in views["length"].steps] == [32, 128]
    assert [round(step.value, 6) for step in views["training"].steps] == [0.3, 0.5, 0.7]
    assert {step.curve for step in views["length"].steps} == {"geneformer tiny, budget cells 500"}


def test_one_point_and_its_untrained_twin_are_no_curve() -> None:
    assert found({name: ZOO[name] for name in ("none@demo", "little@demo", "other@blood")}) == {}


def test_old_records_and_other_contestants_are_on_no_curve() -> None:
    old = {**ZOO["big@demo"], "checkpoint": {"corpus": {"name": "demo"}}}
    assert "training" not in found({"little@demo": ZOO["little@demo"], "big@demo": old})


def test_the_page_shows_curve_and_numbers() -> None:
    text = page_text(study())
    assert 'href="#scaling"' in text
    assert "Balanced accuracy over tokens read of a cell, at most" in text
    assert "2,000</td>" in text
    assert 'id="scaling"' not in page_text(study({"little@demo": ZOO["little@demo"]}))


def sample(rows):
    of = results(rows, models=("pca",))
    return primary_samples(of.rows, of.study.primary)["integration", "blood", "inductive"]["pca"]


def test_half_an_interval_is_that_of_a_mean() -> None:
    """Student's for a metric of single units, and the jackknife of a mean is the same."""
    values = np.array([0.4, 0.5, 0.6, 0.7, 0.55])
    expected = 2.7764451 * values.std(ddof=1) / np.sqrt(5)
    for make in (unit_rows, jackknife_rows):
        assert half_width(sample(make(values, model="pca"))) == pytest.approx(expected)


@pytest.mark.parametrize("values", [[0.4, 0.5, 0.6], [0.5] * 6])
def test_few_or_equal_units_have_no_interval(values) -> None:
    assert half_width(sample(unit_rows(values, model="pca"))) is None


def test_an_incomplete_jackknife_has_no_interval() -> None:
    rows = jackknife_rows([0.4, 0.5, 0.6, 0.7, 0.55], model="pca")
    gone = row(model="pca", unit=rows[-1]["unit"], n=400, status="undefined", reason="one type")
    assert half_width(sample([*rows[:-1], gone])) is None


def test_points_stand_in_order_and_nothing_is_left_of_them() -> None:
    drawn = curves(
        [Curve(name="<b>", points=((0, 0.2), (10, 0.3), (1000, 0.5))), Curve(name="pca", points=((0, 0.4),))],
        title="t",
        across="cells",
        quality="q",
    )
    tree = ET.fromstring(drawn)
    places = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in tree.iter("circle")]
    assert places == sorted(places, key=lambda place: (place[0], -place[1]))
    assert len({x for x, _ in places}) == len({y for _, y in places}) == 3
    assert [path.get("class") for path in tree.iter("path")].count("level") == 1
    assert {"<b>", "pca", "0", "10", "1,000"} <= {text.text for text in tree.iter("text")}
