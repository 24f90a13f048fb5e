"""Means over data sets, blanks included; and the ranks that the data allow."""

import numpy as np
import pytest
from made_up import BASE, PER_UNIT, data_set, jackknife_rows, results, row, runs_of, unit_rows
from written import page_text

from board.evidence import weigh
from board.intervals import family_level
from board.summary import summaries
from metrics.table import TABLE
from tasks.study import Primary

NAMES = ("noise", "pca", "scvi", "geneformer@demo")
SETS = ("a", "b", "c")
ONE = {"tasks": ("annotation",), "datasets": SETS, "models": NAMES}


def test_the_page_shows_means_and_verdicts_over_studies_only_where_there_are_some() -> None:
    study = results(rows_but(("c", "scvi", "failed")), **ONE)
    text = page_text(study)
    assert 'href="#over-datasets"' in text
    assert "mean of balanced_accuracy over 2 of 3 data sets" in text
    assert 'id="across"' not in text
    assert "over-datasets" not in page_text(results(unit_rows(BASE, model="pca", **PER_UNIT)))


def rows_but(*missing: tuple[str, str, str]):
    """Every contestant at 0.1, 0.2 … on every set, save (data set, contestant, status)."""
    blank = {(dataset, model): status for dataset, model, status in missing}
    rows = []
    for i, dataset in enumerate(SETS):
        for j, model in enumerate(NAMES):
            where = {"dataset": dataset, "model": model, **PER_UNIT}
            status = blank.get((dataset, model))
            if status is None:
                rows += unit_rows(np.full(6, 0.1 * i + 0.2 * j), **where)
            elif status != "not run":
                rows.append(row(status=status, **where))
    return rows


def summed(rows, **changes):
    study = results(rows, **ONE, **changes)
    found = summaries(study, weigh(study, TABLE), TABLE)
    return found, {line.model: line for one in found for line in one.lines}


def test_only_data_sets_that_all_share_are_averaged() -> None:
    (found,), lines = summed(rows_but(("b", "scvi", "undefined"), ("c", "geneformer@demo", "not run")))
    assert found.common == ("a",)
    assert lines["pca"].mean == pytest.approx(0.2)
    assert (lines["pca"].covered, lines["scvi"].covered, lines["geneformer@demo"].covered) == (3, 2, 2)
    assert "noise" not in lines  # nor is there a summary of the access in which only controls stand
    assert [line.model for line in found.lines] == ["geneformer@demo", "scvi", "pca"]


def test_who_has_no_value_at_all_takes_nothing_from_the_others() -> None:
    gone = [(name, "scvi", "not_applicable") for name in SETS]
    (found,), lines = summed(rows_but(*gone))
    assert found.common == SETS
    assert (lines["scvi"].mean, lines["scvi"].covered, lines["scvi"].if_worst) == (None, 0, None)
    assert found.lines[-1].model == "scvi"


def test_only_a_failure_counts_as_the_worst() -> None:
    _, lines = summed(rows_but(("c", "scvi", "failed"), ("c", "pca", "undefined")))
    assert lines["scvi"].failed == 1
    assert lines["scvi"].if_worst == pytest.approx((0.4 + 0.5 + 0.0) / 3)
    assert lines["pca"].if_worst == pytest.approx((0.2 + 0.3) / 2)


def test_a_failed_training_counts_among_those_that_worked() -> None:
    rows = rows_but()
    rows.append(row(model="scvi", dataset="c", fit_seed=1, status="failed", **PER_UNIT))
    _, lines = summed(rows)
    assert lines["scvi"].mean == pytest.approx(0.5)
    assert lines["scvi"].if_worst == pytest.approx((0.4 + 0.5 + (0.6 + 0.0) / 2) / 3)


