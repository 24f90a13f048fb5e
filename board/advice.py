"""Which contestant to take for new data: rules of choice, each weighed by leaving one study out in turn.

A rule may use what the other studies showed, or what the training units of the data in hand show
(``tasks/beforehand.py``), never their test. What it costs to follow it is its *regret*: how far the
contestant that it picks stays behind the best one there. Each task, number of cells and kind of machine
is weighed by itself, from its own studies alone, or not at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from board.across import study_of
from board.evidence import Comparison, Evidence
from board.intervals import signed_rank
from board.results import Results, Run
from board.verdict import SHOWN_WORDS
from metrics.table import Metric
from tasks.table import BEFOREHAND, FEWEST_DATASETS

FEWEST_STUDIES = FEWEST_DATASETS
LEVEL = 0.95
ACCESSES = ("inductive", "transductive")
ANY_MACHINE, ANY_SIZE = "any machine", "any number"
HARDWARE = (("no GPU", 0), ("one GPU of 24 GiB", 24 * 2**30), (ANY_MACHINE, None))
"""What somebody has, and the peak of GPU memory (bytes) that a contestant may reach on it."""
SIZES = (
    ("under 5,000", (0, 5_000)),
    ("5,000 to 49,999", (5_000, 50_000)),
    ("50,000 and more", (50_000, None)),
    (ANY_SIZE, (0, None)),
)
"""Cells that somebody has: from the first number on, below the second (null: however many)."""
Bounds = tuple[int, int | None]
RULES = {
    "record": "who stayed least behind the best in the other studies",
    "15-NN": "the one who names left-out training units best, by 15-NN",
    "ROGI-XD": "the one over whose embedding the types of the training units are least rough",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """One contestant on one data set: its test ``score`` (higher is better), and what was known before it."""

    score: float
    knn: float
    rogi: float


Case = Mapping[str, Known]
"""Contestant → what is known of it, on one data set."""
Studies = Mapping[str, Sequence[Case]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One rule: mean regret (≥ 0) over left-out studies; in how many it was within the margin of the best."""

    rule: str
    regret: float
    close: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """What to do for a task, in one access, with so many cells, on one kind of machine.

    By which ``rule``, and whom the record names.
    """

    task: str
    access: str
    size: str
    hardware: str
    studies: int
    cells: tuple[int, int]
    trials: tuple[Trial, ...]
    rule: str
    record: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Advised:
    """All advice that the stored data bear, most general first; classes without any (``withheld``), and why.

    ``none`` says why there is no advice at all; empty where there is some.
    """

    lines: tuple[Advice, ...]
    withheld: tuple[str, ...]
    none: str


def advices(results: Results, evidence: Evidence, metrics: Mapping[str, Metric]) -> Advised:
    """Weigh every class of task, access, number of cells and machine that has studies enough of its own."""
    found, withheld, most = [], [], 0
    for task, access in [(task, access) for task in results.study.tasks for access in ACCESSES]:
        counts = {}
        for size, hardware, studies, cells in _classes(results, evidence, metrics, task=task, access=access):
            counts[size, hardware] = len(studies)
            if len(studies) >= FEWEST_STUDIES:
                place = {"task": task, "access": access, "size": size, "hardware": hardware}
                margin = results.study.primary[task].margin
                found.append(_advice(studies, cells=cells, margin=margin, place=place))
        most = max([most, *counts.values()])
        withheld += [f"{task}, {access}, {told}" for told in _withheld(counts)]
    real = len({study_of(entry) for entry in results.datasets if not entry.simulated})
    there = (
        f"there are {real}"
        if real < FEWEST_STUDIES
        else f"of {real} only {most} have all that the rules go by"
    )
    none = "" if found else f"it takes {FEWEST_STUDIES} studies of real cells, and {there}"
    return Advised(lines=tuple(found), withheld=tuple(withheld if found else ()), none=none)


def _classes(
    results: Results, evidence: Evidence, metrics: Mapping[str, Metric], *, task: str, access: str
) -> Iterator[tuple[str, str, Studies, tuple[int, int]]]:
    """Each number of cells and kind of machine, the most general first, with its studies and their cells."""
    sign = 1 if metrics[results.study.primary[task].metric].higher_is_better else -1
    before = beforehand(results, access=access)
    for size, bounds in reversed(SIZES):
        for hardware, limit in reversed(HARDWARE):
            of_class = {"limit": limit, "bounds": bounds, "before": before, "sign": sign}
            yield size, hardware, *cases(results, evidence, task=task, access=access, **of_class)


def _advice(studies: Studies, *, cells: tuple[int, int], margin: float, place: Mapping[str, str]) -> Advice:
    trials, regrets = weigh_rules(studies, margin=margin)
    record = pick("record", None, [case for own in studies.values() for case in own])
    about = {"trials": trials, "rule": best_rule(regrets), "record": record}
    return Advice(studies=len(studies), cells=cells, **about, **place)


