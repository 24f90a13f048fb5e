"""Section 2 of the page: each task, data set and access, and who gains what over the reference."""

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from board.ceiling import ceiling_fact
from board.costs import spent
from board.evidence import POWER, Comparison, Evidence, smallest_detectable
from board.family import Key
from board.gain import FEWEST_UNITS
from board.ranks import Ranks
from board.remarks import Said, remarks
from board.results import DataSet, Results, Run
from board.svg import Scale, gain_scale, whisker
from board.text import count, cut, listing, number, percent, seconds
from board.whitened import MARK, told
from metrics.table import Metric

MOST_RANKS = 20
"""Contestants whose ranks are told above a table; ``leaderboard.json`` has them all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of a table of gains; the ``…_order`` are what sorting goes by."""

    model: str
    kind: str
    value: str
    gain: str
    interval: str
    picture: Markup
    word: str
    mark: str
    scope: str
    reason: str
    cost: str
    saw: str
    runs: str
    value_order: float | None
    gain_order: float | None
    cost_order: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """One task, data set and access: the reference, its contestants and, apart, the controls."""

    id: str
    task: str
    dataset: str
    access: str
    metric: str
    facts: tuple[str, ...]
    reference: Row
    contestants: tuple[Row, ...]
    controls_above: tuple[Row, ...]
    controls_below: tuple[Row, ...]


def tables(results: Results, evidence: Evidence, metrics: Mapping[str, Metric]) -> list[Table]:
    """One table a (task, data set, access) that anyone but controls entered, where the data set is usable."""
    study = results.study
    entered = {(c.task, c.dataset, c.access) for c in evidence.comparisons if not c.control}
    keys = [key for key in entered if results.dataset(key[1]).ok]
    keys.sort(key=lambda key: (study.tasks.index(key[0]), study.datasets.index(key[1]), key[2]))
    said = remarks(results)
    return [_table(results, evidence, metrics, key, said.get(key, Said())) for key in keys]


def _table(
    results: Results,
    evidence: Evidence,
    metrics: Mapping[str, Metric],
    key: Key,
    said: Said,
) -> Table:
    task, dataset, access = key
    primary = results.study.primary[task]
    found = [c for c in evidence.comparisons if (c.task, c.dataset, c.access) == key]
    scale = _scale(found, margin=primary.margin)
    rows = {c.model: _row(results, c, scale=scale, margin=primary.margin, said=said) for c in found}
    controls = sorted((c for c in found if c.control), key=_by_gain)
    above = [c for c in controls if (c.gain.value or 0) > 0]
    return Table(
        id=f"gain-{task}-{dataset}-{access}",
        task=task,
        dataset=dataset,
        access=access,
        metric=_metric_name(metrics[primary.metric], primary.readout),
        facts=(
            *_facts(results, evidence, found, metrics[primary.metric], key),
            *([f"Of the values: {said.common}."] if said.common else []),
        ),
        reference=_reference(results, evidence, key, scale=scale, margin=primary.margin, said=said),
        contestants=tuple(rows[c.model] for c in sorted(found, key=_by_gain) if not c.control),
        controls_above=tuple(rows[c.model] for c in above),
        controls_below=tuple(rows[c.model] for c in controls if c not in above),
    )


def _by_gain(c: Comparison) -> tuple[bool, float]:
    return (c.gain.value is None, -(c.gain.value or 0.0))


def _metric_name(metric: Metric, readout: str | None) -> str:
    better = (
        "higher is better" if metric.higher_is_better else "lower is better; a gain above 0 is an improvement"
    )
    probe = f", {readout} probe" if readout and readout != "none" else ""
    return f"{metric.title}{probe} ({better})"


def _scale(found: list[Comparison], *, margin: float) -> Scale:
    """Set by the contestants, so that their differences can be seen; controls may lie beyond its ends."""
    gains = [c.gain for c in found if not c.control and c.gain.value is not None]
    ends = [end for g in gains if g.interval for end in (g.interval.low, g.interval.high)]
    return gain_scale([*(g.value for g in gains), *ends], margin=margin)


def _row(results: Results, c: Comparison, *, scale: Scale, margin: float, said: Said) -> Row:
    interval, has = c.gain.interval, c.gain.value is not None
    runs = results.runs_of(c.model, dataset=c.dataset, access=c.access)
    cost = spent(runs)
    return Row(
        model=c.model,
        kind=results.kind(c.model),
        value=number(c.value),
        gain=number(c.gain.value, sign=True),
        interval=f"{number(interval.low, sign=True)} to {number(interval.high, sign=True)}"
        if interval
        else "",
        picture=whisker(
            scale,
            value=c.gain.value,
            low=interval.low if interval else None,
            high=interval.high if interval else None,
            margin=margin,
        ),
        word=c.word,
        mark=MARK if c.geometry_dependent else "",
        scope=" ".join(filter(None, [c.gain.scope, rivals_text(c), told(c.whitened, word=c.word)]))
        if c.decided
        else "",
        reason="; ".join(filter(None, ["" if c.control and has else c.reason, said.of(c.model)])),
        cost=seconds(cost),
        saw=listing(sorted(seen(runs)), empty="nothing"),
        runs=runs_text(runs),
        value_order=c.value,
        gain_order=c.gain.value,
        cost_order=cost,
    )


