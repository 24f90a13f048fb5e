"""Small multiples of responses as one SVG: a panel a score, a line a sweep."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from bench.response_words import Response
from metrics.row import Metric
from metrics.table import TABLE

COLUMNS, WIDE, HIGH = 5, 176, 122  # panels a row, pixels a panel
LEFT, RIGHT, TOP, BOTTOM = 30, 8, 20, 10  # room in a panel beside its lines
HEAD = 44
COLOURS = ("#0072b2", "#d55e00", "#008060")  # told apart by the colour-blind; marks and dashes serve print
MARKS = ("m-2.4 0a2.4 2.4 0 1 0 4.8 0a2.4 2.4 0 1 0-4.8 0z", "m-2.2-2.2h4.4v4.4h-4.4z", "m0-3l2.8 5h-5.6z")
DASHES = ("none", "5 2", "1.5 2")
STYLE = (
    "text{font:10px sans-serif;fill:#222}.title{font-size:10.5px}.tick{font-size:9px;fill:#555}"
    ".axis{stroke:#999;fill:none}.chance{stroke:#777;stroke-dasharray:2 3}"
    + "".join(
        f".l{i}{{stroke:{colour};stroke-dasharray:{dash};stroke-width:1.4;fill:none}}"
        f".e{i}{{stroke:{colour};stroke-width:.8;fill:none}}.m{i}{{fill:{colour}}}"
        for i, (colour, dash) in enumerate(zip(COLOURS, DASHES, strict=True))
    )
)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Responses by metric and sweep, and what each of the at most three sweeps is called."""

    title: str
    sweeps: Mapping[str, str]
    responses: Mapping[str, Mapping[str, Response]]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Where values of one panel lie: ``low`` to ``high`` from bottom to top, ``steps`` levels across."""

    low: float
    high: float
    steps: int

    def x(self, place: int) -> str:
        """Pixel of a level."""
        return _text(LEFT + 4 + place * (WIDE - LEFT - RIGHT - 8) / (self.steps - 1))

    def y(self, value: float) -> str:
        """Pixel of a value."""
        share = (value - self.low) / (self.high - self.low)
        return _text(HIGH - BOTTOM - share * (HIGH - TOP - BOTTOM))


def draw(picture: Picture) -> str:
    """Return the SVG; equal values give equal text. Bars are one standard error, thin dashes chance."""
    panels = picture.responses.items()
    size = f"{COLUMNS * WIDE} {HEAD + math.ceil(len(panels) / COLUMNS) * HIGH}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img">',
        f"<title>{escape(picture.title)}</title><style>{STYLE}</style>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        *_legend(picture),
    ]
    for place, (name, responses) in enumerate(panels):
        row, column = divmod(place, COLUMNS)
        lines.append(f'<g transform="translate({column * WIDE} {HEAD + row * HIGH})">')
        lines += [
            *_axes(TABLE[name], frame := _frame(responses)),
            *_lines(frame, picture.sweeps, responses),
            "</g>",
        ]
    return "\n".join([*lines, "</svg>", ""])


def _legend(picture: Picture) -> Iterator[str]:
    yield f'<text x="8" y="16" class="title">{escape(picture.title)}, from right to wrong</text>'
    x = 8
    for i, title in enumerate(picture.sweeps.values()):
        yield f'<path class="l{i}" d="M{x} 30h26"/>{_mark(i, str(x + 13), "30")}'
        yield f'<text x="{x + 32}" y="33.5">{escape(title)}</text>'
        x += 60 + 6 * len(title)


def _axes(metric: Metric, frame: Frame) -> Iterator[str]:
    arrow = "↑" if metric.higher_is_better else "↓"
    yield f'<text x="6" y="12" class="title">{metric.name} {arrow}</text>'
    yield f'<path class="axis" d="M{LEFT} {TOP}V{HIGH - BOTTOM}H{WIDE - RIGHT}"/>'
    if metric.chance is not None and frame.low <= metric.chance <= frame.high:
        yield f'<path class="chance" d="M{LEFT} {frame.y(metric.chance)}H{WIDE - RIGHT}"/>'
    for value in _ticks(frame.low, frame.high):
        y, x = frame.y(value), LEFT - 5
        yield f'<path class="axis" d="M{LEFT - 3} {y}h3"/>'
        yield f'<text class="tick" x="{x}" y="{_text(float(y) + 3)}" text-anchor="end">{value:g}</text>'


def _lines(frame: Frame, sweeps: Mapping[str, str], responses: Mapping[str, Response]) -> Iterator[str]:
    for i, sweep in enumerate(sweeps):
        found = responses[sweep]
        spots = [(frame.x(place), frame.y(mean)) for place, mean in enumerate(found.mean)]
        bars = [
            f"M{x} {frame.y(mean - error)}V{frame.y(mean + error)}"
            for (x, _), mean, error in zip(spots, found.mean, found.error, strict=True)
        ]
        yield f'<path class="e{i}" d="{"".join(bars)}"/>'
        yield f'<path class="l{i}" d="M{"L".join(f"{x} {y}" for x, y in spots)}"/>'
        yield "".join(_mark(i, x, y) for x, y in spots)


def _mark(i: int, x: str, y: str) -> str:
    return f'<path class="m{i}" d="M{x} {y}{MARKS[i]}"/>'


def _frame(responses: Mapping[str, Response]) -> Frame:
    """Return 0 to 1 where all values lie there and fill a fifth of it, else what holds them and 0."""
    ends = [
        mean + sign * error
        for r in responses.values()
        for mean, error in zip(r.mean, r.error, strict=True)
        for sign in (-1, 1)
    ]
    low, high = min(0.0, *ends), max(0.0, *ends)
    if low > -0.02 and 0.2 < high <= 1.02:
        low, high = -0.02, 1.02
    room = 0.03 * (high - low)
    return Frame(low=low - room, high=high + room, steps=len(next(iter(responses.values())).mean))


def _ticks(low: float, high: float) -> Sequence[float]:
    """Two to five round numbers within a range."""
    rough = (high - low) / 3
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    return [round(i * step, 10) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _text(value: float) -> str:
    return f"{value:.1f}"
