"""One contestant over many studies: signed ranks of its gains, where there are enough studies for that."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from board.family import Entry, Key
from board.gain import NO_SPREAD, Gain
from board.intervals import Interval, hodges_lehmann, signed_rank
from board.results import DataSet
from board.verdict import word
from tasks.study import Primary

FEWEST_STUDIES = 6  # below this no signed-rank interval of 95 % exists

Line = tuple[str, str, str, str]
"""(task, access, label source, contestant): what one verdict across data sets speaks about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Across:
    """A contestant's gains over the reference in S studies, and what they say together.

    ``gains`` has one value a study, the mean over its data sets. ``value`` is their
    Hodges-Lehmann median. ``missing`` are studies without a value on both sides.
    """

    task: str
    access: str
    label_source: str
    model: str
    gains: tuple[tuple[str, float], ...]
    missing: tuple[str, ...]
    value: float | None
    interval: Interval | None
    word: str
    reason: str


def study_of(entry: DataSet) -> str:
    """The study that a data set comes from: what it cites, so that donors of two sets count once."""
    return " ".join(str(entry.report.get("citation") or entry.id).split()).casefold()


def lines(entries: Iterable[Entry], datasets: Mapping[str, DataSet]) -> dict[Line, dict[str, list[str]]]:
    """Verdicts across data sets that a study declares: line → study → data sets.

    Real data only, one kind of labels at a time (labels made by clustering favour what
    resembles the clustering), and only from ``FEWEST_STUDIES`` studies on.
    """
    found: dict[Line, dict[str, list[str]]] = {}
    for entry in entries:
        if entry.competes and not entry.simulated:
            line = found.setdefault((entry.task, entry.access, entry.label_source, entry.model), {})
            line.setdefault(study_of(datasets[entry.dataset]), []).append(entry.dataset)
    return {line: studies for line, studies in found.items() if len(studies) >= FEWEST_STUDIES}


def across(
    line: Line,
    studies: Mapping[str, Sequence[str]],
    gains: Mapping[tuple[Key, str], Gain],
    *,
    primary: Primary,
    level: float,
) -> Across:
    """Weigh one line, given each gain by where it was found and the contestant's name."""
    task, access, label_source, model = line
    found = {
        study: [gain.value for name in names if (gain := gains.get(((task, name, access), model)))]
        for study, names in studies.items()
    }
    means = {study: float(np.mean(known)) for study, own in found.items() if (known := _known(own))}
    values = np.array(list(means.values()))
    interval, said, reason = _interval(values, level=level)
    return Across(
        task=task,
        access=access,
        label_source=label_source,
        model=model,
        gains=tuple(means.items()),
        missing=tuple(study for study in studies if study not in means),
        value=hodges_lehmann(values) if len(values) else None,
        interval=interval,
        word=word(interval, margin=primary.margin) if interval else said,
        reason=reason,
    )


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _interval(values: np.ndarray, *, level: float) -> tuple[Interval | None, str, str]:
    """An interval; or null, and the word and the reason instead."""
    if len(values) < FEWEST_STUDIES:
        return None, "too few studies", f"{len(values)} of the {FEWEST_STUDIES} studies that a verdict needs"
    if np.ptp(values) < NO_SPREAD:
        return None, "no verdict", "every study shows the same gain, so their spread cannot be estimated"
    interval = signed_rank(values, level=level)
    if interval is None:
        needed = math.ceil(1 - math.log2(1 - level))
        reason = f"{len(values)} of the {needed} studies that a family of this size needs"
        return None, "too few studies", reason
    return interval, "", ""
