"""Intervals against hand calculations, scipy, identities, and their coverage by simulation."""

import numpy as np
import pytest
from scipy import stats

from board.intervals import (
    Component,
    combine,
    effective_units,
    family_level,
    hodges_lehmann,
    jackknife_component,
    learned,
    mean_component,
    signed_rank,
)

UNITS = 6


def left_out_means(values: np.ndarray) -> np.ndarray:
    return np.array([np.delete(values, i).mean() for i in range(len(values))])


def test_mean_interval_is_that_of_the_t_test() -> None:
    values = np.array([0.01, 0.05, -0.02, 0.03, 0.04])
    found = combine(values.mean(), [mean_component(values)], level=0.9, units=5)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.dof == 4


def test_mean_interval_by_hand() -> None:
    # mean 2, variance 1, standard error 1/√3, t(0.975; 2) = 4.302653
    found = combine(2.0, [mean_component(np.array([1.0, 2.0, 3.0]))], level=0.95, units=3)
    assert found.half_width == pytest.approx(4.302653 / np.sqrt(3), abs=1e-5)


@pytest.mark.parametrize("units", [2, 4, 9])
def test_jackknife_of_a_mean_is_the_t_interval_of_the_mean(units: int) -> None:
    values = np.random.default_rng(units).standard_normal(units)
    one = combine(values.mean(), [mean_component(values)], level=0.99, units=units)
    other = combine(
        values.mean(),
        [jackknife_component(left_out_means(values), np.full(units, 9))],
        level=0.99,
        units=units,
    )
    assert (other.low, other.high) == pytest.approx((one.low, one.high))


def test_units_count_as_far_as_they_weigh() -> None:
    left = np.array([0.1, 0.2, 0.4, 0.1])
    assert jackknife_component(left, np.full(4, 30)).dof == pytest.approx(3)
    assert jackknife_component(left, np.array([30, 30, 30, 0])).dof == pytest.approx(2)
    assert effective_units(np.array([1000, 1, 1, 1])) == pytest.approx(1, abs=0.01)


def test_satterthwaite_by_hand() -> None:
    # (3 + 1)² / (3²/6 + 1²/2) = 16 / 2 = 8
    parts = [Component(variance=3, dof=6), Component(variance=1, dof=2)]
    found = combine(0.0, parts, level=0.95, units=7)
    assert found.dof == pytest.approx(8)
    assert found.high == pytest.approx(2 * stats.t.ppf(0.975, 8))


def test_no_variance_gives_no_interval() -> None:
    with pytest.raises(ValueError, match="variance above 0"):
        combine(0.1, [mean_component(np.full(5, 0.1))], level=0.95, units=5)


def test_learning_units_add_their_share_by_hand() -> None:
    # s²/4 · (1 + 4/8) = s² (1/4 + 1/8), dof unchanged
    found = learned(Component(variance=0.25, dof=3), units=4, learned_from=8)
    assert (found.variance, found.dof) == (pytest.approx(1 / 4 + 1 / 8), 3)


@pytest.mark.parametrize("values", [np.array([1.0]), np.array([1.0, np.nan]), np.ones((2, 2))])
def test_refuses_what_has_no_variance(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="two or more finite values"):
        mean_component(values)
    with pytest.raises(ValueError, match="two or more finite values"):
        jackknife_component(values, np.ones(3))


def test_family_level() -> None:
    assert family_level(0.95, size=10) == pytest.approx(0.995)
    assert family_level(0.95, size=1) == pytest.approx(0.95)
    assert family_level(0.95, size=0) == pytest.approx(0.95)


def coverage(draw, truth: float, repeats: int) -> float:
    hits = [(found := draw()).low <= truth <= found.high for _ in range(repeats)]
    return float(np.mean(hits))


def test_t_interval_covers_at_six_donors() -> None:
    rng = np.random.default_rng(1)

    def draw():
        values = rng.standard_normal(UNITS) + 0.3
        return combine(values.mean(), [mean_component(values)], level=0.95, units=UNITS)

    assert 0.93 <= coverage(draw, 0.3, 2500) <= 0.97


def test_jackknife_covers_for_a_ratio_at_six_donors() -> None:
    rng = np.random.default_rng(2)

    def draw():
        top, bottom = 2 + rng.standard_normal(UNITS) / 2, 4 + rng.standard_normal(UNITS) / 2
        left = left_out_means(top) / left_out_means(bottom)
        value = top.mean() / bottom.mean()
        return combine(value, [jackknife_component(left, np.full(UNITS, 50))], level=0.95, units=UNITS)

    assert 0.93 <= coverage(draw, 0.5, 2500) <= 0.97


def test_crossed_seed_variance_covers_when_as_large_as_that_of_donors() -> None:
    """A recipe's gain: new donors and new trainings of both sides, five trainings each."""
    rng = np.random.default_rng(3)
    seeds = 5

    def side():
        return rng.standard_normal((seeds, 1)) + 0.3 * rng.standard_normal((seeds, UNITS))

    def draw():
        own, rival, donors = side(), side(), rng.standard_normal(UNITS)
        parts = donors + own.mean(axis=0) - rival.mean(axis=0)
        variances = [mean_component(x) for x in (parts, own.mean(axis=1), rival.mean(axis=1))]
        return combine(parts.mean(), variances, level=0.95, units=UNITS)

    assert 0.93 <= coverage(draw, 0.0, 2500) <= 0.99


@pytest.mark.parametrize("n", [6, 7, 12, 25])
def test_signed_rank_interval_agrees_with_the_exact_test(n: int) -> None:
    """A value is inside exactly when scipy's exact test of it does not reject."""
    rng = np.random.default_rng(n)
    values = rng.standard_normal(n) + 0.3
    found = signed_rank(values, level=0.95)
    assert found.low <= found.value == hodges_lehmann(values) <= found.high
    for end, inwards in ((found.low, 1e-9), (found.high, -1e-9)):
        assert stats.wilcoxon(values - end - inwards, method="exact").pvalue > 0.05
        assert stats.wilcoxon(values - end + inwards, method="exact").pvalue <= 0.05


def test_too_few_values_have_no_signed_rank_interval() -> None:
    values = np.arange(6) + 1.0
    assert signed_rank(values[:5], level=0.95) is None  # 2 / 2^5 = 6 %
    assert signed_rank(values, level=0.95).low == 1.0  # 2 / 2^6 = 3 %: all pairs are above 0
    assert signed_rank(values, level=0.99) is None


def test_signed_rank_covers_without_a_normal_distribution() -> None:
    rng = np.random.default_rng(4)

    def draw():
        return signed_rank(0.3 + rng.standard_t(2, size=8), level=0.95)

    assert 0.94 <= coverage(draw, 0.3, 2000) <= 0.99