def test_where_nothing_is_the_worst_a_failure_has_no_number() -> None:
    primary = {"annotation": Primary(metric="lcad", readout="logistic", margin=0.02)}
    rows = [one | {"metric": "lcad"} for one in rows_but(("c", "scvi", "failed"))]
    _, lines = summed(rows, primary=primary)
    assert lines["scvi"].if_worst is None
    assert lines["pca"].if_worst == pytest.approx(0.3)


def test_sources_of_labels_and_simulated_data_stand_apart() -> None:
    sources = dict(zip(SETS, ("facs", "clustering", "simulated"), strict=True))
    found, _ = summed(rows_but(), reports=[data_set(n, label_source=s) for n, s in sources.items()])
    assert found == []


def ranked(values: dict, make=unit_rows, *, learned: int = 6, **where):
    rows = [one for model, own in values.items() for one in make(own, model=model, **where)]
    entry = data_set(
        units_by_part={
            "train": [f"donor:t{i}" for i in range(learned)],
            "test": [f"donor:d{i}" for i in range(6)],
        }
    )
    runs = [one for model in values for one in runs_of(model)]
    study = results(
        rows, models=tuple(values), tasks=tuple({r["task"] for r in rows}), reports=[entry], runs=runs
    )
    (found,) = weigh(study, TABLE).ranks.values()
    return found


NOISE = np.random.default_rng(0).normal(0, 0.01, (3, 6))


@pytest.mark.parametrize(("make", "where"), [(unit_rows, PER_UNIT), (jackknife_rows, {})])
def test_ranks_are_told_as_far_as_they_are_sure(make, where) -> None:
    clear = {"pca": BASE + 0.2 + NOISE[0], "scvi": BASE + NOISE[1], "geneformer@demo": BASE + NOISE[2]}
    found = ranked({**clear, "noise": BASE * 0}, make, **where)
    assert {name: (one.best, one.worst) for name, one in found.sets.items()} == {
        "pca": (1, 1),
        "scvi": (2, 3),
        "geneformer@demo": (2, 3),
    }


def test_fewer_units_to_learn_from_make_ranks_less_sure() -> None:
    close = {"pca": BASE + 0.015 + NOISE[0], "scvi": BASE + NOISE[1]}
    assert ranked(close, learned=60, **PER_UNIT).sets["pca"].worst == 1
    assert ranked(close, learned=1, **PER_UNIT).sets["pca"].worst == 2


@pytest.mark.parametrize("learned", [1, 3, 12])
def test_two_contestants_are_ranked_just_when_the_verdict_is_sure(learned) -> None:
    """One pair, one comparison: rank sets and words rest on the same interval."""
    for shift in np.linspace(0.0, 0.06, 13):
        rows = unit_rows(BASE + NOISE[0], model="pca", **PER_UNIT)
        rows += unit_rows(BASE + shift + NOISE[1], model="scvi", **PER_UNIT)
        parts = {"train": [f"t{i}" for i in range(learned)], "test": [f"d{i}" for i in range(6)]}
        study = results(
            rows, models=("pca", "scvi"), tasks=("annotation",), reports=[data_set(units_by_part=parts)]
        )
        found = weigh(study, TABLE)
        (one,) = found.comparisons
        (ranks,) = found.ranks.values()
        assert one.gain.interval.level == family_level(0.95, size=1)
        assert (one.word == "better") == (ranks.sets["pca"].best == 2)


def test_who_lacks_a_unit_is_left_out_of_the_ranks_and_named() -> None:
    found = ranked({"pca": BASE + NOISE[0], "scvi": BASE[:5], "geneformer@demo": BASE + NOISE[2]}, **PER_UNIT)
    assert found.left_out == ("scvi",)
    assert set(found.sets) == {"pca", "geneformer@demo"}


def test_three_units_allow_no_rank() -> None:
    found = ranked({"pca": BASE[:3] + NOISE[0, :3], "scvi": BASE[:3]}, **PER_UNIT)
    assert found.sets == {}
    assert "4" in found.reason
