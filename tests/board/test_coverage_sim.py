"""Where nobody is better, a family may say so in one case of twenty at most: simulated, seeded."""

import pytest

from bench.verdicts import WORLDS, measure

FAMILIES = 40


@pytest.fixture(scope="module", params=WORLDS)
def rates(request):
    """The same world with four to twenty donors; the larger version is ``python -m bench.verdicts``."""
    return [measure(request.param, donors=donors, families=FAMILIES, seed=1) for donors in (4, 6, 10, 20)]


def test_false_words_of_a_family_stay_below_five_per_cent(rates) -> None:
    assert sum(one.false_better for one in rates) / len(rates) <= 0.05
    assert sum(one.false_word for one in rates) / len(rates) <= 0.05


def test_intervals_hold_the_truth(rates) -> None:
    assert sum(one.coverage for one in rates) / len(rates) >= 0.935


def test_without_room_for_the_donors_learned_from_they_would_not() -> None:
    """So that nobody takes the allowance for a luxury."""
    found = [measure("two folds", donors=donors, families=FAMILIES, seed=1) for donors in (6, 10)]
    assert max(one.narrow for one in found) < 0.92
