"""Numbers and names as people read them."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

NOTHING = "–"
# "…/" before a name, from a word that begins with "/" or "C:\\"; addresses (https://…) are left alone.
NUMBERS = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.]*[a-zA-Z_])")
FOLDERS = re.compile(r"(?<![\w:/.\\~-])(?:~?/|[A-Za-z]:\\)(?:[^\s/\\:;,'\"()]+[/\\])+(?=[^\s/\\])")


def number(value: float | None, *, digits: int = 3, sign: bool = False) -> str:
    """Fixed digits and a true minus; a dash for no value."""
    if value is None:
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:{'+' if sign else ''}.{digits}f}"
    return text.replace("-", "−")


def order(value: float | None) -> Markup:
    """The attribute that a script sorts a cell by: six figures; none for no value."""
    return Markup("") if value is None else Markup(' data-order="{:.6g}"').format(value)


def seconds(value: float | None) -> str:
    """Three figures and the unit that suits them."""
    if value is None:
        return NOTHING
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if value >= 2 * size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g} s"


def size(count: float | None) -> str:
    """Bytes as MiB or GiB."""
    if count is None:
        return NOTHING
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def percent(share: float) -> str:
    """A share as per cent, with the digits that a family-wise level needs."""
    return f"{100 * share:.4g} %"


def listing(names: Iterable[str], *, empty: str = "none", most: int | None = None) -> str:
    """``a, b and c``; beyond ``most`` names ``a, b and 7 more``."""
    names = list(names)
    if most is not None and len(names) > most + 1:
        names = [*names[:most], f"{len(names) - most:,} more"]
    if len(names) < 2:
        return names[0] if names else empty
    return f"{', '.join(names[:-1])} and {names[-1]}"


def count(number_of: int, one: str, many: str = "") -> str:
    """``1 donor``, ``2 donors``."""
    return f"{number_of:,} {one if number_of == 1 else many or one + 's'}"


def without_folders(text: str) -> str:
    """Absolute paths as ``…/name``: where a file lay on the machine that made a page is nobody's business."""
    return FOLDERS.sub("…/", text)


def reason_for(dataset: str, text: str) -> str:
    """A reason as it stands beside the name of its data set: without folders and that name once more."""
    again = rf"(^|: ){re.escape(dataset)}: (?:…/{re.escape(dataset)}\.h5ad: )?"
    return re.sub(again, r"\1", without_folders(text), count=1)


def ranged(texts: Iterable[str]) -> str:
    """Texts that differ in nothing but numbers as one, from the least to the largest; others side by side."""
    alike: dict[tuple[str, ...], list[list[str]]] = {}
    for text in sorted({text for text in texts if text}):
        alike.setdefault(tuple(NUMBERS.split(text)), []).append(NUMBERS.findall(text))
    return "; ".join(_filled(pieces, numbers) for pieces, numbers in alike.items())


def _filled(pieces: Sequence[str], numbers: Sequence[Sequence[str]]) -> str:
    """Pieces of text with the numbers that stood between them."""
    ends = [(min(place, key=float), max(place, key=float)) for place in zip(*numbers, strict=True)]
    told = [low if low == high else f"{low} to {high}" for low, high in ends]
    return "".join(part for pair in zip(pieces, [*told, ""], strict=True) for part in pair)


def tidy(value: Any, *, longest: int = 60) -> str:
    """A JSON value as one line; long lists and mappings are cut, and say so."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return cut([f"{key}: {tidy(inner)}" for key, inner in value.items()], longest=longest)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return cut([tidy(inner) for inner in value], longest=longest)
    return without_folders(str(value))


def cut(parts: Sequence[str], *, longest: int) -> str:
    """Parts joined by commas; of more than ``longest`` the first, and how many there are besides."""
    rest = len(parts) - longest
    return ", ".join(parts[:longest]) + (f" … and {rest} more" if rest > 0 else "") if parts else "none"
