"""Which comparisons a study makes, and which of them can bear a verdict: settled before anything is scored.

Whoever can bear no verdict whatever its scores are is left out of the family, so
that it costs the others no certainty. What counts here: the study file, the
catalogue, cards, what corpora share with data sets, and how many units a split
leaves. What a run or a metric gave (failed, undefined, not applicable) never does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from board.gain import FEWEST_UNITS
from board.intervals import family_level
from board.results import DataSet, Results
from board.verdict import bar
from metrics.table import Metric
from tasks.study import Protocol
from tasks.table import TASKS

Key = tuple[str, str, str]
"""(task, data set, access)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One contestant beside the reference, as the study declares it.

    ``barred`` is the word and the reason where no value can earn a verdict, else two
    empty texts. ``units`` are those it is to be measured on.
    """

    task: str
    dataset: str
    access: str
    model: str
    control: bool
    simulated: bool
    label_source: str
    barred: tuple[str, str]
    units: int

    @property
    def key(self) -> Key:
        """Where it is compared."""
        return (self.task, self.dataset, self.access)

    @property
    def competes(self) -> bool:
        """Whether it is asked for evidence at all, on this data set or across data sets."""
        return not self.control and not self.barred[0]

    @property
    def testable(self) -> bool:
        """Whether it can bear a verdict on this data set alone."""
        return self.competes and self.units >= FEWEST_UNITS


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """``size`` words and intervals that hold together at ``together``; each is shown at ``level``."""

    size: int
    together: float

    @property
    def level(self) -> float:
        """Level of one interval (Bonferroni: whatever depends on what, and for every word at once)."""
        return family_level(self.together, size=self.size)


def entries(results: Results, metrics: Mapping[str, Metric]) -> list[Entry]:
    """Every (task, data set, access, contestant) of a study but the reference, in the study's order."""
    return list(_entries(results, metrics))


def _entries(results: Results, metrics: Mapping[str, Metric]) -> Iterator[Entry]:
    study = results.study
    entrants = [model for model in study.models if not results.is_control(model)]
    for task in study.tasks:
        asked = frozenset[str]().union(*(accesses(results, model, task=task) for model in entrants))
        metric = metrics[study.primary[task].metric]
        for dataset in study.datasets:
            for access in sorted(asked):
                for model in study.models:
                    if model != study.reference and access in accesses(results, model, task=task):
                        yield _entry(results, metric, key=(task, dataset, access), model=model)


def accesses(results: Results, model: str, *, task: str) -> frozenset[str]:
    """In which accesses a contestant runs for a task; one that never ran at all is taken for inductive."""
    found = frozenset(a for run in results.runs_of(model, task=task) for a in run.accesses)
    return found or (frozenset() if results.runs_of(model) else frozenset({"inductive"}))


def _entry(results: Results, metric: Metric, *, key: Key, model: str) -> Entry:
    task, dataset, access = key
    study, found = results.study, results.dataset(dataset)
    runs = results.runs_of(model, dataset=dataset, access=access, task=task)
    since = (found.report.get("entry") or {}).get("public_since", "")
    barred = _left_out(results, key=key, model=model)
    if not barred[0]:
        barred = bar(model, reference=study.reference, metric=metric, runs=runs, public_since=since)
    return Entry(
        task=task,
        dataset=dataset,
        access=access,
        model=model,
        control=results.is_control(model),
        simulated=found.simulated,
        label_source=str(found.report.get("label_source") or "not stated"),
        barred=barred,
        units=_units(found, task=task, access=access),
    )


def _left_out(results: Results, *, key: Key, model: str) -> tuple[str, str]:
    task, dataset, access = key
    found, family = results.dataset(dataset), results.study.family
    if not found.ok:
        return "no verdict", "the data set could not be prepared"
    if task not in found.report.get("tasks", results.study.tasks):
        return "no verdict", "the entry of the data set does not list this task"
    if access not in accesses(results, results.study.reference, task=task):
        return "no verdict", "the reference does not stand in this access"
    if not family.holds(task=task, dataset=dataset, access=access, model=model):
        return "exploratory", "outside the family that the study declared"
    return "", ""


def _units(entry: DataSet, *, task: str, access: str) -> int:
    """How many independent units the values are to rest on, by the split."""
    if entry.units == "none":
        return 0
    parts = entry.report.get("units_by_part", {})
    if TASKS[task].by_protocol:
        return sum(len(units) for units in parts.values())
    if access == "inductive" or TASKS[task].readouts:
        return len(parts.get("test", ()))
    return sum(len(units) for units in parts.values())


def learned_from(
    entry: DataSet, *, task: str, access: str, fits: set[str], protocol: Protocol | None = None
) -> int | None:
    """How many units the two sides, or a probe on them, were fitted on; null where nothing was.

    ``fits`` are what the runs of both sides were fitted on: ``train``, ``all``, ``none``. By a
    ``protocol`` each fold learns from the others.
    Where more than one number applies, the smaller one counts.
    """
    parts = entry.report.get("units_by_part", {})
    if protocol and TASKS[task].by_protocol:
        return protocol.learned_from(sum(len(units) for units in parts.values()))
    if not TASKS[task].readouts and fits <= {"none"}:
        return None
    if access == "transductive" and not TASKS[task].readouts:
        return sum(len(units) for units in parts.values())
    return len(parts.get("train", ()))
