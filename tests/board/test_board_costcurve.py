"""What a contestant costs over numbers of cells."""

import xml.etree.ElementTree as ET

from made_up import data_set, results, run, runs_of, whole_study
from written import page_text

from board.costcurve import cost_curves

CELLS = {"small": 100, "large": 10_000, "middle": 1_000}
NAMES = tuple(CELLS)


def study(seconds=lambda n: n / 100, names=NAMES):
    runs = []
    for model in ("pca", "scvi"):
        for name in names:
            cost = dict(run().cost) | {"seconds": {"fit": None, "embed": seconds(CELLS[name])}}
            runs += runs_of(model, dataset=name, cost=cost)
    reports = [data_set(name, n_cells=CELLS[name]) for name in names]
    rows = whole_study(models=("pca", "scvi"), datasets=names)
    return results(rows, models=("pca", "scvi"), datasets=names, runs=runs, reports=reports)


def test_the_curve_goes_from_few_cells_to_many() -> None:
    (curve,) = cost_curves(study(), "scvi")
    assert curve.told == "100 cells 1 s, 1,000 cells 10 s, 10,000 cells 100 s"
    path = ET.fromstring(curve.picture).find("path").get("d")
    places = [tuple(map(float, pair.split())) for pair in path.removeprefix("M").split("L")]
    assert places == [(5, 39), (80, 22), (155, 5)]


def test_equal_times_are_a_level_line() -> None:
    (curve,) = cost_curves(study(seconds=lambda n: 2.0), "scvi")
    assert ET.fromstring(curve.picture).find("path").get("d") == "M5.0 22.0L80.0 22.0L155.0 22.0"


def test_one_data_set_makes_no_curve() -> None:
    assert cost_curves(study(names=("small",)), "scvi") == ()


def test_it_stands_on_the_contestants_card() -> None:
    assert page_text(study()).count("100 cells 1 s, 1,000 cells 10 s") == 2
    assert "seconds over cells</dt>" not in page_text(study(names=("small",)))
