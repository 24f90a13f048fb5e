"""What a contestant costs over numbers of cells: its own data sets, from the smallest to the largest."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from board.costs import spent
from board.results import Results
from board.svg import Scale
from board.text import seconds

WIDTH, HEIGHT, PAD = 160, 44, 5


@dataclass(frozen=True, kw_only=True, slots=True)
class CostCurve:
    """Seconds for fitting and embedding by cells, in words; and as a line on two logarithmic axes."""

    fit: str
    told: str
    picture: Markup


def cost_curves(results: Results, model: str) -> tuple[CostCurve, ...]:
    """One a fit that was timed on data sets of two or more different numbers of cells; no extrapolation."""
    runs = results.runs_of(model)
    found = []
    for fit in dict.fromkeys(run.fit for run in runs):
        points = []
        for entry in results.datasets:
            cost = spent([run for run in runs if (run.fit, run.dataset) == (fit, entry.id)])
            cells = entry.report.get("n_cells")
            if cost and cells:
                points.append((int(cells), cost))
        if len({cells for cells, _ in points}) > 1:
            points.sort()
            told = ", ".join(f"{cells:,} cells {seconds(cost)}" for cells, cost in points)
            found.append(CostCurve(fit=fit, told=told, picture=_picture(points)))
    return tuple(found)


def _picture(points: Sequence[tuple[int, float]]) -> Markup:
    """Hidden from screen readers: the numbers stand beside it."""
    across, up = ([math.log10(point[place]) for point in points] for place in (0, 1))
    x = Scale(low=min(across), high=max(across), start=PAD, end=WIDTH - PAD)
    room = 0 if max(up) > min(up) else 0.5
    y = Scale(low=min(up) - room, high=max(up) + room, start=HEIGHT - PAD, end=PAD)
    line = "L".join(f"{x(cells)} {y(cost)}" for cells, cost in zip(across, up, strict=True))
    frame = Markup('<svg viewBox="0 0 {0} {1}" width="{0}" height="{1}" aria-hidden="true">')
    path = Markup('<path d="M{}" fill="none" stroke="currentColor"/></svg>').format(line)
    return frame.format(WIDTH, HEIGHT) + path
