"""One embedding folder as a value: what was run, what became of it, and the array."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from contract.catalogue import check
from contract.errors import UserError
from contract.files import Broken, read_array, read_json
from contract.outcome import Outcome
from tasks.integration import Access

FILES = ("outcome.json", "run.json", "cost.json")
MADE = ("adapter", "inputs", "versions", "n", "width", "embedding_sha256", "predictions_sha256")
_NAME, _OBJECT = {"type": "string", "minLength": 1}, {"type": ["object", "null"]}
RECORD: dict[str, Any] = {
    "type": "object",
    "required": ["dataset", "model", "fit", "seed", "control", "checkpoint", "card", "options"],
    "properties": {
        "dataset": _NAME,
        "model": _NAME,
        "fit": {"enum": ["train", "all", "none", "labels"]},
        "seed": {"type": "integer", "minimum": 0},
        "control": {"type": "boolean"},
        "checkpoint": _OBJECT,
        "card": _OBJECT,
        "options": _OBJECT,
        "inputs": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
"""JSON schema of ``run.json``, as far as it is read again."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Run:
    """A contestant on a data set, fitted on ``train``, ``all`` or ``none`` of it, or given ``labels``.

    ``Z`` is (N, D), or ``None`` unless ``outcome`` is ok. ``checkpoint`` is what it was
    loaded from, ``None`` where nothing was learned elsewhere. ``made`` holds hashes of inputs,
    package versions and the shape.
    """

    dataset: str
    model: str
    fit: str
    seed: int
    control: bool
    outcome: Outcome
    card: Mapping[str, Any]
    options: Mapping[str, Any]
    cost: Mapping[str, Any]
    checkpoint: Mapping[str, Any] | None
    Z: np.ndarray | None
    made: Mapping[str, Any] = field(default_factory=dict)

    @property
    def accesses(self) -> tuple[Access, ...]:
        """The comparisons it stands in; a control, which was fitted on nothing, stands in both."""
        if self.fit == "all":
            return ("transductive",)
        return ("inductive", "transductive") if self.fit == "none" and self.control else ("inductive",)

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.model} fit-{self.fit} seed-{self.seed}"

    def record(self, *, overlap: Mapping[str, Any] | None) -> dict[str, Any]:
        """All but the array, for the page; ``overlap`` is what its corpus shares with the data set."""
        return {
            "dataset": self.dataset,
            "model": self.model,
            "fit": self.fit,
            "seed": self.seed,
            "control": self.control,
            "access": list(self.accesses),
            "outcome": asdict(self.outcome),
            "card": self.card,
            "options": self.options,
            "cost": self.cost,
            "checkpoint": self.checkpoint,
            "overlap": overlap,
            "made": self.made,
        }


def read_run(folder: Path, *, n_cells: int) -> Run:
    """Read an embedding folder; an array of the wrong shape or with NaN makes the run failed.

    Raises
    ------
    UserError
        If a file is missing.
    """
    folder = Path(folder)
    for name in (*FILES, "embedding.npy"):
        if not (folder / name).is_file():
            raise UserError(
                str(folder / name), found="no such file", todo="run 'python -m models embed' first"
            )
    outcome, facts = Outcome.read(folder / "outcome.json"), read_record(folder / "run.json", RECORD)
    Z = None
    if outcome.status == "ok":
        Z, problem = _read_array(folder / "embedding.npy", n_cells=n_cells)
        outcome = replace(outcome, status="failed", stage="score", reason=problem) if problem else outcome
    return run_of(facts, outcome=outcome, cost=read_record(folder / "cost.json"), Z=Z)


def read_record(path: Path, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    """A JSON file of ours that holds an object, of the form ``schema``; a ``UserError`` if it does not."""
    found = read_json(path)
    check(found, schema or {"type": "object"}, where=str(path))
    return found


def run_of(
    facts: Mapping[str, Any], *, outcome: Outcome, cost: Mapping[str, Any], Z: np.ndarray | None = None
) -> Run:
    """A run from its ``run.json``."""
    return Run(
        **{name: facts[name] for name in ("dataset", "model", "fit", "seed", "control", "checkpoint")},
        card=facts["card"] or {},
        options=facts["options"] or {},
        cost=cost,
        outcome=outcome,
        Z=Z,
        made={name: facts[name] for name in MADE if name in facts},
    )


def _read_array(path: Path, *, n_cells: int) -> tuple[np.ndarray | None, str]:
    try:
        Z = read_array(path)
    except Broken as error:
        return None, f"{path.name} is not an array: {error.why}"
    if Z.ndim != 2 or Z.shape[0] != n_cells or Z.shape[1] == 0:
        return None, f"{path.name} has shape {Z.shape}, not one row for each of {n_cells} cells"
    if Z.dtype.kind not in "fiu":
        return None, f"{path.name} holds {Z.dtype}, not numbers"
    broken = int((~np.isfinite(Z)).any(axis=1).sum())
    return (None, f"{path.name} is not finite in {broken} of {n_cells} cells") if broken else (Z, "")


def read_overlaps(paths: Sequence[Path]) -> dict[str, Mapping[str, Any]]:
    """Corpus → what it shares with the data set, from files ``<corpus>/overlap-<dataset>.json``."""
    for path in paths:
        if not Path(path).is_file():
            raise UserError(str(path), found="no such file", todo="run 'python -m atlas overlap' first")
    return {Path(path).parent.name: read_record(path) for path in paths}


def corpus_of(model: str) -> str | None:
    """The corpus that a contestant's name carries: ``pca@demo`` was trained on ``demo``."""
    return model.partition("@")[2] or None
