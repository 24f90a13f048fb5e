"""What lies beside a page is enough to make its scores again, and to know that they are the same."""

from pathlib import Path
from typing import Any

import pytest
import yaml

import atlas.__main__
import board.__main__
import models.__main__
import tasks.__main__
from contract.cli import dispatch
from contract.files import read_json, sha256

TYPES = ["CL:0000895", "CL:0000623", "CL:0000860"]
ENTRY = {
    "title": "Tiny",
    "source": {"kind": "simulated", "seed": 3, "n_cells": 160, "n_genes": 120, "n_donors": 4, "types": TYPES},
    "license": "CC0-1.0",
    "citation": "tests/workflow/test_rebuild.py",
    "organism": "human",
    "gene_ids": "ensembl",
    "total_counts": "matrix",
    "obs": {
        "label": "cell_type",
        "ontology": "cell_type_ontology_term_id",
        "batch": "batch",
        "donor": "donor_id",
    },
    "label_source": "simulated",
    "public_since": "2026-11-21",
    "tasks": ["annotation"],
    "split": {"seed": 7},
}
STUDY = {
    "study": "tiny",
    "title": "Tiny",
    "datasets": ["tiny_sim"],
    "models": ["pca"],
    "seeds": 1,
    "tasks": ["annotation"],
    "reference": "pca",
    "primary": {"annotation": {"metric": "balanced_accuracy", "readout": "logistic", "margin": 0.02}},
    "level": 0.95,
}
MODELS = {"models": {"pca": {"adapter": "pca", "options": {"n_genes": 60, "components": 8}}}}


def _call(package: Any, *words: object) -> None:
    argv = [str(word) for word in words]
    assert dispatch(package.__name__.partition(".")[0], package.COMMANDS, about="", argv=argv) == 0, argv


def _run(home: Path, *, entry: dict, contestants: dict, study: dict, fit: str, seed: int) -> Path:
    """The commands of the workflow, in its order; returns the leaderboard's folder."""
    home.mkdir()
    for name, value in (("datasets", {"tiny_sim": entry}), ("models", contestants), ("study", study)):
        (home / f"{name}.yaml").write_text(yaml.safe_dump(value), encoding="utf-8")
    data, out, scores = home / "tiny_sim", home / "embedding", home / "scores/tiny_sim.parquet"
    where = ["--datasets", home / "datasets.yaml", "--dataset", "tiny_sim"]
    _call(atlas.__main__, "fetch", *where, "--out", data / "source.json")
    _call(atlas.__main__, "prepare", *where, "--source", data / "source.json", "--out", data)
    what = ["--models", home / "models.yaml", "--model", "pca", "--fit", fit, "--seed", seed]
    _call(models.__main__, "embed", *what, "--data", data, "--out", out)
    what = ["--study", home / "study.yaml", "--dataset", "tiny_sim", "--data", data, "--embeddings", out]
    _call(tasks.__main__, "score", *what, "--cache", home / "cache", "--out", scores)
    made = ["--reports", data / "report.json", "--out", home / "leaderboard"]
    _call(board.__main__, "page", "--study", home / "study.yaml", "--scores", scores, *made)
    return home / "leaderboard"


def _study_of(told: dict[str, Any]) -> dict[str, Any]:
    """The study file, from what the leaderboard tells of it."""
    primary = {
        task: {key: value for key, value in asked.items() if value is not None}
        for task, asked in told["primary"].items()
    }
    same = {name: told[name] for name in ("title", "datasets", "models", "tasks", "reference", "level")}
    return same | {"study": told["id"], "seeds": len(told["seeds"]), "primary": primary}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("first") / "home"
    return _run(home, entry=ENTRY, contestants=MODELS, study=STUDY, fit="train", seed=0)


def test_scores_are_made_again_from_what_lies_beside_the_page(folder: Path, tmp_path: Path) -> None:
    told = read_json(folder / "leaderboard.json")
    (dataset,), (run,) = told["datasets"], told["runs"]
    contestants = {"models": {run["model"]: {"adapter": run["made"]["adapter"], "options": run["options"]}}}
    again = _run(
        tmp_path / "home",
        entry=dataset["report"]["entry"],
        contestants=contestants,
        study=_study_of(told["study"]),
        fit=run["fit"],
        seed=run["seed"],
    )
    assert (again / "scores.parquet").read_bytes() == (folder / "scores.parquet").read_bytes()
    second = read_json(again / "leaderboard.json")
    assert second["runs"][0]["made"] == run["made"]
    assert second["datasets"] == told["datasets"]


def test_every_file_behind_a_page_is_known_by_its_hash(folder: Path) -> None:
    """From the page back to the cells: each link names the SHA-256 of the next."""
    home, made = folder.parent, read_json(folder / "provenance.json")
    assert made["study"]["sha256"] == sha256(home / "study.yaml")
    known = {name.rpartition("/")[2]: digest for name, digest in made["inputs"].items()}
    for path in (home / "scores").iterdir():
        assert known[path.name] == sha256(path), path
    for name in ("report.json", "outcome.json"):
        assert known[name] == sha256(home / "tiny_sim" / name)
    (run,) = read_json(folder / "leaderboard.json")["runs"]
    assert run["made"]["embedding_sha256"] == sha256(home / "embedding" / "embedding.npy")
    assert set(run["made"]["inputs"]) == {"cells.h5ad", "split.parquet"}
    for name, digest in run["made"]["inputs"].items():
        assert digest == sha256(home / "tiny_sim" / name)
    source = read_json(home / "tiny_sim" / "source.json")
    assert (
        read_json(home / "tiny_sim" / "report.json")["sha256"] == source["sha256"] == sha256(source["path"])
    )
