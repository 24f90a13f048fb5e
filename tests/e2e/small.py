"""A study of a minute, in a clone of its own."""

from pathlib import Path

import yaml
from harness import clone

STUDY = {
    "study": "small",
    "title": "A study of a minute, to be killed",
    "datasets": ["small_sim"],
    "models": ["noise", "oracle", "pca", "harmony", "geneformer@small"],
    "seeds": 2,
    "tasks": ["integration", "annotation"],
    "reference": "pca",
    "level": 0.95,
    "primary": {
        "integration": {"metric": "bio_conservation", "margin": 0.02},
        "annotation": {"metric": "balanced_accuracy", "readout": "logistic", "margin": 0.02},
    },
}
CONFIG = ["--config", "study=small/study.yaml", "datasets=small/datasets.yaml", "models=small/models.yaml"]


def small_study(where: Path) -> Path:
    clone(where)
    datasets = yaml.safe_load((where / "datasets.yaml").read_text(encoding="utf-8"))
    models = yaml.safe_load((where / "models.yaml").read_text(encoding="utf-8"))
    entry = datasets["blood_sim"]
    entry["source"] |= {"n_cells": 400, "n_genes": 400, "n_donors": 4}
    recipe = {"recipe": "geneformer", "size": "tiny", "corpus": "small", "options": {"budget_cells": 2000}}
    kept = {name: models["models"][name] for name in STUDY["models"] if "@" not in name}
    folder = where / "small"
    folder.mkdir()
    write = {
        "study.yaml": STUDY,
        "datasets.yaml": {"small_sim": entry},
        "models.yaml": {
            "corpora": {"small": {"datasets": {"small_sim": "train"}}},
            "models": kept | {"geneformer@small": recipe},
        },
    }
    for name, value in write.items():
        (folder / name).write_text(yaml.safe_dump(value), encoding="utf-8")
    return where
