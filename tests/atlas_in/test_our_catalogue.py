"""Our own ``datasets.yaml``: what it says is true."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import h5py
import pytest
from cellxgene_ontology_guide.ontology_parser import OntologyParser

from atlas.catalogue import read_datasets
from tasks.study import read_study

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def ours():
    return read_datasets(ROOT / "datasets.yaml")


def test_ours_is_read_without_heavy_imports():
    code = (
        "import sys; from atlas.catalogue import read_datasets; read_datasets('datasets.yaml');"
        "sys.exit(bool({'numpy', 'anndata', 'scanpy', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_our_real_sets_do_not_take_a_condition_for_a_batch(ours):
    assert ours["kang_ifnb_7types"].obs.condition == "condition"
    assert ours["kang_ifnb_7types"].obs.batch is None
    assert ours["pbmc68k"].units == "none"
    assert ours["pancreas_baron_human"].where == {"organism": ["Homo sapiens"]}


def test_what_comes_from_cellxgene_is_pinned_and_has_donors(ours):
    """A data set of CELLxGENE by its version, a slice of the Census by a release of a date."""
    remote = [one for one in ours.values() if one.source["kind"] in ("cellxgene", "soma")]
    study = read_study(ROOT / "studies/cellxgene.yaml")
    assert {one.id for one in remote} == set(study.datasets)
    for one in remote:
        assert {"dataset_version_id", "census"} & set(one.source)
        assert one.units == "donor"
        assert one.obs.condition != one.obs.batch


def test_each_id_that_was_not_verified_is_named_in_the_docs(ours):
    text = (ROOT / "docs/cellxgene.md").read_text(encoding="utf-8")
    for one in ours.values():
        if one.source["kind"] in ("cellxgene", "soma"):
            ids = re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", str(one.source))
            assert ids
            assert all(found in text for found in ids), one.id


def test_our_ontology_ids_are_live_and_mean_what_we_say(ours):
    """The comment behind each id is its name in the ontology, as CELLxGENE pins it."""
    parser = OntologyParser()
    used = {*ours["pbmc68k"].ontology_map.values(), *ours["blood_sim"].source["types"]}
    text = (ROOT / "datasets.yaml").read_text(encoding="utf-8")
    said = dict(
        line.split(": ", 1)[-1].lstrip("- ").split(" # ", 1)
        for line in text.splitlines()
        if " # " in line and "CL:" in line
    )
    assert len(used) >= 15
    for term in used:
        assert not parser.is_term_deprecated(term)
        assert said[term] == parser.get_term_label(term)


def test_our_labels_of_pbmc68k_are_all_mapped(ours):
    path = Path(find_spec("scanpy").origin).parent / "datasets" / "10x_pbmc68k_reduced.h5ad"
    with h5py.File(path) as file:
        labels = {name.decode() for name in file["uns/bulk_labels_categories"][:]}
    assert set(ours["pbmc68k"].ontology_map) == labels


def test_the_list_is_a_table():
    done = subprocess.run(
        [sys.executable, "-m", "atlas", "list"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["id", "organism", "source", "units", "label_source", "tasks", "licence"]
    assert len(lines) == 2 + len(read_datasets(ROOT / "datasets.yaml"))
