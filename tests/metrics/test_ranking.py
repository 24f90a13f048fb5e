"""Rank sets: they must hold the true ranks as often as they say, and refuse what cannot be ranked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from metrics import RankSet, Undefined, rank_sets

NAMES = ("a", "b", "c", "d", "e")


def drawn(means: np.ndarray, *, seed: int, n_units: int) -> dict[str, np.ndarray]:
    """Values with effects of units that all contestants share, and noise of unequal size."""
    random = np.random.default_rng(seed)
    shared = 3 * random.normal(size=n_units)
    noise = random.normal(size=(len(means), n_units)) * np.linspace(0.3, 1.5, len(means))[:, None]
    return dict(zip(NAMES, means[:, None] + shared + noise, strict=False))


@pytest.mark.parametrize(
    "means", [np.zeros(5), np.array([0.0, 0, 1, 1, 3]), np.arange(5.0)], ids=["ties", "some ties", "apart"]
)
@pytest.mark.parametrize("n_units", [4, 8])
def test_all_true_ranks_are_covered_together(means: np.ndarray, n_units: int) -> None:
    truth = {name: 1 + int((means > mean).sum()) for name, mean in zip(NAMES, means, strict=True)}
    held = np.empty((500, 5), dtype=bool)
    for seed in range(500):
        found = rank_sets(drawn(means, seed=seed, n_units=n_units))
        held[seed] = [found[name].best <= truth[name] <= found[name].worst for name in NAMES]
    assert held.mean() >= 0.95
    # All five at once: 4,000 other draws gave 0.958 to 0.999; here within three errors of 0.95.
    assert held.all(axis=1).mean() >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 500)


def test_more_units_say_more() -> None:
    def width(n_units: int) -> int:
        found = rank_sets(drawn(0.7 * np.arange(5.0), seed=1, n_units=n_units)).values()
        return sum(one.worst - one.best for one in found)

    assert width(4) > width(12) > width(400) == 0


def test_two_contestants_are_a_paired_t_test() -> None:
    for seed in range(40):
        values = drawn(np.array([0.0, 0.8]), seed=seed, n_units=6)
        p = ttest_rel(values["a"], values["b"]).pvalue
        apart = rank_sets(values, level=0.9)["a"].best == rank_sets(values, level=0.9)["a"].worst
        assert apart == (p < 0.1)


def test_orientation() -> None:
    values = {"far": np.array([9.0, 8, 9, 8]), "near": np.array([1.0, 2, 1.5, 1])}
    assert rank_sets(values)["far"] == RankSet(best=1, worst=1, mean=8.5)
    assert rank_sets(values, higher_is_better=False)["far"] == RankSet(best=2, worst=2, mean=8.5)


def test_one_contestant_and_twins() -> None:
    assert rank_sets({}) == {}
    assert rank_sets({"a": np.arange(4.0)}) == {"a": RankSet(best=1, worst=1, mean=1.5)}
    rising, shaky = np.arange(5.0), np.array([0.0, 0.5, 0, 0.3, 0.1])
    twins = rank_sets({"a": rising, "b": rising, "c": 100 + rising + shaky})
    assert (twins["a"].best, twins["a"].worst) == (twins["b"].best, twins["b"].worst) == (2, 3)
    assert (twins["c"].best, twins["c"].worst) == (1, 1)
    equal = rank_sets(
        {"a": rising, "c": 100 + rising}
    )  # ahead by 100 in every unit: nothing tells how surely
    assert (equal["c"].best, equal["c"].worst) == (1, 2)
    assert rank_sets(dict.fromkeys("ab", np.zeros(4)))["a"] == RankSet(best=1, worst=2, mean=0.0)


def test_what_cannot_be_ranked() -> None:
    with pytest.raises(Undefined, match="3 units; at least 4"):
        rank_sets({"a": [1.0, 2, 3], "b": [1.0, 2, 4]})
    with pytest.raises(Undefined, match="missing for b"):
        rank_sets({"a": [1.0, 2, 3, 4], "b": [1.0, np.nan, 4, 4]})
    with pytest.raises(ValueError, match="differ in units"):
        rank_sets({"a": [1.0, 2, 3, 4], "b": [1.0, 4, 4]})
    with pytest.raises(ValueError, match="level"):
        rank_sets({"a": [1.0, 2, 3, 4]}, level=95)


@given(
    st.lists(st.lists(st.integers(-5, 5), min_size=5, max_size=5), min_size=1, max_size=5),
    st.integers(-50, 50),
)
def test_sets_are_ranks_and_follow_the_means(rows: list[list[int]], shift: int) -> None:
    values = {name: np.array(row, dtype=float) for name, row in zip(NAMES, rows, strict=False)}
    found = rank_sets(values)
    for name, one in found.items():
        better = sum(values[other].mean() > values[name].mean() for other in values)
        assert 1 <= one.best <= 1 + better <= one.worst <= len(values)
    # A unit that is easy for all changes no rank.
    easier = {name: row + shift * np.arange(5) for name, row in values.items()}
    assert {n: (s.best, s.worst) for n, s in rank_sets(easier).items()} == {
        n: (s.best, s.worst) for n, s in found.items()
    }
