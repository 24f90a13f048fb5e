"""A contestant against all simple baselines at once: does it beat the best of them?

Which baseline is the best is not known, only which came out best, so the
comparison must be won against each. A contestant is better than the best one if
it is better than all: the lower end of its gain over the best is the lowest of
the lower ends (intersection-union test, Berger 1982, doi:10.1080/00401706.1982.10487790).

No further correction is needed. The reference is one of the baselines, so that this
is said only of a contestant that is called better than the reference. Where it is no
better in truth, both words are one mistake, of the lower end. Where it is, the lower
end of the gain over the reference can make no mistake, and its share of the error
rate serves this word.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from board.gain import Gain


@dataclass(frozen=True, kw_only=True, slots=True)
class Rivals:
    """Gain over the best simple baseline: at least ``low``, and which baseline came nearest.

    ``value`` is the smallest gain over a baseline. It leans downwards, since chance
    helps the best of several. ``word`` is ``beats every baseline``, ``not shown``
    or, where a baseline has no value to be beaten, ``no verdict``. ``left_out`` are
    baselines that do not apply to this data set.
    """

    nearest: str | None
    value: float | None
    low: float | None
    word: str
    reason: str
    baselines: tuple[str, ...]
    left_out: tuple[str, ...]


def against_all(gains: Mapping[str, Gain], *, word: str, not_applicable: frozenset[str]) -> Rivals:
    """Weigh gains over each baseline (name → gain), given the word over the reference.

    ``not_applicable`` are baselines that cannot run on this data set; one that failed is no such thing.
    """
    asked = {name: found for name, found in gains.items() if name not in not_applicable}
    missing = [name for name, found in asked.items() if found.value is None]
    values = {name: found.value for name, found in asked.items() if found.value is not None}
    nearest = min(values, key=lambda name: (values[name], name)) if values else None
    intervals = [found.interval for found in asked.values() if found.interval is not None]
    low = min(one.low for one in intervals) if len(intervals) == len(asked) and asked else None
    return Rivals(
        nearest=nearest,
        value=values[nearest] if nearest is not None and not missing else None,
        low=low,
        word=_word(low, word=word, missing=missing),
        reason=f"no value to compare with: {', '.join(missing)}" if missing else "",
        baselines=tuple(asked),
        left_out=tuple(sorted(not_applicable & set(gains))),
    )


def _word(low: float | None, *, word: str, missing: list[str]) -> str:
    if missing or word not in ("better", "worse", "equivalent", "undecided"):
        return "no verdict"
    return "beats every baseline" if word == "better" and low is not None and low > 0 else "not shown"
