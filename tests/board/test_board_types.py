"""Errors by type: counts from stored answers, along the tree, and on the page."""

import json
from collections import Counter

import pytest
from made_up import data_set, results, row, runs_of, unit_rows
from written import page_text

from board.confusion import matrix, per_cent, shade, who
from board.evidence import weigh
from board.types import type_tables
from metrics.table import TABLE

MODELS = ("oracle", "pca", "geneformer@demo")
TREE = [
    {"id": "CL:1", "name": "leukocyte", "parent": None},
    {"id": "CL:2", "name": "T cell", "parent": "CL:1"},
    {"id": "CL:3", "name": "B cell", "parent": "CL:1"},
    {"id": "CL:4", "name": "CD4", "parent": "CL:2"},
    {"id": "CL:5", "name": "CD8", "parent": "CL:2"},
]
IDS = {"cd4": ["CL:4"], "cd8": ["CL:5"], "b": ["CL:3"], "odd": []}
ANNOTATION = {"task": "annotation", "readout": "logistic"}


def answers(model: str, wrong: dict[str, dict[str, int]], **changes) -> list[dict]:
    """100 cells of each type; ``wrong``: type → what some of them were called."""
    found = []
    for name in ("b", "cd4", "cd8", "odd"):
        called = wrong.get(name, {})
        said = f"taken for {json.dumps(called)}" if called else ""
        where = {"unit": f"type:{name}", "metric": "accuracy", "n": 100, "reason": said}
        found.append(row(model=model, value=1 - sum(called.values()) / 100, **ANNOTATION, **where, **changes))
    return found


def study(**report):
    rows = []
    for model, level in (("oracle", 0.9), ("pca", 0.5), ("geneformer@demo", 0.6)):
        values = [level + 0.01 * place for place in range(6)]
        rows += unit_rows(values, model=model, metric="balanced_accuracy", **ANNOTATION)
    rows += answers("oracle", {})
    rows += answers("pca", {"cd4": {"cd8": 40, "b": 4}, "odd": {"b": 4}})
    rows += answers("geneformer@demo", {"cd4": {"b": 10}}) + answers("geneformer@demo", {}, fit_seed=1)
    runs = [one for model in MODELS for one in runs_of(model, seeds=(0, 1))]
    reports = [data_set(**{"type_tree": TREE, "label_ids": IDS, **report})]
    return results(rows, models=MODELS, runs=runs, reports=reports, tasks=("annotation",))


@pytest.fixture(scope="module")
def table():
    whole = study()
    (found,) = type_tables(whole, weigh(whole, TABLE))
    return found


def test_types_stand_along_the_tree_and_strangers_last(table) -> None:
    assert [(line.name, line.depth, line.number) for line in table.lines] == [
        ("leukocyte", 0, None),
        ("T cell", 1, None),
        ("cd4", 2, 1),
        ("cd8", 2, 2),
        ("b", 1, 3),
        ("odd", 0, 4),
    ]
    assert [line.cells for line in table.lines] == [300, 200, 100, 100, 100, 100]


def test_shares_are_counted_over_trainings_and_below_inner_terms(table) -> None:
    assert table.models == ("pca", "geneformer@demo"), "a control's errors say nothing"
    shares = {line.name: line.shares for line in table.lines}
    assert shares["cd4"] == ((pytest.approx(0.56), 2), (pytest.approx(0.95), 3))
    assert shares["T cell"] == ((pytest.approx(0.98), None), (pytest.approx(0.975), None))
    assert shares["leukocyte"][0][0] == 1.0, "what is called another type below is right up here"
    assert shares["odd"] == ((pytest.approx(0.96), None), (1.0, None)), "one in 25 is not told"


def test_confusions_are_shares_of_each_type_in_the_order_of_the_tree(table) -> None:
    pca, geneformer = table.matrices
    assert (pca.model, geneformer.model) == ("pca", "geneformer@demo")
    assert [name for name, _ in pca.lines] == ["cd4", "cd8", "b", "odd"]
    assert dict(pca.lines)["cd4"] == pytest.approx((0.56, 0.40, 0.04, 0, 0))
    assert dict(geneformer.lines)["cd4"] == pytest.approx((0.95, 0, 0.05, 0, 0))
    assert not pca.others


def test_a_name_that_no_test_cell_has_is_another_and_no_answer_is_none() -> None:
    found = matrix("pca", {"b": Counter(b=3, gone=1)}, ["b", "cd4"])
    assert dict(found.lines) == {"b": (0.75, 0, 0.25), "cd4": None}
    assert found.others


def test_many_contestants_or_types_leave_two() -> None:
    names = [f"m{i}" for i in range(40)]
    assert who(names, ("m0", "m7"), types=15) == ("m0", "m7")
    assert len(who(names, ("m0", "m7"), types=10)) == 40


def test_shares_are_whole_per_cents_and_little_is_not_nothing() -> None:
    assert [per_cent(share) for share in (0, 0.004, 0.4, 1)] == ["", "<1", "40", "100"]
    assert [shade(share) for share in (0, 0.004, 0.01, 0.3, 0.6, 1)] == [0, 0, 1, 2, 3, 4]


def test_without_a_tree_types_are_a_list() -> None:
    whole = study(type_tree=[], label_ids={})
    (found,) = type_tables(whole, weigh(whole, TABLE))
    assert [(line.name, line.depth) for line in found.lines] == [("b", 0), ("cd4", 0), ("cd8", 0), ("odd", 0)]


def test_the_page_shows_them_and_no_verdict_rests_on_them() -> None:
    text = page_text(study())
    assert "<td>0.56 →2</td>" in text
    assert "<i>T cell</i>" in text
    assert '<tr><th scope="row">1 cd4</th><td class="s3">56</td><td class="s2">40</td>' in text
    rows = study().rows
    alone = rows[~rows["unit"].str.startswith("type:")]
    one, other = (
        weigh(results(list(r.to_dict("records")), models=MODELS, tasks=("annotation",)), TABLE)
        for r in (rows, alone)
    )
    assert one.comparisons == other.comparisons


def test_a_hostile_type_is_only_text() -> None:
    whole = study()
    name = "<script>x</script>"
    rows = whole.rows.assign(unit=whole.rows["unit"].replace("type:odd", f"type:{name}"))
    text = page_text(results(list(rows.to_dict("records")), models=MODELS, tasks=("annotation",)))
    assert name not in text
    assert "&lt;script&gt;x" in text
