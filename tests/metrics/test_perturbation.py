"""Predicted perturbations: what each score sees and what it is blind to."""

import numpy as np
import pytest

import metrics
from metrics import Undefined
from metrics.perturbation import mean_effect

RANDOM = np.random.default_rng(0)
CONTROL = RANDOM.gamma(1.0, size=60)
SHARED = RANDOM.normal(size=60)
OBSERVED = {name: CONTROL + SHARED + RANDOM.normal(size=60) for name in "abcdef"}
CENTROID = mean_effect(OBSERVED)


def test_the_mean_predictor_looks_good_against_control_only() -> None:
    """Systema's point: the shift that all perturbations share is enough to score."""
    against_control = [metrics.pearson_delta(CENTROID, truth, CONTROL) for truth in OBSERVED.values()]
    assert np.mean(against_control) > 0.5
    with pytest.raises(Undefined, match="does not differ from the reference"):
        metrics.pearson_delta(CENTROID, OBSERVED["a"], CENTROID)
    assert metrics.systematic_variation(OBSERVED, CONTROL) > 0.5
    constant = metrics.centroid_accuracy(dict.fromkeys(OBSERVED, CENTROID), OBSERVED)
    assert np.mean(list(constant.values())) == pytest.approx(0.5)
    assert set(metrics.centroid_accuracy(OBSERVED, OBSERVED).values()) == {1.0}


def test_ties_count_against() -> None:
    same = {"a": CONTROL, "b": CONTROL}
    assert metrics.centroid_accuracy(same, same) == {"a": 0.0, "b": 0.0}


def test_correlation_is_blind_to_size_and_distance_is_not() -> None:
    truth = OBSERVED["a"]
    half = CONTROL + 0.5 * (truth - CONTROL)
    assert metrics.pearson_delta(half, truth, CONTROL) == pytest.approx(1)
    assert metrics.delta_overlap(half, truth, CONTROL) == 1
    assert metrics.l2(half, truth) == pytest.approx(0.5 * np.linalg.norm(truth - CONTROL))
    assert metrics.mse(half, truth) == pytest.approx(metrics.l2(half, truth) ** 2 / 60)


def test_overlap_by_chance_is_n_of_g() -> None:
    random = np.random.default_rng(1)
    noise = CONTROL + random.normal(size=(200, 60))
    found = [metrics.delta_overlap(guess, OBSERVED["a"], CONTROL) for guess in noise]
    assert np.mean(found) == pytest.approx(20 / 60, abs=0.03)


def test_no_number_where_there_is_no_question() -> None:
    truth = OBSERVED["a"]
    with pytest.raises(Undefined, match="does not differ from the control"):
        metrics.delta_overlap(CONTROL, truth, CONTROL)
    with pytest.raises(Undefined, match="20 genes; more than 20"):
        metrics.delta_overlap(truth[:20], truth[:20], CONTROL[:20])
    with pytest.raises(Undefined, match="NaN"):
        metrics.l2(np.where(truth > 1, np.nan, truth), truth)
    with pytest.raises(Undefined, match="no genes"):
        metrics.l2([], [])
    with pytest.raises(Undefined):
        metrics.pearson_delta([1.0], [2.0], [0.0])
    with pytest.raises(Undefined, match="1 perturbation"):
        metrics.centroid_accuracy({"a": truth}, {"a": truth})
    with pytest.raises(Undefined, match="1 perturbations; at least 2"):
        metrics.systematic_variation({"a": truth}, CONTROL)
    with pytest.raises(ValueError, match="predicted but not observed"):
        metrics.centroid_accuracy({"z": truth}, OBSERVED)
    with pytest.raises(ValueError, match="differ in shape"):
        metrics.mse(truth, truth[1:])
    assert metrics.l2(truth.astype(np.float32), CONTROL) == pytest.approx(
        metrics.l2(truth, CONTROL), rel=1e-5
    )
