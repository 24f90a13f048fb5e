"""``python -m bench.verdicts``: how often verdicts are wrong where nobody is better than anybody.

Made-up worlds whose truth is known, with all that makes real scores awkward: four
to twenty donors, bounded scores counted over few cells, trainings that differ as
much as donors do, one set of training donors for all test donors, or overlapping
ones. Each draw is a family of contestants against a reference, judged by the code
that judges studies.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from board.gain import gain
from board.intervals import family_level
from board.samples import Sample
from board.verdict import word
from contract.cli import table

FAMILY = 8
MARGIN = 0.02
LEVEL = 0.95
SD = 0.5  # of donors, of contestants in donors, and of trainings, in logits


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Draw:
    """A reference and its contestants, their true values (M + 1,), and how many donors were learned from."""

    samples: Sequence[Sample]
    truth: np.ndarray
    learned_from: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """Of so many ``families``, the shares with a false "better" and with any false word.

    ``coverage`` is the share of single 95 % intervals that hold the true gain; ``narrow``
    the same without the allowance for the donors that were learned from.
    """

    world: str
    donors: int
    families: int
    coverage: float
    narrow: float
    false_better: float
    false_word: float


World = Callable[[np.random.Generator, int], Draw]


def trainings(
    rng: np.random.Generator, donors: int, *, seeds: int, logit: float = 1.0, cells: int = 30
) -> Draw:
    """Accuracies over so many cells a donor, about ``expit(logit)``; trainings differ as much as donors do.

    Five trainings speak about the recipe, and all recipes are equal. One speaks about
    itself, and its true value is that of its own training over all donors.
    """
    own = rng.normal(0, SD, (FAMILY + 1, seeds, 1))
    logits = logit + rng.normal(0, SD, donors) + rng.normal(0, SD, (FAMILY + 1, 1, donors)) + own
    values = rng.binomial(cells, expit(logits)) / cells
    many = seeds >= 5
    truth = np.zeros(FAMILY + 1) if many else _mean_over_donors(logit + own[..., 0]).mean(axis=1)
    return Draw(samples=[_per_donor(table) for table in values], truth=truth, learned_from=None)


def _mean_over_donors(logit: np.ndarray) -> np.ndarray:
    """Mean of the logistic function over the donors' normal spread, by Gauss-Hermite quadrature."""
    points, weights = np.polynomial.hermite_e.hermegauss(40)
    return expit(logit[..., None] + np.sqrt(2) * SD * points) @ weights / weights.sum()


def pooled(rng: np.random.Generator, donors: int) -> Draw:
    """Macro-F1 over the cells of all donors, which differ in size: a set-level value and its jackknife."""
    types, sizes = 3, np.exp(rng.uniform(*np.log([20, 1000]), donors)).astype(int)
    share = rng.dirichlet(np.full(types, 4.0), donors)
    samples = []
    for _ in range(FAMILY + 1):
        hit = expit(1 + rng.normal(0, SD, (donors, 1)) + rng.normal(0, SD, (donors, types)))
        cells = rng.multinomial(sizes, share)
        right = rng.binomial(cells, hit)
        wrong = cells - right
        taken = wrong.sum(axis=1, keepdims=True) - wrong  # an error goes to one of the other types
        counts = np.stack([right, wrong, taken / (types - 1)])
        left = counts.sum(axis=1, keepdims=True) - counts
        whole = np.array([_macro_f1(counts.sum(axis=1))])
        samples.append(_sample(whole, _macro_f1(left)[None], cells=sizes, per_unit=False))
    return Draw(samples=samples, truth=np.zeros(FAMILY + 1), learned_from=None)


def _macro_f1(counts: np.ndarray) -> np.ndarray:
    right, missed, taken = counts
    return (2 * right / (2 * right + missed + taken)).mean(axis=-1)


def folds(rng: np.random.Generator, donors: int, *, k: int) -> Draw:
    """Nearest-centroid probes on equally good features, in ``k`` folds of donors: training sets overlap."""
    fold = np.arange(donors) % k
    samples = []
    for _ in range(FAMILY + 1):
        cells, scores = _cells(rng, donors), np.empty(donors)
        for test in (fold == i for i in range(k)):
            scores[test] = _nearest_centroid(cells[~test], cells[test])
        samples.append(_per_donor(scores[None]))
    return Draw(samples=samples, truth=np.zeros(FAMILY + 1), learned_from=round(donors * (1 - 1 / k)))


def split(rng: np.random.Generator, donors: int, *, train: int) -> Draw:
    """The same probes, all fitted on one and the same set of ``train`` other donors."""
    samples = []
    for _ in range(FAMILY + 1):
        cells = _cells(rng, train + donors)
        samples.append(_per_donor(_nearest_centroid(cells[:train], cells[train:])[None]))
    return Draw(samples=samples, truth=np.zeros(FAMILY + 1), learned_from=train)


