"""Words and gains for score tables whose answer is known beforehand."""

from dataclasses import replace

import numpy as np
import pytest
from made_up import MODELS, data_set, jackknife_rows, results, row, run, runs_of, unit_rows
from scipy import stats

from board.evidence import bar, judge, smallest_detectable, weigh, word
from board.intervals import Interval
from metrics.table import TABLE
from tasks.study import Primary

BASE = np.array([0.50, 0.55, 0.60, 0.52, 0.58, 0.61])
WIGGLE = np.array([0.01, -0.01, 0.005, -0.005, 0.0, 0.0])
PER_UNIT = {"task": "annotation", "metric": "balanced_accuracy", "readout": "logistic"}
TWO = ("pca", "scvi")


def one(rows, model="scvi", **changes):
    """The comparison of one contestant with pca, the only two in the study."""
    weighed = weigh(results(rows, **{"models": TWO, **changes}), TABLE)
    return next(c for c in weighed.comparisons if c.model == model)


def rows_of(make, own, rival=BASE, **where):
    return make(rival, model="pca", **where) + make(own, model="scvi", **where)


GOLDEN = [
    ("better", BASE + 0.1 + WIGGLE),
    ("worse", BASE - 0.1 + WIGGLE),
    ("equivalent", BASE + WIGGLE / 2),
    ("undecided", BASE + 10 * WIGGLE),
]


@pytest.mark.parametrize(("expected", "own"), GOLDEN)
@pytest.mark.parametrize(("make", "where"), [(unit_rows, PER_UNIT), (jackknife_rows, {})])
def test_golden_words(expected, own, make, where) -> None:
    found = one(rows_of(make, own, **where))
    assert found.word == expected
    assert found.gain.units == 6


@pytest.mark.parametrize(("make", "where"), [(unit_rows, PER_UNIT), (jackknife_rows, {})])
def test_gain_is_the_paired_t_test(make, where) -> None:
    own = BASE + 0.1 + WIGGLE
    found = one(rows_of(make, own, **where)).gain
    expected = stats.ttest_rel(own, BASE).confidence_interval(0.95)
    assert found.value == pytest.approx(0.1)
    assert (found.interval.low, found.interval.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("make", "where"), [(unit_rows, PER_UNIT), (jackknife_rows, {})])
def test_three_units_are_too_few_but_the_value_is_shown(make, where) -> None:
    found = one(rows_of(make, BASE[:3] + 0.1, BASE[:3], **where))
    assert found.word == "too few units"
    assert found.gain.value == pytest.approx(0.1)


def test_a_set_value_without_any_unit_left_out_is_too_few() -> None:
    found = one([row(model="pca", value=0.5), row(model="scvi", value=0.6)])
    assert found.word == "too few units"
    assert found.reason == "0 of the 4 units that a verdict needs"
    assert found.gain.value == pytest.approx(0.1)


def test_data_without_units_bear_no_interval() -> None:
    entry = [data_set(units="none", note="one donor")]
    found = one(rows_of(unit_rows, BASE + 0.1 + WIGGLE, **PER_UNIT), **{"reports": entry})
    assert found.word == "too few units"
    assert found.gain.interval is None
    assert found.gain.value == pytest.approx(0.1)
    assert "no independent units" in found.reason


def test_lower_is_better_turns_the_sign() -> None:
    where = {**PER_UNIT, "metric": "lcad"}
    primary = {"annotation": Primary(metric="lcad", readout="logistic", margin=0.02)}
    rows = rows_of(unit_rows, BASE - 0.1 + WIGGLE, **where)
    found = one(rows, tasks=("annotation",), primary=primary)
    assert found.word == "better"
    assert found.gain.value == pytest.approx(0.1)


def test_other_readouts_and_metrics_do_not_matter() -> None:
    own = rows_of(unit_rows, BASE + 0.1 + WIGGLE, **PER_UNIT)
    noise = rows_of(unit_rows, BASE - 0.5, **{**PER_UNIT, "readout": "knn"})
    noise += rows_of(unit_rows, BASE - 0.5, **{**PER_UNIT, "metric": "accuracy"})
    assert one(own + noise).gain == one(own).gain