def _reference(
    results: Results, evidence: Evidence, key: Key, *, scale: Scale, margin: float, said: str
) -> Row:
    _, dataset, access = key
    sample = evidence.references[key]
    runs = results.runs_of(results.study.reference, dataset=dataset, access=access)
    cost = spent(runs)
    has = sample is not None and sample.ok
    return Row(
        model=results.study.reference,
        kind="reference",
        value=number(sample.value if sample else None),
        gain=number(0.0 if has else None, sign=False),
        interval="",
        picture=whisker(scale, value=0.0 if has else None, low=None, high=None, margin=margin),
        word="reference" if has else "no value",
        mark="",
        scope="",
        reason=said.of(results.study.reference)
        if has
        else (sample.reason if sample else "it has no run here"),
        cost=seconds(cost),
        saw=listing(sorted(seen(runs)), empty="nothing"),
        runs=runs_text(runs),
        value_order=sample.value if has else None,
        gain_order=0.0 if has else None,
        cost_order=cost,
    )


def _facts(
    results: Results,
    evidence: Evidence,
    found: list[Comparison],
    metric: Metric,
    key: Key,
) -> list[str]:
    entry = results.dataset(key[1])
    chance = "depends on the data" if metric.chance is None else number(metric.chance)
    return [
        f"Labels come from: {str(entry.report.get('label_source') or 'not stated').replace('_', ' ')}.",
        _unit_fact(entry, units=max((c.gain.units for c in found), default=0)),
        _power_fact(found, level=evidence.family_of(simulated=entry.simulated).level),
        f"{_ceiling(results, evidence, found, metric, key)} Chance: {chance}.",
        ranks_text(evidence.ranks[key], level=results.study.level),
    ]


def limits(results: Results, evidence: Evidence, metrics: Mapping[str, Metric]) -> dict[str, list[str]]:
    """Data set → for each task and access the smallest gain that could be seen, and the ceiling."""
    found: dict[str, list[str]] = {}
    for key in sorted(evidence.samples, key=lambda key: (results.study.tasks.index(key[0]), key[2])):
        own = [c for c in evidence.comparisons if (c.task, c.dataset, c.access) == key]
        metric = metrics[results.study.primary[key[0]].metric]
        detectable = smallest_detectable(own)
        least = "none (no interval)" if detectable is None else number(detectable)
        told = f"{key[0]}, {key[2]}: smallest detectable gain {least}."
        found.setdefault(key[1], []).append(f"{told} {_ceiling(results, evidence, own, metric, key)}")
    return found


def ranks_text(ranks: Ranks, *, level: float) -> str:
    """The ranks that the data allow, which are mostly many; empty where there are none to tell."""
    if not ranks.sets:
        return ""
    order = sorted(ranks.sets.items(), key=lambda pair: (pair[1].best, pair[1].worst, pair[0]))
    told = [
        f"{name} {one.best}" if one.best == one.worst else f"{name} {one.best}–{one.worst}"
        for name, one in order
    ]
    names, left = (cut(parts, longest=MOST_RANKS) for parts in (told, ranks.left_out))
    out = f"; without a value for each unit: {left}" if ranks.left_out else ""
    return f"Ranks that the data allow (exploratory; together {percent(level)}): {names}{out}."


def _power_fact(found: list[Comparison], *, level: float) -> str:
    detectable = smallest_detectable(found)
    if detectable is None:
        return f"No intervals: they need {FEWEST_UNITS} independent units at least."
    return (
        f"Intervals at {percent(level)}. Smallest detectable gain: {number(detectable)} "
        f"(a typical contestant that is so much better is called better in {POWER:.0%} of cases)."
    )


def _ceiling(results: Results, evidence: Evidence, found: list[Comparison], metric: Metric, key: Key) -> str:
    entry, reference = results.dataset(key[1]), evidence.references[key]
    return ceiling_fact(found, reference=reference, metric=metric, entry=entry)


def rivals_text(c: Comparison) -> str:
    """Whether who is better than the reference beats the best simple baseline, too; empty for all others."""
    if c.rivals is None or c.word != "better":
        return ""
    if c.rivals.low is None or c.rivals.nearest is None:
        return f"Against every baseline: no verdict ({c.rivals.reason or 'no interval'})."
    nearest = f"{c.rivals.nearest} comes nearest, {number(c.rivals.value, sign=True)}"
    if c.rivals.word == "beats every baseline":
        return f"Beats every baseline by at least {number(c.rivals.low)} ({nearest})."
    return f"Not shown to beat every baseline ({nearest})."


def _unit_fact(entry: DataSet, *, units: int) -> str:
    if entry.units == "none":
        return f"No independent units. {entry.report.get('note') or ''}".strip()
    if units < 2:
        return f"No gain rests on two or more independent {_plural(entry.units)}."
    of = "" if entry.units == "donor" else " (batches; it has no donors)"
    return (
        f"Rests on {count(units, f'independent {entry.units}', 'independent ' + _plural(entry.units))}{of}."
    )


def _plural(word: str) -> str:
    return {"donor": "donors", "batch": "batches"}[word]


def seen(runs: list[Run]) -> set[str]:
    """What the runs' cards say they saw."""
    return {flag.replace("_", " ") for run in runs for flag in run.saw}


def runs_text(runs: list[Run]) -> str:
    """``2/2 ok``, or what became of the others."""
    ok = sum(run.ok for run in runs)
    others = sorted({run.outcome["status"].replace("_", " ") for run in runs} - {"ok"})
    return f"{ok}/{len(runs)} ok" + (f" ({', '.join(others)})" if others else "")
