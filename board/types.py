"""Which types are named rightly, by whom, and what they are taken for instead; along the ontology."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from board.confusion import Calls, Matrix, matrix, who
from board.evidence import Evidence
from board.family import Key
from board.results import Results

UNIT, TAKEN = "type:", "taken for "
OFTEN = 0.05
"""Share of a type's cells from which on it is told what they are mostly taken for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One type, or (``number`` null) an inner term of the ontology; ``depth`` in the tree.

    ``shares``: for each contestant the share (0 to 1) of the cells below that are called by a name
    below, null where it has no answers, and the number of the type that a type is most often taken for.
    """

    name: str
    number: int | None
    depth: int
    cells: int
    shares: tuple[tuple[float | None, int | None], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TypeTable:
    """Errors by type at one task, on one data set, in one access; and ``matrices`` of confusions."""

    task: str
    dataset: str
    access: str
    models: tuple[str, ...]
    lines: tuple[Line, ...]
    matrices: tuple[Matrix, ...]


def type_tables(results: Results, evidence: Evidence) -> list[TypeTable]:
    """One table wherever answers by type were stored, in the study's order."""
    rows = _rows(results)
    calls = _calls(rows)
    cells = rows.groupby(["task", "dataset", "access", "unit"])["n"].max().astype(int).to_dict()
    order = sorted(
        calls,
        key=lambda key: (results.study.tasks.index(key[0]), results.study.datasets.index(key[1]), key[2]),
    )
    return [_table(results, evidence, key, calls[key], cells) for key in order]


def _rows(results: Results) -> pd.DataFrame:
    """Accuracy by type, by the readout of the task's verdicts and all labels; controls left out."""
    rows = results.rows
    rows = rows[
        rows["unit"].str.startswith(UNIT)
        & (rows["metric"] == "accuracy")
        & (rows["status"] == "ok")
        & (rows["geometry"] == "as_is")
        & rows["shots"].isna()
    ]
    readouts = {task: rule.readout or "none" for task, rule in results.study.primary.items()}
    rows = rows[rows["readout"].fillna("none") == rows["task"].map(readouts)]
    controls = [model for model in results.study.models if results.is_control(model)]
    return rows[~rows["model"].isin(controls)]


def _calls(rows: pd.DataFrame) -> dict[Key, dict[str, Calls]]:
    """Where → contestant → its answers, summed over trainings."""
    found: dict[Key, dict[str, dict[str, Counter[str]]]] = {}
    columns = ["task", "dataset", "access", "model", "unit", "n", "reason"]
    for task, dataset, access, model, unit, n, reason in rows[columns].itertuples(index=False, name=None):
        name = unit.removeprefix(UNIT)
        own = found.setdefault((task, dataset, access), {}).setdefault(model, {})
        own.setdefault(name, Counter()).update(_called(name, int(n), reason))
    return found


def _called(name: str, n: int, reason: str | None) -> dict[str, int]:
    wrong: dict[str, int] = {}
    if reason and reason.startswith(TAKEN):
        wrong, _ = json.JSONDecoder().raw_decode(reason.removeprefix(TAKEN))
    return {name: n - sum(wrong.values()), **wrong}


def _table(
    results: Results,
    evidence: Evidence,
    key: Key,
    calls: Mapping[str, Calls],
    cells: Mapping[tuple[str, ...], int],
) -> TypeTable:
    models = tuple(name for name in results.study.models if name in calls)
    report = results.dataset(key[1]).report
    types = sorted({name for own in calls.values() for name in own})
    places = list(_walk(types, report))
    numbers = {below[0]: n for n, below in enumerate((b for *_, b, leaf in places if leaf), start=1)}
    shown = who(models, _two(results, evidence, key, models), types=len(types))
    sizes = {name: cells[*key, UNIT + name] for name in types}
    return TypeTable(
        task=key[0],
        dataset=key[1],
        access=key[2],
        models=models,
        lines=tuple(
            _line(place, [calls[model] for model in models], numbers=numbers, sizes=sizes) for place in places
        ),
        matrices=tuple(matrix(model, calls[model], list(numbers)) for model in shown),
    )


Place = tuple[str, int, tuple[str, ...], bool]
"""Name, depth, types below, and whether it is a type itself."""


def _walk(types: Sequence[str], report: Mapping[str, Any]) -> Iterator[Place]:
    """Types in the order of the tree that the report has, inner terms before what is below them."""
    ids = {name: found[0] for name, found in (report.get("label_ids") or {}).items() if len(found) == 1}
    children: dict[str | None, list[Mapping[str, Any]]] = {}
    for node in report.get("type_tree") or ():
        children.setdefault(node["parent"], []).append(node)
    known = {node["id"] for nodes in children.values() for node in nodes}
    own: dict[str, list[str]] = {}
    for name in types:
        if ids.get(name) in known:
            own.setdefault(ids[name], []).append(name)
    for root in children.get(None, ()):
        yield from _branch(root, 0, children, own)
    for name in types:
        if ids.get(name) not in known:
            yield name, 0, (name,), True


def _branch(
    node: Mapping[str, Any],
    depth: int,
    children: Mapping[str | None, Sequence[Mapping[str, Any]]],
    own: Mapping[str, Sequence[str]],
) -> list[Place]:
    """A term and all below it; nothing where no type is below, no line of its own where there is only one."""
    below = [place for child in children.get(node["id"], ()) for place in _branch(child, 0, children, own)]
    below = [(name, 0, (name,), True) for name in own.get(node["id"], ())] + below
    leaves = tuple(name for name, *_, leaf in below if leaf)
    head = [(node["name"], depth, leaves, False)] if len(leaves) > 1 else []
    return head + [(name, at + depth + len(head), held, leaf) for name, at, held, leaf in below]


def _line(
    place: Place, calls: Sequence[Calls], *, numbers: Mapping[str, int], sizes: Mapping[str, int]
) -> Line:
    name, depth, below, leaf = place
    return Line(
        name=name,
        number=numbers[name] if leaf else None,
        depth=depth,
        cells=sum(sizes[held] for held in below),
        shares=tuple((_share(below, own), _mostly(name, own, numbers) if leaf else None) for own in calls),
    )


def _share(below: Sequence[str], own: Calls) -> float | None:
    """Share of the cells of these types that were called one of them."""
    total = sum(sum(own[name].values()) for name in below if name in own)
    right = sum(own[name][called] for name in below if name in own for called in below)
    return right / total if total else None


def _mostly(name: str, own: Calls, numbers: Mapping[str, int]) -> int | None:
    wrong = [(cells, called) for called, cells in own.get(name, {}).items() if called != name]
    if not wrong:
        return None
    cells, called = max(wrong, key=lambda pair: (pair[0], pair[1]))
    return numbers.get(called) if cells >= OFTEN * sum(own[name].values()) else None


def _two(results: Results, evidence: Evidence, key: Key, models: Sequence[str]) -> tuple[str, ...]:
    """The reference, and who gained most over it."""
    gains = {
        c.model: c.gain.value
        for c in evidence.comparisons
        if (c.task, c.dataset, c.access) == key and c.model in models and c.gain.value is not None
    }
    first = max(gains, key=lambda name: (gains[name], name), default=None)
    return tuple(name for name in (results.study.reference, first) if name in models)
