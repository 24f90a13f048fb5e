"""The word that a gain earns, and why it earns none."""

from board.gain import FEWEST_UNITS, Gain
from board.intervals import Interval
from board.results import Run
from metrics.table import Metric

SHOWN_WORDS = ("better", "worse", "equivalent", "undecided")


def bar(model: str, *, reference: str, metric: Metric, runs: list[Run]) -> tuple[str, str]:
    """A word and a reason where no verdict may be given whatever the values are; else two empty texts."""
    space = metric.reference_space
    if space and space in {name.partition("@")[0] for name in (model, reference)}:
        reason = f"self-referential: {metric.name} measures closeness to the space of {space}"
        return "no verdict", reason
    for run in runs:
        if not run.from_elsewhere:
            continue
        exposure = (run.overlap or {}).get("exposure")
        named = run.card.get("pretrained_on")
        if exposure not in (None, "none") or run.dataset in (named or ()):
            why = (run.overlap or {}).get("reason") or "its card names this data set"
            shown = str(exposure or "pretrained_on").replace("_", " ")
            return "in corpus: no zero-shot verdict", f"{shown}: {why}"
        if exposure is None and named is None:
            return "exposure unknown: no zero-shot verdict", "what it was trained on is not disclosed"
    return "", ""


def judge(found: Gain, *, margin: float, barred: tuple[str, str], control: bool) -> tuple[str, str]:
    """The word a gain earns, and the reason where it earns none."""
    if control:
        return "control", found.reason
    if found.value is None:
        return "no verdict", found.reason
    if barred[0]:
        return barred
    if found.units < FEWEST_UNITS:
        needs = f"{found.units or 'fewer than 2'} of the {FEWEST_UNITS} units that a verdict needs"
        known = [found.reason] if found.reason else []
        return "too few units", "; ".join([needs, *known] if found.units or not known else known)
    if found.interval is None:
        return "no verdict", found.reason
    return word(found.interval, margin=margin), _remark(found, margin=margin)


def word(interval: Interval, *, margin: float) -> str:
    """``better``, ``worse``, ``equivalent`` (wholly inside ± margin) or ``undecided``."""
    if interval.low > 0:
        return "better"
    if interval.high < 0:
        return "worse"
    return "equivalent" if -margin < interval.low and interval.high < margin else "undecided"


def _remark(found: Gain, *, margin: float) -> str:
    inside = -margin < found.interval.low and found.interval.high < margin
    decided = found.interval.low > 0 or found.interval.high < 0
    small = f"but by less than the margin of {margin:g}" if inside and decided else ""
    return "; ".join(filter(None, [small, found.reason]))
