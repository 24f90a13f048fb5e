"""How much could be gained at all: what the oracle is ahead, and how far the labels themselves are sure."""

from collections.abc import Mapping, Sequence

from board.evidence import Comparison
from board.results import DataSet
from board.samples import Sample
from board.text import number
from metrics.table import Metric


def ceiling_fact(
    found: Sequence[Comparison], *, reference: Sample | None, metric: Metric, entry: DataSet
) -> str:
    """The most that could be gained here: what the oracle, which knows the types, is ahead; label noise."""
    ceiling = next((c.value for c in found if c.model == "oracle"), None)
    told = [f"Ceiling (oracle): {number(ceiling)}."]
    if ceiling is not None and reference is not None and reference.value is not None:
        room = (ceiling - reference.value) * (1 if metric.higher_is_better else -1)
        told.append(f"Room above the reference: {number(room, sign=True)}.")
    return " ".join(filter(None, [*told, noise_fact(entry)]))


def noise_fact(entry: DataSet) -> str:
    """What two sets of labels of the same cells say of each other; empty where no second one is stated."""
    agreement: Mapping | None = (entry.report.get("entry") or {}).get("label_agreement")
    if not agreement:
        return ""
    return (
        f"Labels are noisy: another published set names {agreement['value']:.0%} of {agreement['n']:,} cells "
        f"alike ({agreement['source']}), so nearer to the oracle than that is nearer to these labels, "
        "not shown to be nearer to the truth."
    )
