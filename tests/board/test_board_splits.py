"""Several splits of one data set: folds, or the same split drawn again."""

import numpy as np
import pytest
from made_up import BASE, PER_UNIT, WIGGLE, compared, frame, row, rows_of, study, unit_rows

from board.samples import primary_samples


def test_one_value_a_unit_training_and_split() -> None:
    with pytest.raises(ValueError, match="two values of one unit"):
        compared([*rows_of(unit_rows, BASE, **PER_UNIT), *unit_rows(BASE, model="scvi", **PER_UNIT)])


def test_units_of_several_splits_are_joined() -> None:
    """Two folds that test three units each are six units; a unit that both test has their mean."""
    gains = BASE + 0.1 + WIGGLE
    whole = compared(rows_of(unit_rows, gains, **PER_UNIT))
    folds = [r | {"split": str(int(r["unit"][-1]) // 3)} for r in rows_of(unit_rows, gains, **PER_UNIT)]
    assert compared(folds).gain == whole.gain
    twice = [
        r | {"split": split, "value": r["value"] + lift}
        for r in rows_of(unit_rows, gains, **PER_UNIT)
        for split, lift in (("0", 0.02), ("1", -0.02))
    ]
    assert compared(twice).gain.value == pytest.approx(whole.gain.value)
    lost = [r | {"value": None, "status": "failed"} if r is twice[0] else r for r in twice]
    assert compared(lost).gain.units == 5, "the mean of the folds that worked is another question"


def test_a_jackknife_over_splits_leaves_a_unit_out_of_those_that_test_it() -> None:
    """Against the jackknife of the mean over both splits, computed from units at once."""
    own, rival = BASE + 0.1 + WIGGLE, BASE
    rows = []
    for model, values in (("scvi", own), ("pca", rival)):
        for split, units in (("0", [0, 1, 2]), ("1", [3, 4, 5])):
            rows.append(row(model=model, split=split, value=values[units].mean(), n=300))
            for unit in units:
                rest = [other for other in units if other != unit]
                value = values[rest].mean()
                where = {"unit": f"without:donor:d{unit}", "n": 200}
                rows.append(row(model=model, split=split, value=value, **where))
    found = compared(rows).gain
    difference = own - rival
    assert found.value == pytest.approx(difference.mean())
    left_out = [
        (
            np.delete(difference[half], unit % 3).mean()
            + difference[[o for o in range(6) if o not in half]].mean()
        )
        / 2
        for unit in range(6)
        for half in [[0, 1, 2] if unit < 3 else [3, 4, 5]]
    ]
    sample = primary_samples(frame(rows), study().primary)["integration", "blood", "inductive"]
    gained = sample["scvi"].parts[0] - sample["pca"].parts[0]
    assert gained == pytest.approx(left_out)
    assert list(sample["scvi"].cells) == [100] * 6
