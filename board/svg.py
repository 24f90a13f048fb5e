"""Inline SVG from small pure functions; text is escaped, colours come from the page's style sheet."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

WIDTH, HEIGHT, PAD = 150, 18, 6
LARGE, LEFT, RIGHT, TOP, BOTTOM = 640, 56, 170, 16, 44
"""Width of a large picture, and what is left free on each side of its axes."""
LONGEST = 27
"""Letters of a name that fit at the right edge; the table beside the picture has it whole."""
SECONDS = "seconds for fitting and embedding (logarithmic)"


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
    """One contestant: what it costs (s, > 0; or what else lies across), how well it does, its kind."""

    name: str
    cost: float
    quality: float
    kind: str


def scatter(
    points: Sequence[Point], *, title: str, quality: str, front: Sequence[str] = (), across: str = ""
) -> Markup:
    """Quality over cost (logarithmic), or over what ``across`` names (to scale); kinds differ in shape.

    Names stand beside the marks. A line in steps joins the points named by ``front``: what can be had
    for how much.
    """
    height = max(300, 13 * len(points) + 70)
    places = [point.cost if across else math.log10(point.cost) for point in points]
    values = [point.quality for point in points]
    if across:
        x = _roomy(places, start=LEFT, end=LARGE - RIGHT)
        ticks = [(x(value), f"{value:.2f}") for value in round_values(places)]
    else:
        first, last = math.floor(min(places)), max(math.ceil(max(places)), math.floor(min(places)) + 1)
        x = Scale(low=first, high=last, start=LEFT, end=LARGE - RIGHT)
        ticks = [(x(exponent), f"{10.0**exponent:g}") for exponent in range(first, last + 1)]
    y = _roomy(values, start=height - BOTTOM, end=TOP)
    parts = [_axes(x, y, ticks=ticks, across=across or SECONDS, quality=quality, extent=values)]
    ahead = sorted(
        (x(place), y(p.quality)) for place, p in zip(places, points, strict=True) if p.name in front
    )
    if ahead:
        steps = "".join(f"H{right}V{up}" for right, up in ahead[1:])
        line = f"M{ahead[0][0]} {ahead[0][1]}{steps}H{x.end}"
        parts.append(Markup('<path class="front" d="{}"/>').format(line))
    labels = spread([y(point.quality) + 4 for point in points], gap=12, low=TOP, high=height - BOTTOM)
    for point, place, label in zip(points, places, labels, strict=True):
        parts.append(_mark(point, x(place), y(point.quality), label))
    return framed(parts, height=height, title=title)


def framed(parts: Sequence[Markup], *, height: float, title: str) -> Markup:
    """A large picture of these parts, which a screen reader calls by its title."""
    head = Markup('<svg class="scatter" viewBox="0 0 {0} {1}" role="img" aria-label="{2}">')
    return head.format(LARGE, height, title) + Markup("").join(parts) + Markup("</svg>")


def _roomy(values: Sequence[float], *, start: float, end: float) -> Scale:
    """A scale that leaves some room around all values."""
    room = 0.08 * (max(values) - min(values)) or 0.05
    return Scale(low=min(values) - room, high=max(values) + room, start=start, end=end)


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


def _axes(
    x: Scale,
    y: Scale,
    *,
    ticks: Sequence[tuple[float, str]],
    across: str,
    quality: str,
    extent: Sequence[float],
) -> Markup:
    """Both axes; ``ticks`` are places and texts of the one across, ``extent`` the values of the other."""
    frame = Markup('<path class="axis" d="M{0} {1}V{2}H{3}"/>').format(x.start, y.end, y.start, x.end)
    columns = [
        Markup('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>').format(
            place, y.start + 16, text
        )
        for place, text in ticks
    ]
    rows = [
        Markup('<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>').format(
            x.start - 6, y(value) + 4, f"{value:.2f}".replace("-", "−")
        )
        for value in round_values(extent)
    ]
    names = Markup('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>').format(
        (x.start + x.end) / 2, y.start + 34, across
    ) + Markup('<text class="tick" x="{}" y="{}">{}</text>').format(x.start + 6, y.end + 4, quality)
    return Markup("").join([frame, *columns, *rows, names])


def _mark(point: Point, x: float, y: float, label: float) -> Markup:
    shapes = {
        "control": '<path class="mark control" d="M{0} {1}m-4 -4l8 8m0 -8l-8 8"/>',
        "pre-trained": '<path class="mark pretrained" d="M{0} {1}m0 -6l6 6l-6 6l-6 -6z"/>',
        "from a corpus": '<path class="mark corpus" d="M{0} {1}m-5 -5h10v10h-10z"/>',
        "fitted here": '<circle class="mark fitted" cx="{0}" cy="{1}" r="4.5"/>',
    }
    return _named(point.name, x + 6, y, label) + Markup(shapes[point.kind]).format(x, y)


def _named(name: str, x: float, y: float, label: float) -> Markup:
    """A name at the right edge, and a line that leads to it."""
    edge, shown = LARGE - RIGHT + 12, name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
    lead = Markup('<path class="lead" d="M{} {}L{} {}"/>').format(x, y, edge - 3, round(label - 4, 2))
    return lead + Markup('<text class="name" x="{}" y="{}">{}</text>').format(edge, round(label, 2), shown)


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """One line: its name, and its points (x ≥ 0, value), by rising x; a single point is a level."""

    name: str
    points: tuple[tuple[float, float], ...]


def curves(found: Sequence[Curve], *, title: str, across: str, quality: str) -> Markup:
    """Values over amounts (logarithmic, no amount at the left end); a level is a dashed line throughout."""
    height = max(260, 13 * len(found) + 90)
    amounts = sorted({x for curve in found if len(curve.points) > 1 for x, _ in curve.points})
    least, most = (math.log10(end) for end in (min(x for x in amounts if x > 0), max(amounts)))
    none = least - 0.3 * (most - least)
    low = none if amounts[0] == 0 else least
    x = Scale(low=low - 0.05 * (most - low), high=most, start=LEFT, end=LARGE - RIGHT - 10)
    values = [value for curve in found for _, value in curve.points]
    y = _roomy(values, start=height - BOTTOM, end=TOP)
    places = {amount: x(math.log10(amount) if amount else none) for amount in amounts}
    parts = [_axes(x, y, ticks=_apart(places), across=across, quality=quality, extent=values)]
    ends = [y(curve.points[-1][1]) + 4 for curve in found]
    labels = spread(ends, gap=12, low=TOP, high=height - BOTTOM)
    for curve, label in zip(found, labels, strict=True):
        last = y(curve.points[-1][1])
        if len(curve.points) == 1:
            parts.append(Markup('<path class="level" d="M{} {}H{}"/>').format(x.start, last, x.end))
            parts.append(_named(curve.name, x.end, last, label))
            continue
        dots = [(places[amount], y(value)) for amount, value in curve.points]
        line = "L".join(f"{right} {up}" for right, up in dots)
        parts.append(Markup('<path class="curve" d="M{}"/>').format(line))
        parts += [Markup('<circle class="dot" cx="{}" cy="{}" r="4"/>').format(*dot) for dot in dots]
        parts.append(_named(curve.name, dots[-1][0] + 6, last, label))
    return framed(parts, height=height, title=title)


def _apart(places: Mapping[float, float], *, gap: float = 44) -> list[tuple[float, str]]:
    """Ticks at the amounts themselves, those left out that would stand on another's text."""
    kept: list[tuple[float, str]] = []
    for amount, place in places.items():
        if not kept or place - kept[-1][0] >= gap:
            kept.append((place, f"{amount:,.0f}"))
    return kept


def spread(places: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Move places apart, in their order, until neighbours are at least ``gap`` away from each other.

    They stay between ``low`` and ``high``, if there is room for all.
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    moved = list(places)
    for above, below in pairwise(order):
        moved[below] = max(moved[below], moved[above] + gap)
    overflow = (moved[order[-1]] - max(places)) / 2 if order else 0
    moved = [place - overflow for place in moved]
    for index in order:
        moved[index], low = max(moved[index], low), max(moved[index], low) + gap
    for index in reversed(order):
        moved[index], high = min(moved[index], high), min(moved[index], high) - gap
    return moved