def _withheld(counts: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """Classes with too few studies; not those inside another such one, nor where nobody entered."""
    if not any(counts.values()):
        return
    few = {one for one, number_of in counts.items() if number_of < FEWEST_STUDIES}
    for size, hardware in counts:
        wider = {(size, ANY_MACHINE), (ANY_SIZE, hardware), (ANY_SIZE, ANY_MACHINE)} - {(size, hardware)}
        if (size, hardware) in few and not wider & few:
            yield f"{size} of cells on {hardware}: {counts[size, hardware]}"


def cases(
    results: Results,
    evidence: Evidence,
    *,
    task: str,
    access: str,
    limit: int | None,
    bounds: Bounds,
    before: Mapping[tuple[str, str], Mapping[str, float]],
    sign: int,
) -> tuple[Studies, tuple[int, int]]:
    """Study → its data sets of two contestants or more, and the cells of the smallest and the largest.

    Real data alone, of so many cells (``bounds``). A contestant is in a case if all of ``Known`` is known of
    it (``before`` is of ``beforehand``), it had not seen the data set elsewhere, and it never needed more
    than ``limit`` bytes of GPU memory (null: any). ``sign`` is -1 where a lower value is better.
    """
    free = {(c.dataset, c.model) for c in evidence.comparisons if c.task == task and may_be_taken(c)}
    found: dict[str, list[Case]] = {}
    sizes = []
    for entry in (entry for entry in results.datasets if not entry.simulated):
        n = int(entry.report.get("n_cells") or 0)
        if not bounds[0] <= n < (bounds[1] or n + 1):
            continue
        samples = evidence.samples.get((task, entry.id, access), {})
        case = {
            model: Known(score=sign * sample.value, **before[entry.id, model])
            for model, sample in samples.items()
            if sample.value is not None
            and len(before.get((entry.id, model), ())) == 2
            and (model == results.study.reference or (entry.id, model) in free)
            and fits(results.runs_of(model, dataset=entry.id, access=access, task=task), limit=limit)
        }
        if len(case) > 1:
            found.setdefault(study_of(entry), []).append(case)
            sizes.append(n)
    return found, (min(sizes, default=0), max(sizes, default=0))


def beforehand(results: Results, *, access: str) -> dict[tuple[str, str], dict[str, float]]:
    """(data set, contestant) → ``knn`` and ``rogi`` of its training units, the means over trainings."""
    rows = results.rows
    rows = rows[(rows["unit"] == BEFOREHAND) & (rows["access"] == access) & (rows["status"] == "ok")]
    names = rows["metric"].map({"balanced_accuracy": "knn", "rogi_xd": "rogi"})
    means = rows.groupby([rows["dataset"], rows["model"], names])["value"].mean()
    found: dict[tuple[str, str], dict[str, float]] = {}
    for (dataset, model, name), value in means.items():
        found.setdefault((dataset, model), {})[name] = float(value)
    return found


def may_be_taken(c: Comparison) -> bool:
    """Whether a contestant is no control and had not seen the data set, as far as can be known."""
    return c.word in (*SHOWN_WORDS, "too few units", "no verdict", "exploratory")


def fits(runs: Sequence[Run], *, limit: int | None) -> bool:
    """Whether no run needed more GPU memory than this (null: as much as it likes)."""
    return limit is None or all((run.cost.get("peak_gpu_bytes") or 0) <= limit for run in runs)


def pick(rule: str, case: Case | None, others: Sequence[Case]) -> str:
    """Whom a rule names: for ``case`` by what was known there beforehand, or by the ``others``; ties by name.

    Whoever is in fewer than half of the others has no record; without ``case`` anybody may be named.
    """
    if rule == "record":
        behind: dict[str, list[float]] = {}
        for other in others:
            for model in other:
                behind.setdefault(model, []).append(regret(other, model))
        known = [m for m in behind if 2 * len(behind[m]) >= len(others) and (case is None or m in case)]
        return min(known or list(case or behind), key=lambda m: (fmean(behind.get(m, [0.0])), m))
    if rule == "15-NN":
        return min(case, key=lambda m: (-case[m].knn, m))
    return min(case, key=lambda m: (case[m].rogi, m))


def regret(case: Case, model: str) -> float:
    """How far a contestant stays behind the best one of a case (≥ 0)."""
    return max(known.score for known in case.values()) - case[model].score


def weigh_rules(studies: Studies, *, margin: float) -> tuple[tuple[Trial, ...], dict[str, np.ndarray]]:
    """Each rule on each study left out in turn: in short, and its regrets (S,), means over a study's sets."""
    regrets = {rule: np.array([_left_out(studies, name, rule) for name in studies]) for rule in RULES}
    trials = tuple(
        Trial(rule=rule, regret=float(own.mean()), close=int((own <= margin).sum()))
        for rule, own in regrets.items()
    )
    return trials, regrets


def _left_out(studies: Studies, name: str, rule: str) -> float:
    others = [case for other, own in studies.items() if other != name for case in own]
    return fmean(regret(case, pick(rule, case, others)) for case in studies[name])


def best_rule(regrets: Mapping[str, np.ndarray]) -> str:
    """ROGI-XD where it surely beats 15-NN (exact signed ranks over studies) and the record does not beat it.

    Otherwise the one of the two others with less regret, 15-NN where they are equal.
    """
    rest = min(("15-NN", "record"), key=lambda rule: regrets[rule].mean())
    saved = regrets["15-NN"] - regrets["ROGI-XD"]
    interval = signed_rank(saved, level=LEVEL)
    surely = interval is not None and interval.low > 0
    return "ROGI-XD" if surely and regrets["ROGI-XD"].mean() < regrets["record"].mean() else rest
