"""What a study left behind, read once: score rows, runs, data sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from board.text import reason_for
from contract.errors import UserError
from contract.files import read_json
from metrics.table import TABLE
from tasks.rows import SCHEMA
from tasks.study import Study
from tasks.table import TASKS

IDENTITY = [
    "dataset",
    "model",
    "readout",
    "access",
    "geometry",
    "pretrain_seed",
    "fit_seed",
    "split",
    "shots",
    "draw",
    "task",
    "metric",
    "unit",
]
STATUSES = ("ok", "undefined", "not_applicable", "failed")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One embedding of one data set by one contestant: what became of it, what it saw, what it cost.

    ``made`` holds hashes of its inputs, package versions and its shape; older records have none.
    """

    dataset: str
    model: str
    fit: str
    seed: int
    control: bool
    outcome: Mapping[str, Any]
    card: Mapping[str, Any]
    options: Mapping[str, Any]
    cost: Mapping[str, Any]
    checkpoint: Mapping[str, Any] | None
    overlap: Mapping[str, Any] | None
    made: Mapping[str, Any] = field(default_factory=dict)

    @property
    def accesses(self) -> tuple[str, ...]:
        """The comparisons that it stands in; controls, which were fitted on nothing, stand in both."""
        if self.fit == "none" and self.control:
            return ("inductive", "transductive")
        return ("transductive",) if self.fit == "all" else ("inductive",)

    @property
    def given_labels(self) -> bool:
        """Whether it learned from labels by the study's protocol: no embedding, but predictions."""
        return self.fit == "labels"

    @property
    def ok(self) -> bool:
        """Whether it left an embedding, or predictions."""
        return self.outcome["status"] == "ok"

    def seconds(self, stage: str) -> float | None:
        """Time of ``pretrain``, ``fit`` or ``embed``, where it was measured."""
        return (self.cost.get("seconds") or {}).get(stage)

    @property
    def saw(self) -> frozenset[str]:
        """What its card says it saw."""
        return frozenset(self.card.get("saw") or ())

    @property
    def pretrained(self) -> bool:
        """Whether it was pre-trained; a random start of the same design was not."""
        return "pretraining" in self.saw

    @property
    def from_elsewhere(self) -> bool:
        """Whether it brings anything from other cells: weights, or no more than a vocabulary or axes."""
        return self.pretrained or self.checkpoint is not None or self.overlap is not None


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """One data set: the report of ``prepare``, and what became of it."""

    id: str
    report: Mapping[str, Any]
    outcome: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """Whether there is anything to measure on."""
        return self.outcome["status"] == "ok"

    @property
    def simulated(self) -> bool:
        """Simulated data test the house, not the contestants."""
        return self.report.get("label_source") == "simulated"

    @property
    def units(self) -> str:
        """What the independent units are: ``donor``, ``batch`` or ``none``."""
        return self.report.get("units") or "none"


@dataclass(frozen=True, kw_only=True)
class Results:
    """A study, its score rows (one measured value each), runs and data sets, in the study's order."""

    study: Study
    rows: pd.DataFrame
    runs: tuple[Run, ...]
    datasets: tuple[DataSet, ...]

    def dataset(self, name: str) -> DataSet:
        """The data set of this id."""
        return next(entry for entry in self.datasets if entry.id == name)

    def runs_of(self, model: str, *, dataset: str = "", access: str = "", task: str = "") -> list[Run]:
        """Runs of a contestant; on one data set, in one access, for one task, where these are named."""
        return [
            run
            for run in self._by_model.get(model, ())
            if (not dataset or run.dataset == dataset)
            and (not access or access in run.accesses)
            and (not task or run.given_labels == TASKS[task].by_protocol)
        ]

    @cached_property
    def _by_model(self) -> dict[str, list[Run]]:
        found: dict[str, list[Run]] = {}
        for run in self.runs:
            found.setdefault(run.model, []).append(run)
        return found

    def is_control(self, model: str) -> bool:
        """Whether a contestant is there to be beaten by all, or by none."""
        return any(run.control for run in self.runs_of(model))

    def kind(self, model: str) -> str:
        """``control``, ``pre-trained``, ``from a corpus`` (but not pre-trained) or ``fitted here``."""
        runs = self.runs_of(model)
        if self.is_control(model):
            return "control"
        if any(run.pretrained for run in runs):
            return "pre-trained"
        return "from a corpus" if any(run.from_elsewhere for run in runs) else "fitted here"


def read_results(
    study: Study, *, scores: Sequence[Path], reports: Sequence[Path]
) -> tuple[Results, pa.Table]:
    """Read what ``tasks score`` and ``atlas prepare`` wrote; also return the rows as one sorted table.

    Beside ``<dataset>.parquet`` lies ``<dataset>.runs.json``, beside ``report.json`` ``outcome.json``.

    Raises
    ------
    UserError
        If a file is missing, is not of this study, or a row breaks the contract of score rows.
    """
    table = read_rows(study, scores)
    runs = tuple(run_of(record) for path in scores for record in _json(path.with_suffix(".runs.json")))
    datasets = {path.parent.name: path for path in reports}
    missing = [name for name in study.datasets if name not in datasets]
    if missing:
        raise UserError("--reports", found=f"none of data set {missing[0]!r}", expected="one a data set")
    entries = tuple(_dataset(name, datasets[name]) for name in study.datasets)
    return Results(study=study, rows=table.to_pandas(), runs=runs, datasets=entries), table


