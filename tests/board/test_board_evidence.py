"""Words and gains for score tables whose answer is known beforehand."""

from dataclasses import replace

import numpy as np
import pytest
from made_up import (
    BASE,
    MODELS,
    PER_UNIT,
    TWO,
    UNITS,
    WIGGLE,
    compared,
    data_set,
    jackknife_rows,
    results,
    row,
    rows_of,
    run,
    runs_of,
    unit_rows,
)
from scipy import stats

from board.evidence import smallest_detectable, weigh
from board.intervals import Interval, combine, mean_component
from board.verdict import bar, judge, word
from metrics.table import TABLE
from tasks.study import Primary

GOLDEN = [
    ("better", BASE + 0.1 + WIGGLE),
    ("worse", BASE - 0.1 + WIGGLE),
    ("equivalent", BASE + WIGGLE / 2),
    ("undecided", BASE + 10 * WIGGLE),
]


@pytest.mark.parametrize(("expected", "own"), GOLDEN)
@pytest.mark.parametrize(("make", "where"), [(unit_rows, PER_UNIT), (jackknife_rows, {})])
def test_golden_words(expected, own, make, where) -> None:
    found = compared(rows_of(make, own, **where))
    assert found.word == expected
    assert found.gain.units == 6


@pytest.mark.parametrize(("make", "where"), [(unit_rows, PER_UNIT), (jackknife_rows, {})])
def test_gain_is_the_paired_t_test_widened_for_the_units_learned_from(make, where) -> None:
    own = BASE + 0.1 + WIGGLE
    found = compared(rows_of(make, own, **where)).gain
    expected = stats.ttest_rel(own, BASE).confidence_interval(0.95)
    assert found.value == pytest.approx(0.1)
    half = (expected.high - expected.low) / 2 * np.sqrt(1 + 6 / 6)  # 6 units tested, 6 learned from
    assert (found.interval.low, found.interval.high) == pytest.approx((0.1 - half, 0.1 + half))


def test_nothing_learned_nothing_widened() -> None:
    """Embeddings that nobody fitted on this data set, and a metric that needs no probe."""
    runs = [replace(one, fit="none") for model in TWO for one in runs_of(model)]
    found = compared(rows_of(jackknife_rows, BASE + 0.1 + WIGGLE), runs=runs).gain
    expected = stats.ttest_rel(BASE + 0.1 + WIGGLE, BASE).confidence_interval(0.95)
    assert found.interval.low == pytest.approx(expected.low)


@pytest.mark.parametrize(("make", "where"), [(unit_rows, PER_UNIT), (jackknife_rows, {})])
def test_equal_gains_of_all_units_are_no_certainty(make, where) -> None:
    found = compared(rows_of(make, BASE + 0.1, **where))
    assert found.word == "no verdict"
    assert found.gain.interval is None
    assert "cannot be estimated" in found.reason


def test_an_unknown_number_of_cells_gives_no_jackknife_interval() -> None:
    rows = [one | {"n": None} for one in rows_of(jackknife_rows, BASE + 0.1 + WIGGLE)]
    found = compared(rows)
    assert found.word == "no verdict"
    assert "how many cells" in found.reason


def test_an_unknown_number_of_units_learned_from_gives_no_interval() -> None:
    entry = [data_set(units_by_part={"test": UNITS[:6]})]
    found = compared(rows_of(unit_rows, BASE + 0.1 + WIGGLE, **PER_UNIT), reports=entry)
    assert found.word == "no verdict"
    assert "not known" in found.reason


@pytest.mark.parametrize(("make", "where"), [(unit_rows, PER_UNIT), (jackknife_rows, {})])
def test_three_units_are_too_few_but_the_value_is_shown(make, where) -> None:
    found = compared(rows_of(make, BASE[:3] + 0.1 + WIGGLE[:3], BASE[:3], **where))
    assert found.word == "too few units"
    assert found.gain.interval is None
    assert found.gain.value == pytest.approx(0.1 + WIGGLE[:3].mean())


def test_a_set_value_without_any_unit_left_out_is_too_few() -> None:
    found = compared([row(model="pca", value=0.5), row(model="scvi", value=0.6)])
    assert found.word == "too few units"
    assert found.reason == "fewer than 2 of the 4 units that a verdict needs"
    assert found.gain.value == pytest.approx(0.1)


def test_data_without_units_bear_no_interval() -> None:
    entry = [data_set(units="none", note="one donor")]
    found = compared(rows_of(unit_rows, BASE + 0.1 + WIGGLE, **PER_UNIT), **{"reports": entry})
    assert found.word == "too few units"
    assert found.gain.interval is None
    assert found.gain.value == pytest.approx(0.1)
    assert "no independent units" in found.reason


