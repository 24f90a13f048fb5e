"""What a study left behind, read once: score rows, runs, data sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from board.scores import read_rows
from board.text import reason_for
from contract.catalogue import check
from contract.errors import UserError
from contract.files import read_json
from tasks.study import Study
from tasks.table import TASKS

SCHEMA = Path(__file__).with_name("leaderboard.schema.json")


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
    records = (read_record(path.with_suffix(".runs.json"), "run", many=True) for path in scores)
    runs = tuple(run_of(record) for found in records for record in found)
    datasets = {path.parent.name: path for path in reports}
    missing = [name for name in study.datasets if name not in datasets]
    if missing:
        raise UserError("--reports", found=f"none of data set {missing[0]!r}", expected="one a data set")
    entries = tuple(_dataset(name, datasets[name]) for name in study.datasets)
    return Results(study=study, rows=table.to_pandas(), runs=runs, datasets=entries), table


def read_record(path: Path, kind: str, *, many: bool = False) -> Any:
    """A record of ours, or a list of them, of a kind that the schema of leaderboards knows (``$defs``)."""
    if not path.is_file():
        raise UserError(str(path), found="no such file", expected="the record that goes with the scores")
    found, one = read_json(path), {"$ref": f"#/$defs/{kind}"}
    form = {"type": "array", "items": one} if many else one
    check(found, {"$defs": read_json(SCHEMA)["$defs"], **form}, where=str(path))
    return found


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


def _dataset(name: str, path: Path) -> DataSet:
    outcome = read_record(path.with_name("outcome.json"), "outcome")
    return data_set_of({"id": name, "report": read_record(path, "report"), "outcome": outcome})


def data_set_of(entry: Mapping[str, Any]) -> DataSet:
    """A data set from its record, as an export wrote it."""
    outcome = _outcome(entry["id"], entry["outcome"])
    return DataSet(id=entry["id"], report=entry["report"], outcome=outcome)


def _outcome(dataset: str, outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Status, stage and reason; the end of the log stays on the machine."""
    return {
        "status": outcome["status"],
        "stage": outcome["stage"],
        "reason": reason_for(dataset, outcome.get("reason") or ""),
    }