def test_order_of_rows_does_not_matter() -> None:
    rows = rows_of(jackknife_rows, BASE + 0.1 + WIGGLE)
    assert one(rows[::-1]) == one(rows)


def test_a_shift_of_both_sides_cancels() -> None:
    first = one(rows_of(unit_rows, BASE + 0.1 + WIGGLE, **PER_UNIT)).gain.interval
    other = one(rows_of(unit_rows, BASE + 0.3 + WIGGLE, BASE + 0.2, **PER_UNIT)).gain.interval
    assert other.low == pytest.approx(first.low)


def test_missing_values_are_never_zero() -> None:
    rows = unit_rows(BASE, model="pca", **PER_UNIT)
    rows.append(row(model="scvi", status="failed", reason="out of memory", **PER_UNIT))
    found = one(rows)
    assert found.word == "no verdict"
    assert found.gain.value is None
    assert found.value is None
    assert found.reason == "failed: out of memory"


def test_a_failed_reference_is_said() -> None:
    rows = unit_rows(BASE, model="scvi", **PER_UNIT)
    assert "it has no run here" in one(rows).reason
    rows.append(row(model="pca", status="failed", reason="boom", **PER_UNIT))
    found = one(rows)
    assert found.word == "no verdict"
    assert "failed: boom" in found.reason
    assert found.value == pytest.approx(BASE.mean())


def test_a_unit_without_a_value_is_named() -> None:
    rows = rows_of(unit_rows, BASE + 0.1 + WIGGLE, **PER_UNIT)
    rows[-1] |= {"value": None, "status": "undefined", "reason": "one type only"}
    found = one(rows)
    assert found.gain.units == 5
    assert "donor:d5" in found.reason
    assert found.word == "better"


def test_an_incomplete_jackknife_bears_no_verdict() -> None:
    rows = rows_of(jackknife_rows, BASE + 0.1 + WIGGLE)
    rows[-1] |= {"value": None, "status": "undefined", "reason": "one batch left"}
    found = one(rows)
    assert found.word == "no verdict"
    assert "donor:d5" in found.reason
    assert found.gain.value == pytest.approx(0.1)


def seeded(own, seeds, **where):
    return [r for s in range(seeds) for r in unit_rows(own[s], fit_seed=s, **{**PER_UNIT, **where})]


def runs(seeds: int):
    return [*runs_of("pca"), *runs_of("scvi", seeds=range(seeds))]


def test_few_trainings_are_averaged_and_said() -> None:
    own = [BASE + 0.05 + WIGGLE, BASE + 0.15 - WIGGLE]
    rows = unit_rows(BASE, model="pca", **PER_UNIT) + seeded(own, 2, model="scvi")
    found = one(rows, runs=runs(2))
    assert found.gain.scope == "About these 2 trainings."
    expected = stats.ttest_rel(np.mean(own, axis=0), BASE).confidence_interval(0.95)
    assert found.gain.interval.low == pytest.approx(expected.low)


def test_a_failed_training_is_counted() -> None:
    rows = unit_rows(BASE, model="pca", **PER_UNIT) + seeded([BASE + 0.1 + WIGGLE], 1, model="scvi")
    rows.append(row(model="scvi", fit_seed=1, status="failed", reason="boom", **PER_UNIT))
    found = one(rows, runs=runs(2))
    assert found.gain.scope == "About these 1 of 2 trainings."
    assert found.gain.value == pytest.approx(0.1)


def test_five_trainings_speak_about_the_recipe() -> None:
    shifts = np.array([-0.04, -0.02, 0.0, 0.02, 0.04])
    own = [BASE + 0.1 + WIGGLE + shift for shift in shifts]
    rows = unit_rows(BASE, model="pca", **PER_UNIT) + seeded(own, 5, model="scvi")
    found = one(rows, runs=runs(5), seeds=tuple(range(5))).gain
    assert found.scope == "About the recipe (5 trainings)."
    of_units, of_seeds = WIGGLE.var(ddof=1) / 6, shifts.var(ddof=1) / 5
    dof = (of_units + of_seeds) ** 2 / (of_units**2 / 5 + of_seeds**2 / 4)
    half = stats.t.ppf(0.975, dof) * np.sqrt(of_units + of_seeds)
    assert found.interval.half_width == pytest.approx(half)


