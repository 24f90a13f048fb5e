"""A study that never was: score rows, runs and reports with chosen gains, for the tests of the board."""

import numpy as np
import pandas as pd

from board.evidence import weigh
from board.results import DataSet, Results, Run
from metrics.table import TABLE
from tasks.rows import SCHEMA
from tasks.study import Primary, Study

NUMBERS = ("pretrain_seed", "fit_seed", "shots", "draw", "n")
CONTROLS = ("oracle", "noise")
MODELS = ("oracle", "noise", "pca", "scvi", "geneformer@demo")
UNITS = [f"donor:d{i}" for i in range(12)]
LEVELS = {"oracle": 0.95, "noise": 0.05, "pca": 0.6, "scvi": 0.62, "geneformer@demo": 0.4}


def study(**changes) -> Study:
    facts = {
        "id": "demo",
        "title": "A study that never was",
        "question": "",
        "datasets": ("blood",),
        "models": MODELS,
        "seeds": (0, 1),
        "tasks": ("integration", "annotation"),
        "reference": "pca",
        "primary": {
            "integration": Primary(metric="bio_conservation", readout=None, margin=0.02),
            "annotation": Primary(metric="balanced_accuracy", readout="logistic", margin=0.02),
        },
        "level": 0.95,
        "path": "studies/demo.yaml",
    }
    return Study(**{**facts, **changes})


def row(**changes) -> dict:
    facts = dict.fromkeys(SCHEMA.names)
    facts |= {
        "study": "demo",
        "dataset": "blood",
        "model": "pca",
        "checkpoint": "",
        "adaptation": "fitted",
        "readout": "none",
        "access": "inductive",
        "geometry": "as_is",
        "fit_seed": 0,
        "split": "0",
        "task": "integration",
        "metric": "bio_conservation",
        "metric_version": "1",
        "unit": "set",
        "n": 100,
        "value": 0.5,
        "status": "ok",
        "reason": "",
    }
    facts |= changes
    if facts["status"] != "ok":
        facts["value"] = None
        facts["reason"] = facts["reason"] or "made up"
    return facts


def frame(rows: list[dict]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=SCHEMA.names)
    kinds = {name: "Int64" for name in NUMBERS} | {"value": "float64"}
    return table.astype(kinds)


def unit_rows(values, **changes) -> list[dict]:
    """One row a unit, ``donor:d0`` and on."""
    return [row(unit=f"donor:d{i}", value=float(v), **changes) for i, v in enumerate(values)]


def jackknife_rows(values, **changes) -> list[dict]:
    """A set value that is the mean of ``values``, and the mean without each of them."""
    values = np.asarray(values, dtype=float)
    left = (values.sum() - values) / (len(values) - 1) if len(values) > 1 else []
    n = 100 * len(values)
    parts = [row(unit=f"without:donor:d{i}", value=v, n=n - 100, **changes) for i, v in enumerate(left)]
    return [row(value=values.mean(), n=n, **changes), *parts]


def run(**changes) -> Run:
    facts = {
        "dataset": "blood",
        "model": "pca",
        "fit": "train",
        "seed": 0,
        "control": False,
        "outcome": {"status": "ok", "stage": "embed", "reason": "", "log_tail": ""},
        "card": {
            "name": "PCA",
            "source": "scanpy",
            "revision": "1",
            "license": "BSD-3-Clause",
            "pretrained_on": [],
            "saw": ["counts"],
            "note": "",
        },
        "options": {"width": 50},
        "cost": {
            "seconds": {"pretrain": None, "fit": 1.0, "embed": 0.5},
            "peak_rss_bytes": 2**28,
            "peak_gpu_bytes": None,
            "device": "cpu",
            "seconds_per_10k_cells": 2.5,
        },
        "checkpoint": None,
        "overlap": None,
    }
    return Run(**{**facts, **changes})


def runs_of(
    model: str, *, dataset: str = "blood", seeds=(0,), exposure: str = "none", **changes
) -> list[Run]:
    """Runs as the workflow would make them for a contestant of this name."""
    facts: dict = {"dataset": dataset, "model": model}
    card = dict(run().card)
    if model in CONTROLS:
        facts |= {"fit": "none", "control": True}
        card["saw"] = ["truth"] if model == "oracle" else []
    if "@" in model:
        facts |= {"fit": "none", "checkpoint": {"corpus": "demo"}}
        facts["overlap"] = {"exposure": exposure, "reason": "made up"}
        card |= {"saw": ["counts", "pretraining"], "pretrained_on": ["elsewhere"]}
    return [run(seed=seed, card=card, **{**facts, **changes}) for seed in seeds]


def data_set(name: str = "blood", **changes) -> DataSet:
    report = {"n_cells": 800, "n_genes": 2000, "units": "donor", "label_source": "facs", "note": ""}
    report["units_by_part"] = {"train": UNITS[6:], "test": UNITS[:6]}
    outcome = {"status": "ok", "stage": "prepare", "reason": "", "log_tail": ""}
    return DataSet(id=name, report={**report, **changes}, outcome=outcome)


def results(rows: list[dict], *, runs=None, reports=None, **changes) -> Results:
    asked = study(**changes)
    if runs is None:
        runs = [
            one for name in asked.datasets for model in asked.models for one in runs_of(model, dataset=name)
        ]
    entries = reports or [data_set(name) for name in asked.datasets]
    return Results(study=asked, rows=frame(rows), runs=tuple(runs), datasets=tuple(entries))


def whole_study(*, seed: int = 0, donors: int = 6, models=MODELS, datasets=("blood",)) -> list[dict]:
    """Rows of every contestant in its accesses, both tasks, with donors as units."""
    rng = np.random.default_rng(seed)
    rows = []
    for dataset in datasets:
        for model in models:
            accesses = ("inductive", "transductive") if model in CONTROLS else ("inductive",)
            for access in accesses:
                rows += _one(rng, model, donors, dataset=dataset, access=access)
    return rows


def _one(rng: np.random.Generator, model: str, donors: int, **where) -> list[dict]:
    where = {"model": model, **where}
    level = LEVELS.get(model, 0.5)
    values = np.clip(level + 0.02 * rng.standard_normal(donors), 0, 1)
    rows = jackknife_rows(values, **where)
    rows.append(row(metric="batch_correction", value=float(rng.uniform()), **where))
    rows.append(row(metric="kbet", status="undefined", reason="one batch only", **where))
    for readout in ("knn", "logistic"):
        own = {"task": "annotation", "readout": readout, **where}
        rows += unit_rows(values, metric="balanced_accuracy", **own)
        rows.append(row(metric="balanced_accuracy", value=float(values.mean()), **own))
        rows.append(row(metric="lcad", value=float(4 * (1 - level)), **own))
    return rows


BASE = np.array([0.50, 0.55, 0.60, 0.52, 0.58, 0.61])
WIGGLE = np.array([0.01, -0.01, 0.005, -0.005, 0.0, 0.0])
PER_UNIT = {"task": "annotation", "metric": "balanced_accuracy", "readout": "logistic"}
TWO = ("pca", "scvi")


def compared(rows, model="scvi", **changes):
    """The comparison of one contestant with pca, the only two in the study, at the tasks that have rows."""
    tasks = tuple(dict.fromkeys(r["task"] for r in rows))
    weighed = weigh(results(rows, **{"models": TWO, "tasks": tasks, **changes}), TABLE)
    return next(c for c in weighed.comparisons if c.model == model)


def rows_of(make, own, rival=BASE, **where):
    return make(rival, model="pca", **where) + make(own, model="scvi", **where)
