"""Biological conservation against batch correction: any weight of the two, and who is ahead under none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from board.rawview import Grid
from board.results import Results
from metrics import pareto_fronts

PARTS = ("bio_conservation", "batch_correction")
WEIGHT = 0.6
"""Of biological conservation in scIB's total (10.1038/s41592-021-01336-8)."""
EPSILON = 0.001
"""Of the fronts of Wu et al. (10.1186/s13059-025-03781-6)."""

Line = tuple[str, tuple[tuple[float, float] | None, ...]]
"""A contestant and its pairs of scores, one a data set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explorer:
    """One access: for each contestant its two scores on each data set, null where either is missing.

    ``fronts`` are those of each data set, best first; controls are in none.
    """

    access: str
    datasets: tuple[str, ...]
    contestants: tuple[Line, ...]
    controls: tuple[Line, ...]
    fronts: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]


def explorers(results: Results, grids: Sequence[Grid]) -> list[Explorer]:
    """One explorer an access that has a data set with both scores."""
    pairs: dict[str, dict[tuple[str, str], tuple[float, float]]] = {}
    for sheet in (grid.sheet for grid in grids if grid.sheet.task == "integration"):
        bio, batch = (sheet.means(name) for name in PARTS)
        both = {(m, sheet.dataset): (bio[m], batch[m]) for m in sheet.models if m in bio and m in batch}
        pairs.setdefault(sheet.access, {}).update(both)
    return [_explorer(results, access, pairs[access]) for access in sorted(pairs) if pairs[access]]


def _explorer(
    results: Results, access: str, pairs: Mapping[tuple[str, str], tuple[float, float]]
) -> Explorer:
    datasets = [name for name in results.study.datasets if any(name == where for _, where in pairs)]
    models = [name for name in results.study.models if any(name == model for model, _ in pairs)]
    controls = [name for name in models if results.is_control(name)]
    contestants = [name for name in models if name not in controls]

    def lines(names: Sequence[str]) -> tuple[Line, ...]:
        return tuple((model, tuple(pairs.get((model, name)) for name in datasets)) for model in names)

    def fronts(name: str) -> tuple[tuple[str, ...], ...]:
        here = {m: pairs[m, name] for m in contestants if (m, name) in pairs}
        return tuple(map(tuple, pareto_fronts(here, eps=EPSILON)))

    return Explorer(
        access=access,
        datasets=tuple(datasets),
        contestants=lines(contestants),
        controls=lines(controls),
        fronts=tuple((name, fronts(name)) for name in datasets),
    )
