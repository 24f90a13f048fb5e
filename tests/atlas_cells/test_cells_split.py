import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas.split import split_parts

words = st.sampled_from(["a", "b", "c", "d", "e", None])


def _split(units, *, batches=None, labels=None, fraction=0.5, seed=0):
    blank = [None] * len(units)
    return split_parts(
        units, batches=batches or blank, labels=labels or blank, test_fraction=fraction, seed=seed
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(words, min_size=1, max_size=40), st.floats(0.1, 0.9), st.integers(0, 5))
def test_units_stay_whole_and_both_sides_exist(units, fraction, seed):
    parts = _split(units, fraction=fraction, seed=seed)
    names = {unit for unit in units if unit is not None}
    if len(names) < 2:
        assert set(parts) == {"test"}
        return
    by_unit = {name: {p for p, u in zip(parts, units, strict=True) if u == name} for name in names}
    assert all(len(found) == 1 for found in by_unit.values())
    assert set.union(*by_unit.values()) == {"train", "test"}
    assert all((p == "excluded") == (u is None) for p, u in zip(parts, units, strict=True))


def test_same_seed_same_split_and_order_of_cells_does_not_matter():
    units = [f"d{i % 9}" for i in range(90)]
    first = _split(units, seed=3)
    np.testing.assert_array_equal(first, _split(units, seed=3))
    np.testing.assert_array_equal(first[::-1], _split(units[::-1], seed=3))
    assert any((_split(units, seed=s) != first).any() for s in range(5))


def test_the_test_side_is_near_the_asked_fraction():
    units = [f"d{i % 20}" for i in range(400)]
    for fraction in (0.2, 0.5, 0.8):
        assert abs((_split(units, fraction=fraction) == "test").mean() - fraction) < 0.03


def test_a_batch_of_several_donors_is_on_both_sides():
    """Two batches of two donors each: 2 of the 6 even cuts leave a batch on one side."""
    units = [f"d{i % 4}" for i in range(40)]
    batches = [f"b{i % 4 // 2}" for i in range(40)]
    for seed in range(20):
        parts = _split(units, batches=batches, seed=seed)
        for batch in ("b0", "b1"):
            assert {p for p, b in zip(parts, batches, strict=True) if b == batch} == {"train", "test"}


def test_a_label_of_one_donor_is_trained_on():
    units = [f"d{i % 4}" for i in range(40)]
    labels = ["rare" if unit == "d2" else "common" for unit in units]
    for seed in range(20):
        parts = _split(units, labels=labels, seed=seed)
        assert "train" in {p for p, label in zip(parts, labels, strict=True) if label == "rare"}
