"""Ten thousand inputs that nobody would write: each is read, or refused in one plain line."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import made_cells
from fuzzing import DAMAGE, EDITS, damaged, often, read_or_refused, with_edits
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from atlas.catalogue import read_datasets
from atlas.ontology import read_obo
from board.scores import read_rows
from contract.catalogue import read_yaml
from contract.files import read_array, read_json, read_table, write_json
from contract.outcome import Outcome
from models.catalogue import read_models
from models.gene_table import read_gene_table
from models.state import read_state
from models.transformer.checkpoint import read_tensors
from models.transformer.recipe import read_recipe
from tasks.rows import SCHEMA, table
from tasks.study import read_study

ROOT = Path(__file__).resolve().parents[2]
WORDS = r"""
a b key 1 -1 0x1f 1e999 .nan -.inf 1:30:00 2017-13-01 true ~ null : [ ] { } | > ' " \ \x # & * ! = @ `
&a_ *a *b !!_ !!int_ !!float_ !!binary_ !!set_ !!omap_ !!timestamp_ !!python/name:os.mkdir_ !<x>_
:_ -_ ?_ ,_ _#_ <<:_
"""
SIGNS = "\t,\n,\n  ,\n    ,|2-\n,---\n,...\n,%YAML 9.9\n,\0,\x1b[2J,\ufeff,\u00e9,\u202e,\x85,\U0001f9ec"
TOKENS = [word.replace("_", " ") for word in WORDS.split()]
TOKENS += [*SIGNS.split(","), " ", "x" * 200, "9" * 5000]


@often(4500)
@given(words=st.lists(st.sampled_from(TOKENS), max_size=25))
def test_yaml_of_words(place: Path, words: list[str]) -> None:
    value = read_or_refused(place / "words.yaml", "".join(words).encode(), read_yaml)
    json.dumps(value, allow_nan=False)


@often(2500)
@given(content=st.binary(max_size=120))
def test_yaml_of_bytes(place: Path, content: bytes) -> None:
    value = read_or_refused(place / "bytes.yaml", content, read_yaml)
    json.dumps(value, allow_nan=False)


def _base(name: str, keep: Callable[[dict], dict]) -> dict:
    return keep(read_yaml(ROOT / name))


def _some(file: dict, *names: str) -> dict:
    return {name: file[name] for name in names}


CATALOGUES = {
    "datasets": (read_datasets, _base("datasets.yaml", lambda f: _some(f, "blood_sim", "pbmc68k"))),
    "models": (
        read_models,
        _base(
            "models.yaml",
            lambda f: {
                "corpora": _some(f["corpora"], "demo"),
                "models": _some(f["models"], "pca", "scvi", "geneformer@demo"),
            },
        ),
    ),
    "study": (read_study, _base("studies/demo.yaml", lambda f: f)),
}


@pytest.mark.parametrize("kind", CATALOGUES)
@often(350)
@given(edits=EDITS)
def test_catalogues_with_edits(place: Path, kind: str, edits: list[tuple[list[int], Any, int]]) -> None:
    read, file = CATALOGUES[kind]
    text = json.dumps(with_edits(file, edits), ensure_ascii=False).encode("utf-8", errors="replace")
    read_or_refused(place / f"{kind}.yaml", text, read)


def _bytes(write: Callable[[io.BytesIO], Any]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def _parquet() -> bytes:
    rows = {"cell": [f"c{i}" for i in range(20)], "part": ["train", "test"] * 10, "label": ["B", None] * 10}
    return pd.DataFrame(rows).to_parquet(index=False)


STUDY = read_study(ROOT / "studies/demo.yaml")


def _scores() -> bytes:
    row = {"study": STUDY.id, "dataset": STUDY.datasets[0], "model": "pca", "access": "inductive", "n": 9}
    row |= {"task": "integration", "metric_version": "1", "geometry": "as_is", "status": "ok", "value": 0.5}
    empty = dict.fromkeys(SCHEMA.names)
    rows = [empty | row | {"metric": name, "unit": "set"} for name in ("nmi_kmeans", "ari_kmeans")]
    return _bytes(lambda file: pq.write_table(table(rows), file, compression="zstd"))


def _obo() -> bytes:
    terms = [f"[Term]\nid: CL:{i:07d}\nname: kind {i}\nis_a: CL:{i // 2:07d} ! up" for i in range(1, 9)]
    return "\n\n".join(["format-version: 1.2", *terms]).encode()


ARRAYS = {"vectors": np.arange(12, dtype=np.float32).reshape(4, 3), "genes": np.array(list("abcd"))}
RESULTS = {
    "outcome.json": (
        Outcome.read,
        b'{"log_tail": "", "reason": "caf\xc3\xa9", "stage": "embed", "status": "ok"}',
    ),
    "run.json": (read_json, json.dumps({"dataset": "x", "n": 3, "card": {"saw": ["counts"]}}).encode()),
    "x.npy": (read_array, _bytes(lambda file: np.save(file, np.arange(24, dtype=np.float32).reshape(8, 3)))),
    "x.parquet": (read_table, _parquet()),
    "scores.parquet": (lambda path: read_rows(STUDY, [path]), _scores()),
    "vectors.npz": (read_gene_table, _bytes(lambda file: np.savez_compressed(file, **ARRAYS))),
    "arrays.safetensors": (lambda path: read_state(path.parent), save({"vectors": ARRAYS["vectors"]})),
    "weights.safetensors": (read_tensors, save({"vectors": ARRAYS["vectors"]})),
    "recipe.yaml": (read_recipe, (ROOT / "models/transformer/recipes/geneformer.yaml").read_bytes()),
    "own.obo": (read_obo, _obo()),
}


@pytest.mark.parametrize("name", RESULTS)
@often(250)
@given(damage=DAMAGE)
def test_results_with_damage(place: Path, name: str, damage: tuple) -> None:
    read, content = RESULTS[name]
    write_json(place / "about.json", {})
    read_or_refused(place / name, damaged(content, damage), read)


MANY_H5AD = """
import random, sys, warnings
from pathlib import Path
from atlas.stored import open_stored
from contract.errors import UserError

warnings.simplefilter("ignore")
whole, path, n = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), int(sys.argv[3])
read = refused = 0
for seed in range(n):
    draw, spoilt = random.Random(seed), bytearray(whole)
    for _ in range(draw.choice([1, 4, 16, 64])):
        spoilt[draw.randrange(len(spoilt))] = draw.randrange(256)
    if seed % 5 == 0:
        del spoilt[draw.randrange(len(spoilt)):]
    path.write_bytes(spoilt)
    try:
        with open_stored(path, where="fuzz") as stored:
            for name in stored.obs.columns:
                stored.obs.column(name)
            for matrix in stored.matrices.values():
                list(matrix.blocks())
        read += 1
    except UserError as error:
        assert str(error).isprintable(), repr(str(error))
        refused += 1
print(read, refused)
"""


def test_h5ad_with_damage(place: Path) -> None:
    """In a process of its own, as ``atlas prepare`` is: a crash of the library would be its exit status."""
    whole = place / "whole.h5ad"
    made_cells().write_h5ad(whole)
    done = subprocess.run(
        [sys.executable, "-c", MANY_H5AD, str(whole), str(place / "spoilt.h5ad"), "400"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    read, refused = map(int, done.stdout.split())
    assert read + refused == 400
    assert min(read, refused) > 20, "most damage must be seen, and harmless damage must not be refused"
