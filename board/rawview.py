"""Section 3 of the page: raw values as grids, bracketed by controls, with footnotes for the blanks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from board.raw import Cell, Sheet, check_controls, sheets
from board.results import Results
from board.text import number
from metrics.table import Metric

SHORT = {"undefined": "undefined", "not_applicable": "n.a.", "failed": "failed"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """One metric's column: its title, direction and chance, and how the controls stand (``note``: more)."""

    name: str
    title: str
    arrow: str
    direction: str
    chance: str
    primary: bool
    optimised: bool
    controls: str
    controls_wrong: bool
    note: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """One value as shown: text and spread; or a short word and the number of its footnote."""

    text: str
    spread: str = ""
    note: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """One sheet as shown; each of the three groups of lines is (contestant, boxes)."""

    id: str
    sheet: Sheet
    heads: tuple[Head, ...]
    above: tuple[tuple[str, tuple[Box, ...]], ...]
    between: tuple[tuple[str, tuple[Box, ...]], ...]
    below: tuple[tuple[str, tuple[Box, ...]], ...]
    notes: tuple[str, ...]


def grids(
    results: Results, metrics: Mapping[str, Metric], metric_order: Mapping[str, Sequence[str]]
) -> list[Grid]:
    """Every sheet with a data set that could be prepared, as it is shown."""
    found = sheets(results, metric_order=metric_order)
    return [_grid(results, sheet, metrics) for sheet in found if results.dataset(sheet.dataset).ok]


def _grid(results: Results, sheet: Sheet, metrics: Mapping[str, Metric]) -> Grid:
    primary = results.study.primary[sheet.task]
    at_home = (primary.readout or "none") == sheet.readout
    notes: dict[str, int] = {}
    lines = {
        model: tuple(_box(sheet, model, name, notes) for name in sheet.metrics) for model in sheet.models
    }
    heads = tuple(
        _head(sheet, metrics[name], at_home and name == primary.metric, notes) for name in sheet.metrics
    )
    above, below = bracket(results, sheet)
    between = [model for model in sheet.models if model not in above and model not in below]
    return Grid(
        id=f"raw-{sheet.task}-{sheet.dataset}-{sheet.access}-{sheet.readout}",
        sheet=sheet,
        heads=heads,
        above=tuple((model, lines[model]) for model in above),
        between=tuple((model, lines[model]) for model in between),
        below=tuple((model, lines[model]) for model in below),
        notes=tuple(notes),
    )


def bracket(results: Results, sheet: Sheet) -> tuple[list[str], list[str]]:
    """Controls that see the truth, which stand above the contestants, and the others, which stand below."""
    controls = [model for model in sheet.models if results.is_control(model)]
    above = [m for m in controls if any("truth" in run.saw for run in results.runs_of(m))]
    return above, [model for model in controls if model not in above]


def _head(sheet: Sheet, metric: Metric, primary: bool, notes: dict[str, int]) -> Head:
    found = check_controls(metric, sheet.means(metric.name))
    told = f"controls on {metric.title}: {found.detail}"
    return Head(
        name=metric.name,
        title=metric.title,
        arrow="↑" if metric.higher_is_better else "↓",
        direction="higher is better" if metric.higher_is_better else "lower is better",
        chance="depends" if metric.chance is None else number(metric.chance),
        primary=primary,
        optimised=metric.label_optimised,
        controls=found.state,
        controls_wrong=found.state == "out of order",
        note=notes.setdefault(told, len(notes) + 1) if found.detail else None,
    )


def _box(sheet: Sheet, model: str, metric: str, notes: dict[str, int]) -> Box:
    cell = sheet.cells.get((model, metric))
    if cell is None:
        return Box(text="not run")
    note = notes.setdefault(_note(cell), len(notes) + 1) if cell.missing else None
    if cell.mean is None:
        return Box(text=SHORT[cell.status], note=note)
    spread = f"±{number(cell.sd)}" if cell.sd is not None else ""
    return Box(text=number(cell.mean), spread=spread, note=note)


def _note(cell: Cell) -> str:
    some = f"{cell.missing} of {cell.missing + cell.trainings} trainings " if cell.mean is not None else ""
    return f"{some}{cell.status.replace('_', ' ')}: {cell.reason}"