def test_lower_is_better_turns_the_sign() -> None:
    where = {**PER_UNIT, "metric": "lcad"}
    primary = {"annotation": Primary(metric="lcad", readout="logistic", margin=0.02)}
    rows = rows_of(unit_rows, BASE - 0.1 + WIGGLE, **where)
    found = compared(rows, tasks=("annotation",), primary=primary)
    assert found.word == "better"
    assert found.gain.value == pytest.approx(0.1)


def test_other_readouts_and_metrics_do_not_matter() -> None:
    own = rows_of(unit_rows, BASE + 0.1 + WIGGLE, **PER_UNIT)
    noise = rows_of(unit_rows, BASE - 0.5, **{**PER_UNIT, "readout": "knn"})
    noise += rows_of(unit_rows, BASE - 0.5, **{**PER_UNIT, "metric": "accuracy"})
    assert compared(own + noise).gain == compared(own).gain


def test_few_shots_are_another_question() -> None:
    own = rows_of(unit_rows, BASE + 0.1 + WIGGLE, **PER_UNIT)
    few = rows_of(unit_rows, BASE - 0.5, **{**PER_UNIT, "shots": 5, "draw": 0})
    assert compared(own + few).gain == compared(own).gain


def test_order_of_rows_does_not_matter() -> None:
    rows = rows_of(jackknife_rows, BASE + 0.1 + WIGGLE)
    assert compared(rows[::-1]) == compared(rows)


def test_a_shift_of_both_sides_cancels() -> None:
    first = compared(rows_of(unit_rows, BASE + 0.1 + WIGGLE, **PER_UNIT)).gain.interval
    other = compared(rows_of(unit_rows, BASE + 0.3 + WIGGLE, BASE + 0.2, **PER_UNIT)).gain.interval
    assert other.low == pytest.approx(first.low)


def test_missing_values_are_never_zero() -> None:
    rows = unit_rows(BASE, model="pca", **PER_UNIT)
    rows.append(row(model="scvi", status="failed", reason="out of memory", **PER_UNIT))
    found = compared(rows)
    assert found.word == "no verdict"
    assert found.gain.value is None
    assert found.value is None
    assert found.reason == "failed: out of memory"


def test_a_failed_reference_is_said() -> None:
    rows = unit_rows(BASE, model="scvi", **PER_UNIT)
    assert "it has no run here" in compared(rows).reason
    rows.append(row(model="pca", status="failed", reason="boom", **PER_UNIT))
    found = compared(rows)
    assert found.word == "no verdict"
    assert "failed: boom" in found.reason
    assert found.value == pytest.approx(BASE.mean())


def test_a_unit_without_a_value_is_named() -> None:
    rows = rows_of(unit_rows, BASE + 0.1 + WIGGLE, **PER_UNIT)
    rows[-1] |= {"value": None, "status": "undefined", "reason": "one type only"}
    found = compared(rows)
    assert found.gain.units == 5
    assert "donor:d5" in found.reason
    assert found.word == "better"


def test_an_incomplete_jackknife_bears_no_verdict() -> None:
    rows = rows_of(jackknife_rows, BASE + 0.1 + WIGGLE)
    rows[-1] |= {"value": None, "status": "undefined", "reason": "one batch left"}
    found = compared(rows)
    assert found.word == "no verdict"
    assert "donor:d5" in found.reason
    assert found.gain.value == pytest.approx(0.1)


def whole_family():
    rows = []
    for model in MODELS:
        rows += jackknife_rows(BASE + (0.1 + WIGGLE) * (model != "pca"), model=model)
    return rows


def test_controls_bear_no_verdict() -> None:
    found = {c.model: c.word for c in weigh(results(whole_family()), TABLE).comparisons}
    assert found["oracle"] == found["noise"] == "control"


@pytest.mark.parametrize(
    ("exposure", "word"),
    [("study_shared", "in corpus"), ("test_cells_seen", "in corpus"), ("unknown", "exposure unknown")],
)
def test_exposed_contestants_show_value_and_interval_but_no_verdict(exposure, word) -> None:
    own = [one for model in MODELS for one in runs_of(model, exposure=exposure)]
    found = compared(whole_family(), model="geneformer@demo", models=MODELS, runs=own)
    assert found.word == f"{word}: no zero-shot verdict"
    assert found.gain.interval is not None
    assert "made up" in found.reason


def test_clean_corpus_gets_its_verdict() -> None:
    assert compared(whole_family(), model="geneformer@demo", models=MODELS).word == "better"


def test_undisclosed_pretraining_gets_no_verdict() -> None:
    secret = run(card={"saw": ["counts", "pretraining"], "pretrained_on": None})
    barred = bar("x", reference="pca", metric=TABLE["bio_conservation"], runs=[secret])
    assert barred[0] == "exposure unknown: no zero-shot verdict"


