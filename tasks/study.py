"""A study file as a frozen value: what is run, what it is compared with, and what was declared beforehand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from contract.catalogue import check, read_yaml
from contract.errors import UserError, suggestion
from tasks.protocol import Protocol, read_protocol
from tasks.table import TASKS, Primary

SCHEMA = Path(__file__).resolve().parent.parent / "workflow" / "schemas" / "study.schema.yaml"

__all__ = ["Family", "Primary", "Protocol", "Study", "protocol_for", "read_protocol", "read_study"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """The comparisons that a study declared to judge: those in all four sets; null is everything.

    Fewer comparisons share the error rate then, so that each is told more surely; all
    others are exploratory.
    """

    tasks: frozenset[str] | None = None
    datasets: frozenset[str] | None = None
    access: frozenset[str] | None = None
    models: frozenset[str] | None = None

    def holds(self, **names: str) -> bool:
        """Whether a comparison, named by task, dataset, access and model, is in the family."""
        said = {"tasks": names["task"], "datasets": names["dataset"], "models": names["model"]}
        said["access"] = names["access"]
        return all(getattr(self, part) is None or name in getattr(self, part) for part, name in said.items())


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """Data sets × contestants × seeds × tasks, and the declared primary metric of each task.

    ``seeds`` are 0 … n-1; ``level`` (0 to 1) is the confidence of all the study's
    verdicts together, which are those of its ``family``. ``baselines`` are the simple
    contestants, the reference among them, all of which a better one should beat.
    ``protocols`` say of each data set how labels are learned from, where a task asks for it.
    """

    id: str
    title: str
    question: str
    datasets: tuple[str, ...]
    models: tuple[str, ...]
    seeds: tuple[int, ...]
    tasks: tuple[str, ...]
    reference: str
    primary: dict[str, Primary]
    level: float
    path: str
    baselines: tuple[str, ...] = ()
    family: Family = field(default_factory=Family)
    protocols: Mapping[str, Protocol] = field(default_factory=dict)

    @property
    def embedded(self) -> tuple[str, ...]:
        """The tasks that embeddings answer."""
        return tuple(task for task in self.tasks if not TASKS[task].by_protocol)

    @property
    def by_protocol(self) -> tuple[str, ...]:
        """The tasks that predictions answer."""
        return tuple(task for task in self.tasks if TASKS[task].by_protocol)


def read_study(path: Path) -> Study:
    """Read and check a study file; names of data sets and contestants are not looked up here.

    Raises
    ------
    UserError
        One line that names the file and the field of the first mistake.
    """
    entry = read_yaml(path)
    check(entry, _schema(), where=str(path))
    if entry["reference"] not in entry["models"]:
        raise UserError(
            f"{path}: reference",
            found=f"{entry['reference']!r}, which is not among models",
            todo=suggestion(entry["reference"], entry["models"]),
        )
    _check_coverage(entry, where=f"{path}: primary")
    baselines = _baselines(entry, where=f"{path}: baselines")
    family = _family(entry, where=f"{path}: family")
    return Study(
        id=entry["study"],
        title=entry["title"],
        question=entry.get("question", ""),
        datasets=tuple(entry["datasets"]),
        models=tuple(entry["models"]),
        seeds=tuple(range(entry["seeds"])),
        tasks=tuple(entry["tasks"]),
        reference=entry["reference"],
        primary={
            task: _primary(task, entry["primary"][task], where=f"{path}: primary.{task}")
            for task in entry["tasks"]
        },
        level=float(entry["level"]),
        path=str(path),
        baselines=baselines,
        family=family,
        protocols=_protocols(entry, where=str(path)),
    )


def protocol_for(study: Study, dataset: str) -> Protocol:
    """The protocol of one data set; a study that has none is a ``UserError``."""
    if dataset not in study.protocols:
        raise UserError(
            f"{study.path}: protocol",
            found=f"none for {dataset!r}",
            expected="how labels are learned from",
            todo="add 'protocol: {held_out: unit}' and a task that asks for it",
        )
    return study.protocols[dataset]


@cache
def _schema() -> dict[str, Any]:
    return read_yaml(SCHEMA)


def _check_coverage(entry: Mapping[str, Any], *, where: str) -> None:
    for task in entry["tasks"]:
        if task not in entry["primary"]:
            usual = TASKS[task].primary
            readout = f"readout: {usual.readout}, " if usual.readout else ""
            raise UserError(
                where,
                found=f"no primary metric for the task {task!r}",
                expected="one for each task",
                todo=f"add '{task}: {{metric: {usual.metric}, {readout}margin: {usual.margin}}}'",
            )
    for task in entry["primary"]:
        if task not in entry["tasks"]:
            raise UserError(
                f"{where}.{task}",
                found="a primary metric for a task that is not among tasks",
                expected=f"only {', '.join(entry['tasks'])}",
                todo="remove it, or add the task",
            )


def _protocols(entry: Mapping[str, Any], *, where: str) -> dict[str, Protocol]:
    asked = [task for task in entry["tasks"] if TASKS[task].by_protocol]
    if bool(asked) != ("protocol" in entry):
        found = f"the task {asked[0]!r}, but no 'protocol'" if asked else "a protocol that no task asks for"
        raise UserError(where, found=found, todo="add 'protocol: {held_out: unit}', or leave both out")
    _known(list(entry.get("protocol_of", {})), entry["datasets"], where=f"{where}: protocol_of")
    if not asked:
        return {}
    own = entry.get("protocol_of", {})
    found = {
        name: read_protocol(entry["protocol"], own.get(name, {}), where=f"{where}: protocol of {name}")
        for name in entry["datasets"]
    }
    if "novelty" in asked and not any(protocol.unseen for protocol in found.values()):
        raise UserError(
            f"{where}: protocol",
            found="no 'unseen' types, which the task 'novelty' asks for",
            todo="add them",
        )
    return found


def _baselines(entry: Mapping[str, Any], *, where: str) -> tuple[str, ...]:
    named = entry.get("baselines", [entry["reference"]])
    _known(named, entry["models"], where=where)
    if entry["reference"] not in named:
        raise UserError(
            where,
            found=f"no {entry['reference']!r}, which is the reference",
            expected="the reference among them",
            todo="add it",
        )
    return tuple(named)


def _family(entry: Mapping[str, Any], *, where: str) -> Family:
    given = entry.get("family", {})
    for part in ("tasks", "datasets", "models"):
        _known(given.get(part, []), entry[part], where=f"{where}.{part}")
    if set(given.get("models", [])) == {entry["reference"]}:
        raise UserError(
            f"{where}.models",
            found=f"{entry['reference']!r} alone, which is the reference",
            expected="contestants to be compared with it",
        )
    return Family(**{part: frozenset(names) for part, names in given.items()})


def _known(named: list[str], known: list[str], *, where: str) -> None:
    for name in named:
        if name not in known:
            raise UserError(
                where, found=f"{name!r}, which the study does not run", todo=suggestion(name, known)
            )


def _primary(name: str, entry: Mapping[str, Any], *, where: str) -> Primary:
    task, metric, readout = TASKS[name], entry["metric"], entry.get("readout")
    if metric not in task.metrics:
        raise UserError(
            f"{where}.metric",
            found=f"{metric!r}, no metric of the task {name!r}",
            todo=suggestion(metric, list(task.metrics)),
        )
    if task.readouts and readout is None:
        raise UserError(
            where,
            found="no 'readout'",
            expected=f"one of {', '.join(task.readouts)}",
            todo="add 'readout: …'",
        )
    if readout is not None and not task.readouts:
        raise UserError(
            f"{where}.readout", found=repr(readout), expected="none for this task", todo="remove it"
        )
    if metric not in task.metrics_of(readout):
        raise UserError(
            f"{where}.readout",
            found=f"{readout!r} for {metric!r}",
            expected=f"one of {', '.join(task.only[metric])}",
        )
    return Primary(metric=metric, readout=readout, margin=float(entry["margin"]))
