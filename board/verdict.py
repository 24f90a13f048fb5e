"""The word that a gain earns, and why it earns none."""

from board.gain import FEWEST_UNITS, Gain
from board.intervals import Interval
from board.results import Run
from metrics.table import Metric

SHOWN_WORDS = ("better", "worse", "equivalent", "undecided")


def bar(
    model: str, *, reference: str, metric: Metric, runs: list[Run], public_since: str = ""
) -> tuple[str, str]:
    """A word and a reason where no verdict may be given whatever the values are; else two empty texts.

    Where nobody knows what a contestant was pre-trained on, dates may tell: cells that were published
    (``public_since``) after its corpus was ``gathered`` cannot be in it.
    """
    space = metric.reference_space
    if space and space in {name.partition("@")[0] for name in (model, reference)}:
        reason = f"self-referential: {metric.name} measures closeness to the space of {space}"
        return "no verdict", reason
    for run in runs:
        if not run.from_elsewhere:
            continue
        exposure = (run.overlap or {}).get("exposure")
        named = run.card.get("pretrained_on")
        if exposure == "unknown" and run.dataset not in (named or ()):
            return "exposure unknown: no zero-shot verdict", run.overlap["reason"]
        if exposure not in (None, "none") or run.dataset in (named or ()):
            why = (run.overlap or {}).get("reason") or "its card names this data set"
            shown = str(exposure or "pretrained_on").replace("_", " ")
            return "in corpus: no zero-shot verdict", f"{shown}: {why}"
        gathered = run.card.get("gathered") or ""
        if exposure is None and named is None and not _later(public_since, gathered):
            return "exposure unknown: no zero-shot verdict", _undisclosed(public_since, gathered)
    return "", ""


def _later(public_since: str, gathered: str) -> bool:
    """Whether the first day of one date (YYYY, YYYY-MM or YYYY-MM-DD) lies after the last of the other."""
    if not public_since or not gathered:
        return False
    return public_since + "-01-01"[len(public_since) - 4 :] > gathered + "-12-31"[len(gathered) - 4 :]


def _undisclosed(public_since: str, gathered: str) -> str:
    why = "what it was trained on is not disclosed"
    if not public_since or not gathered:
        return why
    return f"{why}; its corpus was gathered until {gathered}, these cells are public since {public_since}"


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