@pytest.mark.parametrize(
    ("gathered", "public_since", "apart"),
    [
        ("2023", "2024", True),
        ("2023", "2023-12-31", False),
        ("2023-05", "2023-05-31", False),
        ("2023-05", "2023-06", True),
        ("2023-05-15", "2023-05-16", True),
        ("2023-05-15", "2023", False),
        (None, "2024", False),
        ("2023", "", False),
    ],
)
def test_cells_published_after_a_corpus_was_gathered_are_not_in_it(gathered, public_since, apart) -> None:
    secret = run(card={"saw": ["counts", "pretraining"], "pretrained_on": None, "gathered": gathered})
    metric = TABLE["bio_conservation"]
    word, reason = bar("x", reference="pca", metric=metric, runs=[secret], public_since=public_since)
    assert (word == "") is apart
    assert (f"until {gathered}, these cells are public since {public_since}" in reason) is (
        not apart and bool(gathered and public_since)
    )


def test_dates_do_not_clear_what_is_named_or_found() -> None:
    told = run(card={"saw": ["pretraining"], "pretrained_on": ["blood"], "gathered": "2020"})
    found = replace(runs_of("geneformer@demo", exposure="study_shared")[0], card={"gathered": "2020"})
    for one in (told, found):
        barred = bar("x", reference="pca", metric=TABLE["bio_conservation"], runs=[one], public_since="2024")
        assert barred[0].startswith("in corpus")


def test_a_card_that_names_the_data_set_is_enough() -> None:
    told = run(card={"saw": ["pretraining"], "pretrained_on": ["blood"]})
    barred = bar("x", reference="pca", metric=TABLE["bio_conservation"], runs=[told])
    assert barred[0].startswith("in corpus")


def test_a_random_start_on_a_seen_corpus_is_barred_but_not_called_pretrained() -> None:
    twin = replace(runs_of("geneformer@demo", exposure="study_shared")[0], card={"saw": ["counts"]})
    assert bar("x", reference="pca", metric=TABLE["bio_conservation"], runs=[twin])[0].startswith("in corpus")
    assert results([], runs=[twin]).kind("geneformer@demo") == "from a corpus"
    assert not twin.pretrained


def test_self_referential_metrics_give_no_verdict() -> None:
    metric = next(m for m in TABLE.values() if m.reference_space)
    space = metric.reference_space
    assert bar(space, reference="hvg", metric=metric, runs=[])[0] == "no verdict"
    assert bar("scvi", reference=space, metric=metric, runs=[])[0] == "no verdict"
    assert bar("scvi", reference="hvg", metric=metric, runs=[]) == ("", "")


def interval(low: float, high: float) -> Interval:
    return Interval(value=(low + high) / 2, low=low, high=high, level=0.95, dof=5, units=6)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.001, 0.01, "better"),
        (-0.01, -0.001, "worse"),
        (-0.019, 0.019, "equivalent"),
        (-0.02, 0.01, "undecided"),
        (0.0, 0.05, "undecided"),
        (-0.05, 0.05, "undecided"),
    ],
)
def test_word_at_its_borders(low, high, expected) -> None:
    assert word(interval(low, high), margin=0.02) == expected


def test_a_small_sure_gain_is_called_small() -> None:
    found = compared(rows_of(unit_rows, BASE + 0.01 + WIGGLE / 100, **PER_UNIT))
    assert found.word == "better"
    assert "less than the margin" in found.reason
    assert judge(found.gain, margin=0.001, barred=("", ""), control=False) == ("better", "")


def test_smallest_detectable_gain_is_found_four_times_in_five() -> None:
    """Six normal differences whose spread is known: a true gain of this size is called better by 80 %."""
    rng, found, sizes = np.random.default_rng(0), 0, []
    for _ in range(2000):
        values = rng.standard_normal(6)
        one = combine(values.mean(), [mean_component(values)], level=0.95, units=6)
        sizes.append(one.detectable(power=0.8))
    for _ in range(2000):
        values = np.mean(sizes) + rng.standard_normal(6)
        found += combine(values.mean(), [mean_component(values)], level=0.95, units=6).low > 0
    assert 0.75 < found / 2000 < 0.85
    assert smallest_detectable([]) is None
    shown = [c for c in weigh(results(whole_family()), TABLE).comparisons if not c.control]
    assert smallest_detectable(shown) == pytest.approx(
        np.median([c.gain.interval.detectable(power=0.8) for c in shown if c.gain.interval])
    )


def test_false_better_rate_of_a_family_stays_below_five_per_cent() -> None:
    """Twelve contestants as good as the reference, bounded scores, five donors."""
    rng = np.random.default_rng(5)
    models = ("pca", *(f"m{i}" for i in range(12)))
    wrong = 0
    for _ in range(60):
        donors = rng.beta(8, 4, 5)
        rows = [
            r
            for m in models
            for r in unit_rows(np.clip(donors + 0.05 * rng.standard_normal(5), 0, 1), model=m, **PER_UNIT)
        ]
        made = results(rows, models=models)
        wrong += any(c.word == "better" for c in weigh(made, TABLE).comparisons)
    assert wrong <= 6  # at most 5 % of 60 expected at each side; 7 or more has a chance below 4 %
