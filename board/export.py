"""``leaderboard.json``: what a page shows, for other programs to read; and back to a study's results.

Its form is ``leaderboard.schema.json``, with a version.
The single values lie beside it in ``scores.parquet``.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pyarrow as pa

from board.across import Across
from board.evidence import Comparison, Evidence
from board.family import Key
from board.intervals import Interval
from board.ranks import Ranks
from board.results import SCHEMA, Results, data_set_of, run_of
from board.scores import read_rows
from board.text import without_folders
from contract.catalogue import check
from contract.errors import UserError
from contract.files import read_json
from metrics.table import Metric
from tasks.study import Family, Primary, Protocol, Study, read_protocol
from tasks.table import TASKS

NAME = "leaderboard.json"
FORMAT, VERSION = "sclitmus-leaderboard", 2


def export(
    results: Results, evidence: Evidence, metrics: Mapping[str, Metric], *, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """A study, its data sets, runs and verdicts as ``leaderboard.schema.json`` has them."""
    used = dict(sorted(set(zip(results.rows["metric"], results.rows["metric_version"], strict=True))))
    board = {
        "format": FORMAT,
        "version": VERSION,
        "study": asdict(results.study),
        "datasets": [asdict(entry) for entry in results.datasets],
        "runs": [asdict(run) for run in results.runs],
        "metrics": {name: _metric(metrics[name], version=version) for name, version in used.items()},
        "level": evidence.level,
        "family": evidence.family,
        "comparisons": [_comparison(found) for found in evidence.comparisons],
        "across": [_across(line) for line in evidence.across],
        "ranks": [_ranks(key, found) for key, found in evidence.ranks.items()],
        "provenance": dict(provenance),
    }
    return {name: _plain(value) for name, value in board.items()}


def _metric(metric: Metric, *, version: str) -> dict[str, Any]:
    """What a metric is; ``version`` is the one that the values were scored with, today's or not."""
    return {
        "title": metric.title,
        "version": version,
        "higher_is_better": metric.higher_is_better,
        "best": _finite(metric.best),
        "worst": _finite(metric.worst),
        "chance": _finite(metric.chance),
        "doi": metric.doi or None,
    }


def _plain(value: Any) -> Any:
    """The same as JSON has it: sets and tuples are lists, sets in order; and no folder of this machine."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, str):
        return without_folders(value)
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _finite(value: float | None) -> float | None:
    """JSON has no infinity: an end that does not exist is null."""
    return value if value is not None and math.isfinite(value) else None


def _comparison(found: Comparison) -> dict[str, Any]:
    facts = (
        "task",
        "dataset",
        "access",
        "model",
        "control",
        "simulated",
        "in_family",
        "value",
        "word",
        "reason",
        "geometry_dependent",
    )
    second, rivals = found.whitened, found.rivals
    return {name: getattr(found, name) for name in facts} | {
        "gain": found.gain.value,
        **_ends(found.gain.interval),
        "units": found.gain.units,
        "scope": found.gain.scope,
        "whitened": second
        and {"gain": second.gain.value, **_ends(second.gain.interval), "word": second.word},
        "rivals": rivals and asdict(rivals),
    }


def _ends(interval: Interval | None) -> dict[str, float | None]:
    """An infinite end, as rank statistics may have, is null, too."""
    return {name: _finite(getattr(interval, name)) if interval else None for name in ("low", "high")}


def _across(line: Across) -> dict[str, Any]:
    names = ("task", "access", "label_source", "model", "missing", "value", "word", "reason")
    gains = [{"study": study, "gain": gain} for study, gain in line.gains]
    return {name: getattr(line, name) for name in names} | {"gains": gains, **_ends(line.interval)}


def _ranks(key: Key, found: Ranks) -> dict[str, Any]:
    task, dataset, access = key
    return {"task": task, "dataset": dataset, "access": access, **asdict(found)}


def read_export(folder: Path) -> dict[str, Any]:
    """The ``leaderboard.json`` of a folder, checked.

    Raises
    ------
    UserError
        If there is none, or it is of another format or version.
    """
    path = Path(folder) / NAME
    if not path.is_file():
        raise UserError(str(path), found="no such file", expected="the folder of a leaderboard")
    board = read_json(path)
    version = board.get("version") if isinstance(board, dict) else None
    if isinstance(version, int) and version != VERSION:
        raise UserError(
            str(path), found=f"version {version}", expected=f"version {VERSION}", todo="make the page again"
        )
    check(board, read_json(SCHEMA), where=str(path))
    _check_names(board, where=str(path))
    return board


def _check_names(board: Mapping[str, Any], *, where: str) -> None:
    """A study's tasks are ours, and what else is named is named by the study."""
    study = board["study"]
    tasks = study["tasks"]
    asked = study["datasets"] if any(TASKS[t].by_protocol for t in tasks if t in TASKS) else []
    metrics = [name for task in tasks if task in TASKS for name in TASKS[task].metrics]
    for what, found, known in (
        ("study.tasks", tasks, TASKS),
        ("study.primary", study["primary"], tasks),
        ("study.tasks", tasks, study["primary"]),
        ("study.primary", [rule["metric"] for rule in study["primary"].values()], metrics),
        ("study.reference", [study["reference"]], study["models"]),
        ("study.baselines", study["baselines"], study["models"]),
        ("study.protocols", study.get("protocols", {}), asked),
        ("study.datasets", asked, study.get("protocols", {})),
        ("datasets", [entry["id"] for entry in board["datasets"]], study["datasets"]),
        ("study.datasets", study["datasets"], [entry["id"] for entry in board["datasets"]]),
        ("runs", [run["dataset"] for run in board["runs"]], study["datasets"]),
        ("runs", [run["model"] for run in board["runs"]], study["models"]),
    ):
        strange = [name for name in found if name not in known]
        if strange:
            raise UserError(
                f"{where}: {what}",
                found=f"{strange[0]!r}",
                expected=f"one of {', '.join(known) or 'none'}",
                todo="make the page again",
            )


def results_of(board: Mapping[str, Any], folder: Path) -> tuple[Results, pa.Table]:
    """What an export and the ``scores.parquet`` beside it hold, as ``read_results`` would have found it."""
    study = study_of(board["study"])
    table = read_rows(study, [Path(folder) / "scores.parquet"])
    return Results(
        study=study,
        rows=table.to_pandas(),
        runs=tuple(run_of(record) for record in board["runs"]),
        datasets=tuple(map(data_set_of, board["datasets"])),
    ), table


def study_of(record: Mapping[str, Any]) -> Study:
    """A study as it was before it was written as JSON."""
    lists = {name: tuple(record[name]) for name in ("datasets", "models", "seeds", "tasks", "baselines")}
    primary = {
        task: Primary(**{name: rule[name] for name in ("metric", "readout", "margin")})
        for task, rule in record["primary"].items()
    }
    named = {
        part.name: names if (names := record["family"].get(part.name)) is None else frozenset(names)
        for part in fields(Family)
    }
    protocols = {
        name: read_protocol({part.name: own[part.name] for part in fields(Protocol)})
        for name, own in record.get("protocols", {}).items()
    }
    words = {name: record[name] for name in ("id", "title", "question", "reference", "level", "path")}
    return Study(**words, **lists, primary=primary, family=Family(**named), protocols=protocols)
