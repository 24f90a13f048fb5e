"""Sections 6 to 8 of the page: what the data sets, the contestants and the metrics are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from board.costcurve import CostCurve, cost_curves
from board.results import DataSet, Results, Run
from board.text import number, tidy
from metrics.table import Metric

TOLD = ("source", "revision", "license", "gathered", "note")
Facts = tuple[tuple[str, str], ...]
PREPARED = ("cells.h5ad", "split.parquet")
FIRST = ("title", "n_cells", "n_genes", "units", "label_source", "organism", "citation", "license", "note")


def dataset_facts(entry: DataSet, runs: Sequence[Run] = (), told: Sequence[str] = ()) -> Facts:
    """What a data set is, what can be seen on it (``told``), what ``prepare`` did, what its runs read."""
    names = [name for name in FIRST if name in entry.report]
    names += sorted(set(entry.report) - set(FIRST) - {"dataset", "id"})
    status = f"{entry.outcome['status'].replace('_', ' ')} at {entry.outcome['stage']}"
    outcome = ": ".join(filter(None, [status, entry.outcome.get("reason")]))
    shown = ((name.replace("_", " "), tidy(entry.report[name], longest=30)) for name in names)
    seen = (("what can be seen on it", " ".join(told)),) if told else ()
    return (("outcome", outcome), *seen, *shown, *_read(runs))


def _read(runs: Sequence[Run]) -> Facts:
    """SHA-256 of the cells and of the split; more than one, where the runs are not of one preparation."""
    found: dict[str, set[str]] = {}
    for run in runs:
        for name, digest in (run.made.get("inputs") or {}).items():
            if name in PREPARED:
                found.setdefault(name, set()).add(digest)
    return tuple((name, f"SHA-256 {', '.join(sorted(found[name]))}") for name in PREPARED if name in found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """One contestant: its card, what it saw, what its corpus shares with each data set, what it costs."""

    name: str
    kind: str
    facts: Facts
    overlap: tuple[str, ...]
    costs: tuple[CostCurve, ...]


def profiles(results: Results) -> list[Profile]:
    """All contestants, in the study's order."""
    return [_profile(results, model) for model in results.study.models]


def _profile(results: Results, model: str) -> Profile:
    runs = results.runs_of(model)
    cards = [run.card for run in runs if run.card]
    overlaps = {run.dataset: run.overlap for run in runs if run.overlap}
    facts = _card(cards[0], options=runs[0].options) if cards else (("card", "no run left one"),)
    facts += _packages(runs) + _weights(runs)
    shown = tuple(_overlap(name, found) for name, found in sorted(overlaps.items()))
    return Profile(
        name=model,
        kind=results.kind(model),
        facts=facts,
        overlap=shown,
        costs=cost_curves(results, model),
    )


def _card(card: Mapping[str, Any], *, options: Mapping[str, Any]) -> Facts:
    source = card.get("pretrained_on")
    trained = "pretraining" in (card.get("saw") or ()) or not source
    return (
        *((name, tidy(card[name])) for name in TOLD if card.get(name)),
        ("saw", tidy(card.get("saw"))),
        (
            "pre-trained on" if trained else "vocabulary from",
            "not disclosed" if source is None else tidy(source) if source else "nothing",
        ),
        ("options", tidy(options)),
    )


def _packages(runs: Sequence[Run]) -> Facts:
    """Versions that its runs were made with, pre-training included; several where runs differ."""
    found: dict[str, set[str]] = {}
    for run in runs:
        for made in (run.made, run.checkpoint or {}):
            for name, version in (made.get("versions") or {}).items():
                found.setdefault(name, set()).add(version)
    told = ", ".join(f"{name} {' and '.join(sorted(found[name]))}" for name in sorted(found))
    return (("made with", told),) if told else ()


def _weights(runs: Sequence[Run]) -> Facts:
    """What it was loaded from, one line a training: SHA-256 of the weights, where there are any."""
    found = {
        run.seed: digest
        for run in runs
        for name, digest in ((run.checkpoint or {}).get("state") or {}).items()
        if name.endswith(".safetensors")
    }
    return tuple((f"weights of seed {seed}", f"SHA-256 {digest}") for seed, digest in sorted(found.items()))


def _overlap(dataset: str, found: Mapping[str, Any]) -> str:
    reason = f" ({found['reason']})" if found.get("reason") else ""
    return f"{dataset}: {str(found['exposure']).replace('_', ' ')}{reason}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Meaning:
    """What one metric is."""

    metric: Metric
    direction: str
    best: str
    chance: str
    order: str


def meanings(names: Sequence[str], metrics: Mapping[str, Metric]) -> list[Meaning]:
    """What each of the named metrics is, in the order given."""
    return [_meaning(metrics[name]) for name in names]


def _meaning(metric: Metric) -> Meaning:
    return Meaning(
        metric=metric,
        direction="↑ higher is better" if metric.higher_is_better else "↓ lower is better",
        best=number(metric.best),
        chance="depends on the data" if metric.chance is None else number(metric.chance),
        order=" > ".join(metric.control_order or ()) or "none expected",
    )
