"""Simulated answers whose truth is known: names of types, scores of novelty, predicted perturbations."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.response_cells import COMPOSITION, TERMS, TYPES, Floats, mixed_up

GENES, PERTURBATIONS, PROGRAMMES = 300, 12, 5
NOVEL = 6  # the type that no training cell had, as far as novelty is concerned; 7 is its sibling


@dataclass(frozen=True)
class Answers:
    """Names of N cells with ids and confidences (N,), novelty of the same cells, P perturbations of G genes.

    ``is_novel`` and ``score`` (N,): a high score says that a cell is of no known type.
    """

    truth: NDArray
    answer: NDArray
    truth_ids: NDArray
    answer_ids: NDArray
    confidence: Floats
    is_novel: NDArray[np.bool_]
    score: Floats
    control: Floats
    observed: dict[str, Floats]
    predicted: dict[str, Floats]


def answers(
    seed: int, *, wrong_truth: float = 0.0, wrong_answer: float = 0.0, easy_answer: float = 0.0
) -> Answers:
    """Make answers that are right in 8 of 10 cases; each level from 0, as they are, to 1.

    ``wrong_truth``: share of cells whose truths are dealt out anew (of profiles: noise of the observed
    change). ``wrong_answer``: the same done to the answers (each prediction moves to that for another
    perturbation). ``easy_answer``: share of cells for which the answer is the sibling of the true type,
    of the novel type's siblings that look novel, and how far predictions move to their mean.
    """
    random = np.random.default_rng(seed)
    kind = np.repeat(np.arange(len(TYPES)), COMPOSITION.sum(axis=0))
    n = len(kind)
    confidence = random.uniform(0.6, 1.0, n)
    right, near = random.random(n) < confidence, random.random(n) < 0.5
    guess = np.where(right, kind, np.where(near, kind ^ 1, random.integers(len(TYPES), size=n)))
    novel = kind == NOVEL
    score = random.normal(size=n) + 2.0 * novel
    order, chance = random.permutation(n), random.random(n)
    easy = random.random(n) < easy_answer
    truth = mixed_up(kind, order, chance < wrong_truth)
    guess = mixed_up(np.where(easy, kind ^ 1, guess), order, chance < wrong_answer)
    score = score + 2.0 * (easy & (kind == NOVEL ^ 1))
    control, observed, predicted = _profiles(
        random, wrong_truth=wrong_truth, wrong_answer=wrong_answer, easy_answer=easy_answer
    )
    return Answers(
        truth=TYPES[truth],
        answer=TYPES[guess],
        truth_ids=TERMS[truth],
        answer_ids=TERMS[guess],
        confidence=confidence,
        is_novel=mixed_up(novel, order, chance < wrong_truth),
        score=mixed_up(score, order, chance < wrong_answer),
        control=control,
        observed=observed,
        predicted=predicted,
    )


def _profiles(
    random: Generator, *, wrong_truth: float, wrong_answer: float, easy_answer: float
) -> tuple[Floats, dict[str, Floats], dict[str, Floats]]:
    """Return a control (G,), and observed and predicted profiles that share a shift away from it."""
    control = random.gamma(2.0, 0.5, GENES)
    shared = 0.4 * random.normal(size=GENES)
    programmes = random.normal(size=(PROGRAMMES, GENES)) / np.sqrt(PROGRAMMES)
    own, miss, noise = 0.4 * random.normal(size=(3, PERTURBATIONS, PROGRAMMES)) @ programmes
    observed = control + shared + own + wrong_truth * noise
    other = (1 - wrong_answer) * own + wrong_answer * np.roll(own, 1, axis=0)
    guess = (1 - easy_answer) * other + easy_answer * other.mean(axis=0)
    names = [f"gene {i}" for i in range(PERTURBATIONS)]
    return (
        control,
        dict(zip(names, observed, strict=True)),
        dict(zip(names, control + shared + guess + 0.5 * miss, strict=True)),
    )
