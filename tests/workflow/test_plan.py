"""Which runs exist: counted, and every name checked."""

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from contract.errors import UserError
from workflow.config import paths, read
from workflow.fingerprint import ROOT
from workflow.plan import check_references, runs, used_corpora
from workflow.run import _pairs


@pytest.fixture(scope="module")
def catalogues():
    return read({}, home=ROOT)


def test_seeds_and_fits(catalogues) -> None:
    study, _, catalogue, _ = catalogues
    plan = Counter((run.dataset, run.model, run.fit) for run in runs(study, catalogue.contestants))
    for dataset in study.datasets:
        assert plan[dataset, "pca", "train"] == 1
        assert plan[dataset, "pca", "all"] == 1
        assert plan[dataset, "scvi_inductive", "train"] == len(study.seeds)
        assert plan[dataset, "scvi_inductive", "all"] == 0
        assert plan[dataset, "harmony", "all"] == 1
        assert plan[dataset, "harmony", "train"] == 0
        assert plan[dataset, "noise", "none"] == 1  # a control
        assert plan[dataset, "geneformer@demo", "none"] == len(study.seeds)
    assert len(runs(study, catalogue.contestants)) == len(set(runs(study, catalogue.contestants)))


def test_corpora_of_the_demo(catalogues) -> None:
    study, _, catalogue, _ = catalogues
    assert used_corpora(study, catalogue.contestants) == ["demo"]
    assert set(catalogue.corpora["demo"].datasets.values()) == {"train"}


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("datasets", ("pbmc68", "blood_sim"), "did you mean 'pbmc68k'"),
        ("models", ("pca", "harmonny"), "did you mean 'harmony'"),
    ],
)
def test_unknown_names_are_told(catalogues, field, value, told) -> None:
    study, datasets, catalogue, _ = catalogues
    with pytest.raises(UserError, match=told):
        check_references(dataclasses.replace(study, **{field: value}), datasets, catalogue)


def test_an_unknown_member_of_a_corpus_is_told(catalogues) -> None:
    study, datasets, catalogue, _ = catalogues
    corpora = {"demo": dataclasses.replace(catalogue.corpora["demo"], datasets={"pbmc68": "train"})}
    broken = dataclasses.replace(catalogue, corpora=corpora)
    with pytest.raises(UserError, match=r"^mine\.yaml: corpora\.demo: .* did you mean 'pbmc68k'"):
        check_references(study, datasets, broken, models="mine.yaml")


@pytest.mark.parametrize("target", ["nowhere:Mine", "nowhere.mod:Mine", "sys:Mine", "models.nothing:Mine"])
def test_a_module_that_is_not_there_is_told_before_anything_runs(catalogues, target) -> None:
    study, datasets, catalogue, _ = catalogues
    mine = dataclasses.replace(catalogue.contestants["pca"], adapter=target, target=target)
    broken = dataclasses.replace(catalogue, contestants=catalogue.contestants | {"pca": mine})
    with pytest.raises(UserError, match=r"^mine\.yaml: pca: adapter: .*cannot be found"):
        check_references(study, datasets, broken, models="mine.yaml")


def test_a_number_is_no_path() -> None:
    with pytest.raises(UserError, match=r"--config data: found 2024.* data=\./"):
        paths({"data": 2024}, home=ROOT)
    with pytest.raises(UserError, match=r"found 'study'; expected key=value"):
        _pairs(["study"])
    assert _pairs(["data=2024", "study=a=b"]) == {"data": 2024, "study": "a=b"}


def test_unknown_config_key() -> None:
    with pytest.raises(UserError, match="did you mean 'data'"):
        paths({"dato": "x"}, home=ROOT)


def test_missing_data_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected a folder"):
        paths({"data": str(tmp_path / "nowhere")}, home=ROOT)
