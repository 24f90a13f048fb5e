"""Inline SVG from small pure functions; text is escaped, colours come from the page's style sheet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

WIDTH, HEIGHT, PAD = 150, 18, 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """A straight line from values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Pixel of a value, rounded so that equal input gives equal text."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)

    def inside(self, value: float) -> float:
        """Pixel of a value, or of the end that it lies beyond."""
        return self(min(max(value, self.low), self.high))


def gain_scale(values: Sequence[float], *, margin: float) -> Scale:
    """A scale that holds zero, the margin on both sides, and all values."""
    low, high = min([-margin, *values]), max([margin, *values])
    room = 0.04 * (high - low) or 1.0
    return Scale(low=low - room, high=high + room, start=PAD, end=WIDTH - PAD)


def whisker(
    scale: Scale, *, value: float | None, low: float | None, high: float | None, margin: float
) -> Markup:
    """A gain as a dot on its interval, with a line at zero and a band for the margin.

    What lies beyond the scale is cut there; a dot beyond it becomes an arrow. The numbers
    stand beside it as text, so it is hidden from screen readers.
    """
    band = Markup('<rect class="band" x="{}" y="0" width="{}" height="{}"/>').format(
        scale(-margin), round(scale(margin) - scale(-margin), 2), HEIGHT
    )
    zero = Markup('<line class="zero" x1="{0}" x2="{0}" y1="0" y2="{1}"/>').format(scale(0), HEIGHT)
    marks = Markup("")
    if low is not None and high is not None and low < scale.high and high > scale.low:
        marks += _range(scale, low=low, high=high)
    if value is not None:
        marks += _dot(scale, value)
    frame = Markup('<svg class="whisker" viewBox="0 0 {0} {1}" aria-hidden="true">')
    return frame.format(WIDTH, HEIGHT) + band + zero + marks + Markup("</svg>")


def _range(scale: Scale, *, low: float, high: float) -> Markup:
    middle = HEIGHT / 2
    ends = [f"M{scale(end)} {middle - 4}v8" for end in (low, high) if scale.low <= end <= scale.high]
    line = f"M{scale.inside(low)} {middle}H{scale.inside(high)}"
    return Markup('<path class="range" d="{}"/>').format("".join([line, *ends]))


def _dot(scale: Scale, value: float) -> Markup:
    x, y = scale.inside(value), HEIGHT / 2
    if scale.low <= value <= scale.high:
        return Markup('<circle class="dot" cx="{}" cy="{}" r="3.5"/>').format(x, y)
    way = 6 if value > scale.high else -6
    return Markup('<path class="dot" d="M{} {}l{} 4.5l{} 4.5z"/>').format(x, y - 4.5, way, -way)


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One contestant: what it costs (s, > 0), how well it does, and of which kind it is."""

    name: str
    cost: float
    quality: float
    kind: str


def scatter(points: Sequence[Point], *, title: str, quality: str, front: Sequence[str] = ()) -> Markup:
    """Quality over cost (logarithmic); names stand beside the marks, kinds differ in shape.

    A line in steps joins the points named by ``front``: what can be had for how much.
    """
    width, height, left, right, top, bottom = 640, max(300, 13 * len(points) + 70), 56, 170, 16, 44
    exponents = [math.log10(point.cost) for point in points]
    first, last = math.floor(min(exponents)), max(math.ceil(max(exponents)), math.floor(min(exponents)) + 1)
    x = Scale(low=first, high=last, start=left, end=width - right)
    values = [point.quality for point in points]
    room = 0.08 * (max(values) - min(values)) or 0.05
    y = Scale(low=min(values) - room, high=max(values) + room, start=height - bottom, end=top)
    parts = [_axes(x, y, first=first, last=last, quality=quality, extent=values)]
    ahead = sorted((x(math.log10(p.cost)), y(p.quality)) for p in points if p.name in front)
    if ahead:
        steps = "".join(f"H{across}V{up}" for across, up in ahead[1:])
        line = f"M{ahead[0][0]} {ahead[0][1]}{steps}H{x.end}"
        parts.append(Markup('<path class="front" d="{}"/>').format(line))
    labels = spread([y(point.quality) + 4 for point in points], gap=12)
    for point, exponent, label in zip(points, exponents, labels, strict=True):
        parts.append(_mark(point, x(exponent), y(point.quality), label, edge=width - right + 12))
    head = Markup('<svg class="scatter" viewBox="0 0 {0} {1}" role="img" aria-label="{2}">').format(
        width, height, title
    )
    return head + Markup("").join(parts) + Markup("</svg>")


def round_values(values: Sequence[float]) -> list[float]:
    """Multiples of 0.01, 0.02, 0.05, 0.1, … that lie among the values, seven at most; else their ends.

    They never leave the values: an axis should not name a score that does not exist.
    """
    low, high = min(values), max(values)
    for step in (base * 10**power for power in range(-2, 12) for base in (1, 2, 5)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < 7:
            break
    return [index * step for index in range(first, last + 1)] if last > first else [low, high]


def _axes(x: Scale, y: Scale, *, first: int, last: int, quality: str, extent: Sequence[float]) -> Markup:
    frame = Markup('<path class="axis" d="M{0} {1}V{2}H{3}"/>').format(x.start, y.end, y.start, x.end)
    ticks = [
        Markup('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>').format(
            x(exponent), y.start + 16, f"{10.0**exponent:g}"
        )
        for exponent in range(first, last + 1)
    ]
    rows = [
        Markup('<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>').format(
            x.start - 6, y(value) + 4, f"{value:.2f}".replace("-", "−")
        )
        for value in round_values(extent)
    ]
    names = Markup('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>').format(
        (x.start + x.end) / 2, y.start + 34, "seconds for fitting and embedding (logarithmic)"
    ) + Markup('<text class="tick" x="{}" y="{}">{}</text>').format(x.start + 6, y.end + 4, quality)
    return Markup("").join([frame, *ticks, *rows, names])


def _mark(point: Point, x: float, y: float, label: float, *, edge: float) -> Markup:
    shapes = {
        "control": '<path class="mark control" d="M{0} {1}m-4 -4l8 8m0 -8l-8 8"/>',
        "pre-trained": '<path class="mark pretrained" d="M{0} {1}m0 -6l6 6l-6 6l-6 -6z"/>',
        "from a corpus": '<path class="mark corpus" d="M{0} {1}m-5 -5h10v10h-10z"/>',
        "fitted here": '<circle class="mark fitted" cx="{0}" cy="{1}" r="4.5"/>',
    }
    shape = Markup(shapes[point.kind]).format(x, y)
    lead = Markup('<path class="lead" d="M{} {}L{} {}"/>').format(x + 6, y, edge - 3, round(label - 4, 2))
    text = Markup('<text class="name" x="{}" y="{}">{}</text>').format(edge, round(label, 2), point.name)
    return lead + shape + text


def spread(places: Sequence[float], *, gap: float) -> list[float]:
    """Move places apart, in their order, until neighbours are at least ``gap`` away from each other."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    moved = list(places)
    for above, below in pairwise(order):
        moved[below] = max(moved[below], moved[above] + gap)
    overflow = (moved[order[-1]] - max(places)) / 2 if order else 0
    return [place - overflow for place in moved]
