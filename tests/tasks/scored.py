"""Prepared data, embeddings and a study of theirs on disk, and the command that scores them."""

from pathlib import Path

import numpy as np
import pandas as pd

from contract.cli import dispatch
from contract.files import write_json
from contract.outcome import Outcome
from tasks.__main__ import COMMANDS
from tasks.cells import Cells
from tasks.table import TASKS

STUDY = {
    "study": "mine",
    "title": "Mine",
    "datasets": ["toy"],
    "models": ["pca", "oracle", "noise", "harmony", "broken", "pca@corpus"],
    "seeds": 2,
    "tasks": ["integration", "annotation"],
    "reference": "pca",
    "primary": {
        "integration": {"metric": "silhouette_label", "margin": 0.02},
        "annotation": {"metric": "balanced_accuracy", "readout": "logistic", "margin": 0.02},
    },
    "level": 0.95,
}
N_ROWS = sum(
    len(TASKS[name].metrics_of(readout))
    for name in STUDY["tasks"]
    for readout in TASKS[name].readouts or (None,)
)


def write_data(folder: Path, cells: Cells, *, status: str = "ok") -> Path:
    folder.mkdir(parents=True)
    frame = pd.DataFrame({"cell": [f"c{i}" for i in range(len(cells))]})
    for name in ("label", "ontology_id", "batch", "unit", "part"):
        frame[name] = getattr(cells, name)
    frame.to_parquet(folder / "truth.parquet", index=False)
    np.save(folder / "reference.npy", cells.reference)
    Outcome(status=status, stage="prepare", reason="" if status == "ok" else "not counts").write(
        folder / "outcome.json"
    )
    return folder


def write_run(
    folder: Path, Z: np.ndarray | None, *, model: str, fit: str, seed: int = 0, **facts: object
) -> Path:
    folder = folder / model / f"fit-{fit}" / f"seed-{seed}"
    folder.mkdir(parents=True)
    outcome = facts.pop("outcome", Outcome(status="ok", stage="embed"))
    np.save(folder / "embedding.npy", np.zeros((0, 0), dtype=np.float32) if Z is None else Z)
    outcome.write(folder / "outcome.json")
    run = {"dataset": "toy", "model": model, "fit": fit, "seed": seed, "control": False, "checkpoint": None}
    run |= {"card": {"name": model, "saw": ["counts"]}, "options": {}, **facts}
    write_json(folder / "run.json", run)
    write_json(folder / "cost.json", {"seconds": {"embed": 1.0}})
    return folder


def folders(home: Path) -> list[Path]:
    return sorted(path.parent for path in (home / "runs").rglob("run.json"))


def score(
    home: Path,
    *,
    data: Path | None = None,
    dataset: str = "toy",
    runs=None,
    out: str = "toy",
    tasks: tuple[str, ...] = ("annotation", "integration"),
    jobs: int = 1,
) -> int:
    argv = ["score", "--study", home / "mine.yaml", "--dataset", dataset, "--data", data or home / "data"]
    argv += [
        "--jobs",
        str(jobs),
        "--tasks",
        *tasks,
        "--embeddings",
        *(runs or folders(home)),
        "--overlaps",
        home / "corpora/corpus/overlap-toy.json",
    ]
    argv += ["--cache", home / "cache", "--out", home / "scores" / f"{out}.parquet"]
    return dispatch("tasks", COMMANDS, about="", argv=[str(word) for word in argv])