def read_rows(study: Study, paths: Sequence[Path]) -> pa.Table:
    """Score rows of a study's data sets as one table, sorted, so that equal input gives equal bytes."""
    tables = [_table(path) for path in paths]
    for path, table in zip(paths, tables, strict=True):
        _check_rows(table.to_pandas(), study=study, where=str(path))
    _check_versions(tables, paths)
    table = _publishable(pa.concat_tables(tables))
    return table.sort_by([(name, "ascending") for name in SCHEMA.names])


def _check_versions(tables: Sequence[pa.Table], paths: Sequence[Path]) -> None:
    """Values of two versions of a metric are never on one board."""
    seen: dict[str, tuple[str, Path]] = {}
    for table, path in zip(tables, paths, strict=True):
        pairs = zip(table["metric"].to_pylist(), table["metric_version"].to_pylist(), strict=True)
        for metric, version in dict.fromkeys(pairs):
            known, first = seen.setdefault(metric, (version, path))
            if known != version:
                raise UserError(
                    str(path),
                    found=f"version {version} of {metric}",
                    expected=f"version {known}, as in {first}",
                    todo="score this data set again",
                )


def _publishable(table: pa.Table) -> pa.Table:
    """The same rows; their reasons name no folder of this machine."""
    pairs = zip(table["dataset"].to_pylist(), table["reason"].to_pylist(), strict=True)
    reasons = [text and reason_for(dataset, text) for dataset, text in pairs]
    place = SCHEMA.get_field_index("reason")
    return table.set_column(place, SCHEMA.field(place), pa.array(reasons, type=pa.string()))


def _table(path: Path) -> pa.Table:
    if not path.is_file():
        raise UserError(str(path), found="no such file", todo="run `python -m tasks score` first")
    try:
        table = pq.read_table(path).replace_schema_metadata(None)
    except pa.ArrowInvalid as error:
        raise UserError(str(path), found=f"no parquet ({error})", todo="score this data set again") from None
    if table.schema != SCHEMA:
        odd = sorted(
            {f"{f.name} ({f.type})" for f in table.schema} ^ {f"{f.name} ({f.type})" for f in SCHEMA}
        )
        found = f"other columns: {', '.join(odd) or 'their order'}"
        raise UserError(str(path), found=found, expected="those of score rows", todo="score it again")
    return table


def _check_rows(rows: pd.DataFrame, *, study: Study, where: str) -> None:
    known = {
        "study": {study.id},
        "dataset": set(study.datasets),
        "model": set(study.models),
        "task": set(study.tasks),
        "metric": set(TABLE),
        "status": set(STATUSES),
    }
    for column, names in known.items():
        strange = sorted(set(rows[column]) - names)
        if strange:
            raise UserError(
                where, found=f"{column} {strange[0]!r}", expected=f"one of {', '.join(sorted(names))}"
            )
    if (rows["value"].isna() == (rows["status"] == "ok")).any():
        raise UserError(where, found="a null value that is ok, or a value that is not", expected="neither")
    if ((rows["status"] != "ok") & (rows["reason"].fillna("") == "")).any():
        raise UserError(where, found="a missing value without a reason", expected="a reason for each")
    twice = rows[rows.duplicated(list(IDENTITY))]
    if len(twice):
        row = twice.iloc[0]
        found = f"two values of {row['metric']} of {row['model']} ({row['access']}, unit {row['unit']})"
        raise UserError(where, found=found, expected="one a training")


def _json(path: Path) -> Any:
    if not path.is_file():
        raise UserError(str(path), found="no such file", expected="the record that goes with the scores")
    return read_json(path)


def run_of(record: Mapping[str, Any]) -> Run:
    """A run from its record, as ``tasks score`` or an export wrote it."""
    return Run(
        dataset=record["dataset"],
        model=record["model"],
        fit=record["fit"],
        seed=record["seed"],
        control=bool(record["control"]),
        outcome=_outcome(record["dataset"], record["outcome"]),
        card=record["card"] or {},
        options=record["options"] or {},
        cost=record["cost"] or {},
        checkpoint=record["checkpoint"],
        overlap=record["overlap"],
        made=record.get("made") or {},
    )


def as_is(rows: pd.DataFrame) -> pd.DataFrame:
    """Values over all cells, by all labels, of embeddings as they are: what is shown of every metric."""
    return rows[(rows["unit"] == "set") & (rows["geometry"] == "as_is") & rows["shots"].isna()]


def _dataset(name: str, path: Path) -> DataSet:
    outcome = _outcome(name, _json(path.with_name("outcome.json")))
    return DataSet(id=name, report=_json(path), outcome=outcome)


def _outcome(dataset: str, outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Status, stage and reason; the end of the log stays on the machine."""
    return {
        "status": outcome["status"],
        "stage": outcome["stage"],
        "reason": reason_for(dataset, outcome.get("reason") or ""),
    }
