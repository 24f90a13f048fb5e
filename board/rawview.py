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
    """One metric's column: its title, direction and chance, and how the controls stand (``note``: more).

    ``remark`` is the note on all of its values alike.
    """

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
    remark: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """One value as shown: text and spread, or a short word; and the numbers of its footnotes."""

    text: str
    spread: str = ""
    notes: tuple[int, ...] = ()


class _Notes:
    """Footnotes of one grid: each text has one number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Of a text, old or new."""
        return self.numbers.setdefault(text, len(self.numbers) + 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """One sheet as shown, the ``place``-th; each of the three groups of lines is (contestant, boxes)."""

    id: str
    place: int
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
    found = [s for s in sheets(results, metric_order=metric_order) if results.dataset(s.dataset).ok]
    return [_grid(results, sheet, metrics, place=place) for place, sheet in enumerate(found, start=1)]


def _grid(results: Results, sheet: Sheet, metrics: Mapping[str, Metric], *, place: int) -> Grid:
    primary = results.study.primary[sheet.task]
    at_home = (primary.readout or "none") == sheet.readout
    notes = _Notes()
    heads = tuple(
        _head(sheet, metrics[name], at_home and name == primary.metric, notes) for name in sheet.metrics
    )
    told = {head.name for head in heads if head.remark}
    lines = {
        model: tuple(_box(sheet, model, name, notes, told=name in told) for name in sheet.metrics)
        for model in sheet.models
    }
    above, below = bracket(results, sheet)
    between = [model for model in sheet.models if model not in above and model not in below]
    return Grid(
        place=place,
        id=f"raw-{sheet.task}-{sheet.dataset}-{sheet.access}-{sheet.readout}",
        sheet=sheet,
        heads=heads,
        above=tuple((model, lines[model]) for model in above),
        between=tuple((model, lines[model]) for model in between),
        below=tuple((model, lines[model]) for model in below),
        notes=tuple(notes.numbers),
    )


def bracket(results: Results, sheet: Sheet) -> tuple[list[str], list[str]]:
    """Controls that see the truth, which stand above the contestants, and the others, which stand below."""
    controls = [model for model in sheet.models if results.is_control(model)]
    above = [m for m in controls if any("truth" in run.saw for run in results.runs_of(m))]
    return above, [model for model in controls if model not in above]


def _head(sheet: Sheet, metric: Metric, primary: bool, notes: _Notes) -> Head:
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
        note=notes.number(told) if found.detail else None,
        remark=notes.number(said) if (said := _common_remark(sheet, metric.name)) else None,
    )


def _common_remark(sheet: Sheet, metric: str) -> str:
    """What is said of every value of a metric alike; empty where they differ, or there are fewer than two."""
    said = [
        cell.remark for (_, name), cell in sheet.cells.items() if name == metric and cell.mean is not None
    ]
    return f"{metric}: {said[0]}" if len(said) > 1 and len(set(said)) == 1 and said[0] else ""


def _box(sheet: Sheet, model: str, metric: str, notes: _Notes, *, told: bool) -> Box:
    """One value; its remark, unless the head of the column has ``told`` it."""
    cell = sheet.cells.get((model, metric))
    if cell is None:
        return Box(text="not run")
    said = [_note(cell)] if cell.missing else []
    if cell.mean is None:
        return Box(text=SHORT[cell.status], notes=tuple(map(notes.number, said)))
    said += [cell.remark] if cell.remark and not told else []
    spread = f"±{number(cell.sd)}" if cell.sd is not None else ""
    return Box(text=number(cell.mean), spread=spread, notes=tuple(map(notes.number, said)))


def _note(cell: Cell) -> str:
    some = f"{cell.missing} of {cell.missing + cell.trainings} trainings " if cell.mean is not None else ""
    return f"{some}{cell.status.replace('_', ' ')}: {cell.reason}"
