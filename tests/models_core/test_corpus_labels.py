"""Labels for pre-training: of training units alone, in a file of their own, for recipes that ask alone."""

import argparse

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, call, simulate, truth_of

from atlas.corpus_labels import add_arguments, labels_of, main
from contract.errors import UserError
from contract.files import read_json, write_json
from models.catalogue import read_models
from models.recipe_labels import is_told_types

MODELS = """
corpora:
  mini: {datasets: {small: all}}
models:
  pca@mini: {adapter: pca, corpus: mini}
  sccello@mini: {recipe: sccello, size: tiny, corpus: mini, options: {budget_cells: 32}}
"""


def test_the_catalogue_and_the_engine_agree_who_is_told_types() -> None:
    from models.recipe_labels import OF_TYPES, asks_for_types
    from models.transformer import choices, recipe

    assert set(choices.OF_TYPES) == OF_TYPES
    told = {name: recipe.load_recipe(name).design("tiny").told[0] for name in recipe.recipe_names()}
    assert {name: asks_for_types(name) for name in told} == told
    assert any(told.values())


def test_cells_of_test_units_are_not_named() -> None:
    truth = truth_of(simulate())
    truth.loc[truth.index[-3:], "part"] = "excluded"
    names = [f"small:{cell}" for cell in truth["cell"]][::-1]
    found = labels_of(names, {"small": truth})
    assert found["cell"].tolist() == names
    given = found["label"].notna().to_numpy()[::-1]
    np.testing.assert_array_equal(given, ((truth["part"] == "train") & truth["label"].notna()).to_numpy())
    assert not given[(truth["part"] != "train").to_numpy()].any()
    assert (found["ontology_id"].notna() == found["label"].notna()).all()
    assert 0 < given.sum() < len(given)
    with pytest.raises(UserError, match=r"cell 'other:x' \(1 such\)"):
        labels_of([*names, "other:x"], {"small": truth})


def test_who_is_told() -> None:
    entries = read_models(ROOT / "models.yaml").contestants
    told = {name for name, entry in entries.items() if is_told_types(entry.adapter, entry.options)}
    assert {"sccello@demo", "langcell_style@demo"} <= told
    assert not {"geneformer@demo", "sccello_random@demo", "pca@demo", "c2s_style@demo"} & told
    for name in told:
        assert "pretraining_labels" in entries[name].card.saw
    for name in entries.keys() - told:
        assert entries[name].adapter == "finetuned" or "pretraining_labels" not in entries[name].card.saw


@pytest.fixture
def given(tmp_path, corpus, prepared):
    """A catalogue, and the labels that `atlas labels` writes for a corpus of the prepared data set."""
    (tmp_path / "models.yaml").write_text(MODELS)
    folder = tmp_path / "mini"
    folder.mkdir()
    cells = simulate()
    cells.obs = cells.obs.drop(columns="kind").assign(dataset="small")
    cells.obs_names = [f"small:{name}" for name in cells.obs_names]
    cells.write_h5ad(folder / "cells.h5ad")
    write_json(folder / "corpus.json", {"datasets": ["small"]})
    (folder / "outcome.json").write_text((corpus / "outcome.json").read_text())
    return tmp_path, folder


def _parsed(command):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(list(map(str, command)))


def test_labels_reach_only_who_asks(given, prepared) -> None:
    tmp_path, corpus = given
    command = ["--corpus", corpus, "--data", prepared.parent, "--out", corpus / "labels.parquet"]
    main(_parsed(command))
    labels = pd.read_parquet(corpus / "labels.parquet")
    truth = pd.read_parquet(prepared / "truth.parquet")
    assert labels["label"].notna().sum() == ((truth["part"] == "train") & truth["label"].notna()).sum()
    common = ["--models", tmp_path / "models.yaml", "--corpus", corpus]
    with_labels = ["--labels", corpus / "labels.parquet"]
    for name, more, expected in (
        ("pca@mini", with_labels, "expected none: it learns from counts alone"),
        ("sccello@mini", [], "expected types of cells"),
    ):
        found = call("pretrain", *common, "--model", name, "--out", tmp_path / "out", *more)
        assert found.returncode == 2
        assert expected in found.stderr
        assert "Traceback" not in found.stderr
    found = call("pretrain", *common, "--model", "sccello@mini", "--out", tmp_path / "out", *with_labels)
    assert found.returncode == 0, found.stderr
    run = read_json(tmp_path / "out" / "run.json")
    assert "pretraining_labels" in run["card"]["saw"]
    assert set(run["inputs"]) == {"cells.h5ad", "corpus.json", "labels"}
    assert read_json(tmp_path / "out" / "state" / "corpus.json")["corpus"]["types"] == 3
