"""At a glance: each contestant's word and gain on each data set, one table a task and access."""

from dataclasses import dataclass

from board.evidence import Comparison, Evidence
from board.results import Results
from board.text import number
from board.whitened import MARK


@dataclass(frozen=True, kw_only=True, slots=True)
class Spot:
    """One comparison: its word and its mark, its gain, and the id of the table where it stands in full."""

    word: str
    mark: str
    gain: str
    order: float | None
    table: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Glance:
    """One task and access: data sets across, contestants down; a null spot was not run."""

    task: str
    access: str
    datasets: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Spot | None, ...]], ...]


def glances(results: Results, evidence: Evidence) -> list[Glance]:
    """All comparisons but the controls', in the study's order; data sets that were refused are left out."""
    found = [c for c in evidence.comparisons if not c.control and results.dataset(c.dataset).ok]
    keys = sorted(
        {(c.task, c.access) for c in found}, key=lambda key: (results.study.tasks.index(key[0]), key[1])
    )
    return [_glance(results, [c for c in found if (c.task, c.access) == key], *key) for key in keys]


def _glance(results: Results, found: list[Comparison], task: str, access: str) -> Glance:
    spots = {(c.model, c.dataset): _spot(c) for c in found}
    study = results.study
    datasets = [name for name in study.datasets if any(name == c.dataset for c in found)]
    models = [name for name in study.models if any(name == c.model for c in found)]
    lines = tuple((model, tuple(spots.get((model, name)) for name in datasets)) for model in models)
    return Glance(task=task, access=access, datasets=tuple(datasets), lines=lines)


def _spot(c: Comparison) -> Spot:
    return Spot(
        word=c.word.partition(":")[0],
        mark=MARK if c.geometry_dependent else "",
        gain=number(c.gain.value, sign=True),
        order=c.gain.value,
        table=f"gain-{c.task}-{c.dataset}-{c.access}",
    )
