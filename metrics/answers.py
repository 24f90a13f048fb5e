"""Answers against truths: named types, confidences, novelty."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score, roc_curve

from metrics.checks import Floats, Ints, Undefined

BINS = 10


def _pair(truth: ArrayLike, answer: ArrayLike) -> tuple[NDArray, Ints, Ints]:
    """Return the distinct names and both columns as indices into them."""
    a, b = np.asarray(truth), np.asarray(answer)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"truths and answers differ in shape: {a.shape} and {b.shape}")
    if not len(a):
        raise Undefined("no cells")
    names, index = np.unique(np.concatenate([a, b]).astype(str), return_inverse=True)
    return names, index[: len(a)], index[len(a) :]


def accuracy(truth: ArrayLike, answer: ArrayLike) -> float:
    """Share of cells (N,) named rightly: 0 to 1, 1 best; chance is the share of the largest type."""
    _, a, b = _pair(truth, answer)
    return float((a == b).mean())


def balanced_accuracy(truth: ArrayLike, answer: ArrayLike) -> float:
    """Mean recall over the types in ``truth``: 0 to 1, 1 best, chance 1 / types. One type: Undefined."""
    names, a, b = _pair(truth, answer)
    counts = np.bincount(a, minlength=len(names))
    if (counts > 0).sum() < 2:
        raise Undefined("1 type among the truths; at least 2 are needed")
    hits = np.bincount(a[a == b], minlength=len(names))
    return float((hits[counts > 0] / counts[counts > 0]).mean())


def macro_f1(truth: ArrayLike, answer: ArrayLike, *, true_labels_only: bool = False) -> float:
    """Mean F1 over types: 0 to 1, 1 best. Undefined with one type among the truths.

    Over the types in truth or answer (a type only answered adds a zero), or only those in truth.
    """
    _, a, b = _pair(truth, answer)
    if len(np.unique(a)) < 2:
        raise Undefined("1 type among the truths; at least 2 are needed")
    chosen = np.unique(a) if true_labels_only else np.union1d(a, b)
    return float(f1_score(a, b, labels=chosen, average="macro", zero_division=0.0))


def kappa(truth: ArrayLike, answer: ArrayLike) -> float:
    """Cohen's kappa: -1 to 1, 1 best, 0 chance. Undefined where chance alone explains everything."""
    names, a, b = _pair(truth, answer)
    shares = [np.bincount(side, minlength=len(names)) / len(a) for side in (a, b)]
    chance = float(shares[0] @ shares[1])
    if chance >= 1:
        raise Undefined("one and the same type on both sides")
    return (float((a == b).mean()) - chance) / (1 - chance)


def expected_calibration_error(correct: ArrayLike, confidence: ArrayLike, *, bins: int = BINS) -> float:
    """Mean gap of confidence (N,) and share ``correct`` (N,) over equal-width bins: 0 best, 1 worst.

    ``confidence`` is the probability given to the answer, 0 to 1. O(N). Source: 10.1609/aaai.v29i1.9602.
    """
    right, stated = np.asarray(correct, dtype=np.float64), np.asarray(confidence, dtype=np.float64)
    if right.shape != stated.shape or right.ndim != 1:
        raise ValueError(f"answers and confidences differ in shape: {right.shape} and {stated.shape}")
    if not len(right):
        raise Undefined("no cells")
    if not np.isfinite(stated).all():
        raise Undefined("confidences hold NaN or infinite values")
    if stated.min() < 0 or stated.max() > 1:
        raise ValueError(f"confidences lie in {stated.min():g} to {stated.max():g}, expected 0 to 1")
    place = np.minimum((stated * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(place, weights=right - stated, minlength=bins)
    return float(np.abs(gaps).sum() / len(right))


def _novelty(is_novel: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    novel, scores = np.asarray(is_novel).astype(bool), np.asarray(score, dtype=np.float64)
    if novel.shape != scores.shape or novel.ndim != 1:
        raise ValueError(f"flags and scores differ in shape: {novel.shape} and {scores.shape}")
    if np.isnan(scores).any():
        raise Undefined("scores hold NaN")
    if novel.all() or not novel.any():
        raise Undefined("novel and known cells are both needed")
    return novel, scores


def auroc(is_novel: ArrayLike, score: ArrayLike) -> float:
    """Probability that a novel cell scores above a known one: 0 to 1, 1 best, 0.5 chance."""
    return float(roc_auc_score(*_novelty(is_novel, score)))


def aupr(is_novel: ArrayLike, score: ArrayLike) -> float:
    """Average precision for novel cells: 0 to 1, 1 best; chance is the share of novel cells."""
    return float(average_precision_score(*_novelty(is_novel, score)))


def fpr95(is_novel: ArrayLike, score: ArrayLike, *, closest: bool = False) -> float:
    """Share of known cells flagged where at least 95 % of novel ones are: 0 best, 1 worst.

    ``closest`` takes the last point whose recall is nearest to 95 %, as the notebook of Wu et al. does
    (10.1186/s13059-025-03781-6): a different number.
    """
    false_rate, recall, _ = roc_curve(*_novelty(is_novel, score), drop_intermediate=False)
    if closest:
        gap = np.abs(recall - 0.95)
        return float(false_rate[gap <= gap.min() + 1e-12].max())
    return float(false_rate[recall >= 0.95].min())
