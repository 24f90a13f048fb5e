"""A made-up study as files on the disk, and as a page."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from made_up import LEVELS, data_set, frame, runs_of

from board.__main__ import COMMANDS
from board.evidence import weigh
from board.render import render
from board.results import Results
from contract.cli import dispatch
from contract.files import write_json
from metrics.table import TABLE
from tasks.rows import write_rows

FACTS = {
    "study": {"path": "studies/demo.yaml", "sha256": "0" * 64},
    "inputs": {"results/scores/demo/blood.parquet": "1" * 64},
    "code": {"commit": "abc", "changed": True},
    "versions": {"numpy": "2"},
}
WHERE = {"date": "2026-01-01 00:00 UTC", "system": "Linux", "processor": "x", "cores": 2, "python": "3.11"}

STUDY: Mapping[str, Any] = {
    "study": "demo",
    "title": "A study that never was",
    "datasets": ["blood"],
    "models": ["oracle", "noise", "pca", "scvi", "geneformer@demo"],
    "seeds": 2,
    "tasks": ["integration", "annotation"],
    "reference": "pca",
    "primary": {
        "integration": {"metric": "bio_conservation", "margin": 0.02},
        "annotation": {"metric": "balanced_accuracy", "readout": "logistic", "margin": 0.02},
    },
    "level": 0.95,
}


def page_text(study: Results) -> str:
    """The page of made-up results."""
    return render(study, weigh(study, TABLE), provenance=FACTS, where=WHERE)


def files(
    folder: Path, rows: list[dict], *, models: Iterable[str] = tuple(LEVELS), **changes: Any
) -> list[str]:
    """Write what earlier steps would have written; return the arguments of ``board page``."""
    study, scores = folder / "demo.yaml", folder / "scores" / "blood.parquet"
    folder.mkdir(parents=True, exist_ok=True)
    study.write_text(json.dumps({**STUDY, "models": list(models), **changes}))  # JSON is YAML
    table = frame(rows)
    records = table.astype("object").where(table.notna(), None).to_dict("records")
    write_rows(scores, records)
    runs = [asdict(one) for model in models for one in runs_of(model)]
    write_json(scores.with_suffix(".runs.json"), runs)
    write_json(folder / "data" / "blood" / "report.json", dict(data_set().report))
    write_json(folder / "data" / "blood" / "outcome.json", dict(data_set().outcome))
    report = str(folder / "data" / "blood" / "report.json")
    out = str(folder / "out")
    return ["--study", str(study), "--scores", str(scores), "--reports", report, "--out", out]


def board(*argv: str) -> int:
    """``python -m board …``."""
    return dispatch("board", COMMANDS, about="", argv=argv)