def _cells(
    rng: np.random.Generator, donors: int, *, types: int = 4, n: int = 15, width: int = 6
) -> np.ndarray:
    """Features (donors, types, n, width); each donor shifts all of its cells, and each of its types."""
    shift = rng.standard_normal((donors, 1, 1, width)) + rng.standard_normal((donors, types, 1, width))
    return 1.5 * np.eye(types, width)[:, None] + shift + rng.standard_normal((donors, types, n, width))


def _nearest_centroid(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Accuracy in each test donor."""
    centre = train.mean(axis=(0, 2))
    nearest = (test @ centre.T - (centre**2).sum(axis=1) / 2).argmax(axis=-1)
    return (nearest == np.arange(len(centre))[:, None]).mean(axis=(1, 2))


def _per_donor(values: np.ndarray) -> Sample:
    return _sample(values.mean(axis=1), values, cells=np.ones(values.shape[1]), per_unit=True)


def _sample(whole: np.ndarray, parts: np.ndarray, *, cells: np.ndarray, per_unit: bool) -> Sample:
    units = tuple(f"donor:{i}" for i in range(len(cells)))
    return Sample(units=units, whole=whole, parts=parts, cells=cells, per_unit=per_unit, reason="")


WORLDS: Mapping[str, World] = {
    "five trainings": lambda rng, donors: trainings(rng, donors, seeds=5),
    "one training": lambda rng, donors: trainings(rng, donors, seeds=1),
    "near the top": lambda rng, donors: trainings(rng, donors, seeds=5, logit=3, cells=10),
    "pooled F1": pooled,
    "two folds": lambda rng, donors: folds(rng, donors, k=2),
    "four folds": lambda rng, donors: folds(rng, donors, k=4),
    "one split": lambda rng, donors: split(rng, donors, train=max(2, donors // 2)),
}


def measure(world: str, *, donors: int, families: int, seed: int) -> Rates:
    """Judge so many families of one world."""
    rng = np.random.default_rng([seed, donors])
    inside, narrow, better, false = [], [], 0, 0
    for _ in range(families):
        draw = WORLDS[world](rng, donors)
        words = set()
        for own, true in zip(draw.samples[1:], draw.truth[1:] - draw.truth[0], strict=True):
            words |= _false_words(draw, own, true)
            inside.append(_covers(draw, own, true, learned_from=draw.learned_from))
            narrow.append(_covers(draw, own, true, learned_from=None))
        better += "better" in words
        false += bool(words)
    return Rates(
        world=world,
        donors=donors,
        families=families,
        coverage=float(np.mean(inside)),
        narrow=float(np.mean(narrow)),
        false_better=better / families,
        false_word=false / families,
    )


def _false_words(draw: Draw, own: Sample, true: float) -> set[str]:
    found = _interval(draw, own, level=family_level(LEVEL, size=FAMILY), learned_from=draw.learned_from)
    said = word(found, margin=MARGIN) if found else ""
    wrong = {"better": true <= 0, "worse": true >= 0, "equivalent": abs(true) >= MARGIN}
    return {said} if wrong.get(said) else set()


def _covers(draw: Draw, own: Sample, true: float, *, learned_from: int | None) -> bool:
    """Where there is no interval there is none that misses."""
    found = _interval(draw, own, level=LEVEL, learned_from=learned_from)
    return found is None or found.low <= true <= found.high


def _interval(draw: Draw, own: Sample, *, level: float, learned_from: int | None):
    return gain(
        own,
        draw.samples[0],
        sign=1,
        level=level,
        fixed=(False, False),
        planned=len(own.whole),
        kind="donor",
        learned_from=learned_from,
    ).interval


def main() -> None:
    """Print one line for each world and number of donors."""
    parser = argparse.ArgumentParser(prog="python -m bench.verdicts", description=__doc__.splitlines()[0])
    parser.add_argument("--families", type=int, default=1000, help="families a line (default: 1000)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    found = [
        measure(world, donors=donors, families=args.families, seed=args.seed)
        for world in WORLDS
        for donors in (4, 6, 10, 20)
    ]
    print(f"families of {FAMILY} at {LEVEL:.0%}; nobody is better; {args.families} families a line\n")
    print(table([_shown(one) for one in found], columns=tuple(_shown(found[0]))))


def _shown(found: Rates) -> dict[str, str]:
    numbers = ("coverage", "narrow", "false_better", "false_word")
    return {"world": found.world, "donors": str(found.donors)} | {
        name: f"{getattr(found, name):.3f}" for name in numbers
    }


if __name__ == "__main__":
    main()
