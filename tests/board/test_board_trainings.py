"""Training seeds: averaged while they are few, a variance of their own from five on, never paired."""

import numpy as np
import pytest
from made_up import BASE, PER_UNIT, WIGGLE, compared, row, runs_of, unit_rows
from scipy import stats


def seeded(own, seeds, **where):
    return [r for s in range(seeds) for r in unit_rows(own[s], fit_seed=s, **{**PER_UNIT, **where})]


def runs(seeds: int):
    return [*runs_of("pca"), *runs_of("scvi", seeds=range(seeds))]


def test_few_trainings_are_averaged_and_said() -> None:
    own = [BASE + 0.05 + WIGGLE, BASE + 0.15 - WIGGLE / 2]
    rows = unit_rows(BASE, model="pca", **PER_UNIT) + seeded(own, 2, model="scvi")
    found = compared(rows, runs=runs(2))
    assert found.gain.scope == "About these 2 trainings."
    expected = stats.ttest_rel(np.mean(own, axis=0), BASE).confidence_interval(0.95)
    half = (expected.high - expected.low) / 2 * np.sqrt(2)  # as many units learned from as tested
    assert found.gain.interval.half_width == pytest.approx(half)


def test_a_failed_training_is_counted() -> None:
    rows = unit_rows(BASE, model="pca", **PER_UNIT) + seeded([BASE + 0.1 + WIGGLE], 1, model="scvi")
    rows.append(row(model="scvi", fit_seed=1, status="failed", reason="boom", **PER_UNIT))
    found = compared(rows, runs=runs(2))
    assert found.gain.scope == "About these 1 of 2 trainings."
    assert found.gain.value == pytest.approx(0.1)


def test_five_trainings_speak_about_the_recipe() -> None:
    shifts = np.array([-0.04, -0.02, 0.0, 0.02, 0.04])
    own = [BASE + 0.1 + WIGGLE + shift for shift in shifts]
    rows = unit_rows(BASE, model="pca", **PER_UNIT) + seeded(own, 5, model="scvi")
    found = compared(rows, runs=runs(5), seeds=tuple(range(5))).gain
    assert found.scope == "About the recipe (5 trainings)."
    of_units, of_seeds = WIGGLE.var(ddof=1) * (1 / 6 + 1 / 6), shifts.var(ddof=1) / 5
    dof = (of_units + of_seeds) ** 2 / (of_units**2 / 5 + of_seeds**2 / 4)
    half = stats.t.ppf(0.975, dof) * np.sqrt(of_units + of_seeds)
    assert found.interval.half_width == pytest.approx(half)


def test_a_deterministic_contestant_is_not_said_to_be_trained_again_and_again() -> None:
    shifts = np.array([-0.04, -0.02, 0.0, 0.02, 0.04])
    rows = unit_rows(BASE + 0.1, model="scvi", **PER_UNIT)
    rows += seeded([BASE + WIGGLE + shift for shift in shifts], 5, model="pca")
    five = [*runs_of("pca", seeds=range(5)), *runs_of("scvi")]
    found = compared(rows, runs=five, seeds=tuple(range(5))).gain
    assert found.scope == "About the reference's recipe (5 trainings)."


def test_trainings_are_never_paired() -> None:
    """Shuffling which training of the reference stands beside which changes nothing."""
    rng = np.random.default_rng(0)
    own, rival = rng.random((2, 5, 6))
    five = [*runs_of("pca", seeds=range(5)), *runs_of("scvi", seeds=range(5))]
    pair = [
        compared(
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
    assert compared(rows, runs=runs(2)).gain.scope == "About these 2 trainings."
