"""Predicted against observed perturbation profiles: mean log expression (G,) of each condition."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from metrics.agreement import correlate
from metrics.checks import Floats, Ints, Undefined


def _profiles(*profiles: ArrayLike) -> list[Floats]:
    arrays = [np.asarray(profile, dtype=np.float64) for profile in profiles]
    if len({array.shape for array in arrays}) != 1 or arrays[0].ndim != 1:
        raise ValueError(f"profiles differ in shape: {[array.shape for array in arrays]}")
    if not arrays[0].size:
        raise Undefined("no genes")
    if not all(np.isfinite(array).all() for array in arrays):
        raise Undefined("a profile has NaN or infinite values")
    return arrays


def top_expressed(control: ArrayLike, n: int = 1000) -> Ints:
    """Genes (n,) with the highest control mean, ties by position; all where there are fewer."""
    return np.argsort(-_profiles(control)[0], kind="stable")[:n]


def top_changed(observed: ArrayLike, control: ArrayLike, n: int = 20) -> Ints:
    """Genes (n,) with the largest absolute change; chosen by the truth, so scores on them are inflated."""
    truth, base = _profiles(observed, control)
    return np.argsort(-np.abs(truth - base), kind="stable")[:n]


def l2(predicted: ArrayLike, observed: ArrayLike) -> float:
    """Euclidean distance of profiles, 0 best; published on ``top_expressed`` (10.1038/s41592-025-02772-6)."""
    guess, truth = _profiles(predicted, observed)
    return float(np.linalg.norm(guess - truth))


def mse(predicted: ArrayLike, observed: ArrayLike) -> float:
    """Mean squared error of two profiles: 0 best."""
    guess, truth = _profiles(predicted, observed)
    return float(np.square(guess - truth).mean())


def pearson_delta(predicted: ArrayLike, observed: ArrayLike, reference: ArrayLike) -> float:
    """Correlation of predicted and observed change from a reference: -1 to 1, 1 best.

    Undefined where one side does not change (predicting the reference), never 0. Blind to the size of the
    change: report ``l2`` beside it. Reference: the control, or the centroid of training perturbations
    (Systema, 10.1038/s41587-025-02777-8), which takes the shared shift away.
    """
    guess, truth, base = _profiles(predicted, observed, reference)
    value = correlate(guess - base, truth - base)
    if np.isnan(value):
        raise Undefined("a side does not differ from the reference, or differs equally in all genes")
    return value


def delta_overlap(predicted: ArrayLike, observed: ArrayLike, control: ArrayLike, *, n: int = 20) -> float:
    """Share of the n most changed genes that are also predicted among the n most changed: 0 to 1, 1 best.

    Chance n / G. Undefined where a side is the control, or with no more than n genes.
    """
    guess, truth, base = _profiles(predicted, observed, control)
    if len(base) <= n:
        raise Undefined(f"{len(base)} genes; more than {n} are needed")
    if np.array_equal(guess, base) or np.array_equal(truth, base):
        raise Undefined("a side does not differ from the control")
    return len(np.intersect1d(top_changed(guess, base, n), top_changed(truth, base, n))) / n


def additive_effect(control: ArrayLike, *singles: ArrayLike) -> Floats:
    """Control plus the sum of the changes of single perturbations (G,)."""
    base, *effects = _profiles(control, *singles)
    return base + sum(effect - base for effect in effects)


def mean_effect(profiles: Mapping[str, ArrayLike], *, cells: Mapping[str, int] | None = None) -> Floats:
    """Mean of perturbed profiles (G,), each counting once or by its number of cells."""
    names = sorted(profiles)
    weights = [1 if cells is None else cells[name] for name in names]
    return np.average(_profiles(*(profiles[name] for name in names)), axis=0, weights=weights)


def centroid_accuracy(
    predicted: Mapping[str, ArrayLike], observed: Mapping[str, ArrayLike]
) -> dict[str, float]:
    """Share of the other observed profiles strictly farther from a prediction than its own: 0 to 1, 1 best.

    0.5 on average for a constant prediction; ties count against. Undefined with one perturbation.
    Source: 10.1038/s41587-025-02777-8, systema@fe087c9.
    """
    if len(observed) < 2:
        raise Undefined("1 perturbation; at least 2 are needed")
    unknown = predicted.keys() - observed.keys()
    if unknown:
        raise ValueError(f"predicted but not observed: {sorted(unknown)}")
    return {name: _farther(profile, name, observed) for name, profile in predicted.items()}


def _farther(profile: ArrayLike, name: str, observed: Mapping[str, ArrayLike]) -> float:
    own = l2(profile, observed[name])
    return float(np.mean([l2(profile, other) > own for key, other in observed.items() if key != name]))


def systematic_variation(observed: Mapping[str, ArrayLike], reference: ArrayLike) -> float:
    """Mean cosine of each perturbation's change with the mean change: -1 to 1.

    High = perturbations share one shift against the reference, which rewards predicting the mean
    (10.1038/s41587-025-02777-8). Undefined with one perturbation, or one that changes nothing.
    """
    if len(observed) < 2:
        raise Undefined(f"{len(observed)} perturbations; at least 2 are needed")
    base, *profiles = _profiles(reference, *(observed[name] for name in sorted(observed)))
    changes = np.stack(profiles) - base
    mean = changes.mean(axis=0)
    sizes, shift = np.linalg.norm(changes, axis=1), np.linalg.norm(mean)
    if sizes.min() == 0 or shift <= 1e-12 * sizes.max():
        raise Undefined("a perturbation, or their mean, does not differ from the reference")
    return float((changes @ mean / (sizes * shift)).mean())