def test_trainings_are_never_paired() -> None:
    """Shuffling which training of the reference stands beside which changes nothing."""
    rng = np.random.default_rng(0)
    own, rival = rng.random((2, 5, 6))
    five = [*runs_of("pca", seeds=range(5)), *runs_of("scvi", seeds=range(5))]
    pair = [
        one(
            seeded(order, 5, model="pca") + seeded(own, 5, model="scvi"),
            runs=five,
            seeds=tuple(range(5)),
        ).gain
        for order in (rival, rival[::-1])
    ]
    assert pair[0].interval.low == pytest.approx(pair[1].interval.low)


def test_pretraining_seeds_are_trainings() -> None:
    rows = unit_rows(BASE, model="pca", **PER_UNIT)
    for seed in (0, 1):
        rows += unit_rows(BASE + 0.1, model="scvi", **PER_UNIT, fit_seed=None, pretrain_seed=seed)
    assert one(rows, runs=runs(2)).gain.scope == "About these 2 trainings."


def whole_family():
    rows = []
    for model in MODELS:
        rows += jackknife_rows(BASE + 0.1 * (model != "pca") + WIGGLE, model=model)
    return rows


def test_family_counts_contestants_and_widens_every_interval() -> None:
    few = weigh(results(whole_family()), TABLE)
    assert few.family == 2  # scvi and geneformer; controls and the reference are apart
    assert few.level == pytest.approx(0.975)
    more = weigh(results(whole_family() + rows_of(unit_rows, BASE, **PER_UNIT)), TABLE)
    assert more.family == 3
    widths = [
        next(c.gain.interval.half_width for c in e.comparisons if c.model == "noise") for e in (few, more)
    ]
    assert widths[1] >= widths[0]


def test_family_does_not_depend_on_outcomes() -> None:
    rows = whole_family()
    failed = [r for r in rows if r["model"] != "scvi"]
    failed.append(row(model="scvi", status="failed"))
    assert weigh(results(failed), TABLE).family == weigh(results(rows), TABLE).family


def test_controls_bear_no_verdict() -> None:
    found = {c.model: c.word for c in weigh(results(whole_family()), TABLE).comparisons}
    assert found["oracle"] == found["noise"] == "control"


@pytest.mark.parametrize("exposure", ["study_shared", "test_cells_seen"])
def test_in_corpus_shows_value_and_interval_but_no_verdict(exposure) -> None:
    own = [one for model in MODELS for one in runs_of(model, exposure=exposure)]
    found = one(whole_family(), model="geneformer@demo", models=MODELS, runs=own)
    assert found.word == "in corpus: no zero-shot verdict"
    assert found.gain.interval is not None
    assert "made up" in found.reason


def test_clean_corpus_gets_its_verdict() -> None:
    assert one(whole_family(), model="geneformer@demo", models=MODELS).word == "better"


def test_undisclosed_pretraining_gets_no_verdict() -> None:
    secret = run(card={"saw": ["counts", "pretraining"], "pretrained_on": None})
    barred = bar("x", reference="pca", metric=TABLE["bio_conservation"], runs=[secret])
    assert barred[0] == "exposure unknown: no zero-shot verdict"


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
    found = one(rows_of(unit_rows, BASE + 0.01 + WIGGLE / 100, **PER_UNIT))
    assert found.word == "better"
    assert "less than the margin" in found.reason
    assert judge(found.gain, margin=0.001, barred=("", ""), control=False) == ("better", "")


def test_smallest_detectable_gain_is_the_median_half_width_of_contestants() -> None:
    found = weigh(results(whole_family()), TABLE).comparisons
    widths = [c.gain.interval.half_width for c in found if not c.control]
    assert smallest_detectable(list(found)) == pytest.approx(np.median(widths))
    assert smallest_detectable([]) is None


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
