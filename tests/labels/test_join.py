"""Several data sets as one: a common cut of the ontology, and donors that never straddle a fold."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from labelled_cells import simulate, write

from atlas.__main__ import COMMANDS
from atlas.cut import common_cut
from atlas.ontology import Ontology, cell_ontology
from atlas.same_donors import Own, join_donors
from contract.cli import dispatch
from contract.files import write_json
from tasks.folds import make_folds
from tasks.protocol import Protocol

T, CD4, CD8, NKT = "CL:0000084", "CL:0000624", "CL:0000625", "CL:0000814"
B, MONO, CD14 = "CL:0000236", "CL:0000576", "CL:0001054"


def test_labels_are_lifted_until_no_class_is_a_kind_of_another() -> None:
    ontology = cell_ontology()
    assert common_cut([CD4, CD8, B], ontology) == {CD4: CD4, CD8: CD8, B: B}
    assert common_cut([CD4, CD8, T, B, CD14], ontology) == {CD4: T, CD8: T, T: T, B: B, CD14: CD14}
    found = common_cut([CD4, CD8, NKT, T, B, MONO, CD14], ontology)
    classes = set(found.values())
    assert not any(a != b and a in ontology.ancestors(b) for a in classes for b in classes)
    assert all(found[term] in ontology.ancestors(term) for term in found)


def test_a_term_of_two_kinds_joins_both_and_whatever_lies_below_what_joins_them() -> None:
    """x is a u and a v, which are both an r: u, v and x are one class, and so is w, another r."""
    edges = (("r", "root"), ("s", "root"), ("u", "r"), ("v", "r"), ("w", "r"), ("x", "u"), ("x", "v"))
    toy = Ontology(version="toy", names={n: n for n in ("root", *"rsuvwx")}, edges=edges, replaced_by={})
    assert common_cut(["u", "v", "w", "s"], toy) == {"u": "u", "v": "v", "w": "w", "s": "s"}
    assert common_cut(["u", "v", "x", "w", "s"], toy) == {"u": "r", "v": "r", "x": "r", "w": "r", "s": "s"}


def own(name: str, cells: ad.AnnData, *, citation: str, unit: list | None = None) -> Own:
    units = [f"donor:{donor}" for donor in cells.obs["donor"]] if unit is None else unit
    return Own(dataset=name, cells=cells, unit=np.array(units, dtype=object), citation=citation)


def renamed(cells: ad.AnnData, prefix: str) -> ad.AnnData:
    cells = cells.copy()
    cells.obs_names = [f"{prefix}{i}" for i in range(cells.n_obs)]
    cells.obs["donor"] = [f"{prefix}{donor}" for donor in cells.obs["donor"]]
    return cells


CELLS, TRUTH = simulate()


def test_a_donor_with_a_cell_in_both_is_one_and_others_are_not() -> None:
    """Ten cells of d0 under other names: found by their counts, and only d0 is joined."""
    twice = renamed(CELLS[CELLS.obs["donor"] == "d0"][:10], "x")
    other = renamed(simulate(seed=1)[0], "y")
    found = join_donors(
        [own("a", CELLS, citation="one"), own("b", twice, citation="two"), own("c", other, citation="three")]
    )
    assert found.groups == ((("a", "donor:d0"), ("b", "donor:xd0")),)
    assert found.shared_cells == {"a and b": 10, "a and c": 0, "b and c": 0}
    assert found.name_of["a", "donor:d0"] == found.name_of["b", "donor:xd0"]
    assert len(set(found.name_of.values())) == 12


def test_a_study_is_known_by_its_citation_and_the_names_of_its_donors() -> None:
    other = simulate(seed=1)[0]
    apart = join_donors([own("a", CELLS, citation="10.1/x"), own("b", other, citation="10.1/y")])
    assert not apart.groups
    alike = join_donors([own("a", CELLS, citation="10.1/x"), own("b", other, citation="doi:10.1/X")])
    assert [len(group) for group in alike.groups] == [2] * 6


def test_cells_of_unknown_donors_of_a_shared_study_are_anybodys() -> None:
    other = simulate(seed=1)[0]
    unknown = [None, *(f"donor:{name}z" for name in other.obs["donor"][1:])]
    found = join_donors([own("a", CELLS, citation="s"), own("b", other, citation="s", unit=unknown)])
    assert len(found.groups) == 1
    assert len(found.groups[0]) == 13


@pytest.fixture
def two(tmp_path):
    """``one`` calls its T cells CD4 or CD8 T cells; ``two`` does not, and holds 30 cells of ``one`` again."""
    again = renamed(CELLS[CELLS.obs["donor"] == "d0"][:30], "x")
    other, truth = simulate(seed=1)
    repeated = TRUTH[TRUTH["donor"] == "d0"][:30].assign(cell=again.obs_names, unit="donor:xd0")
    cells = ad.concat([other, again])
    cells.var = other.var
    fine = np.where(np.arange(len(TRUTH)) % 2, CD4, CD8)
    is_t = TRUTH["label"] == "T cell"
    finer = TRUTH.assign(
        ontology_id=np.where(is_t, fine, TRUTH["ontology_id"]), label=np.where(is_t, fine, TRUTH["label"])
    )
    sets = {"one": (CELLS, finer), "two": (cells, pd.concat([truth, repeated]))}
    entry = {"license": "x", "organism": "human", "gene_ids": "ensembl", "total_counts": "none"}
    entry |= {"source": {"kind": "file", "path": "x.h5ad"}, "sha256": "0" * 64, "label_source": "clustering"}
    entry |= {"obs": {"label": "l", "donor": "d"}, "public_since": "2020", "tasks": ["mapping"]}
    catalogue = {name: entry | {"title": name, "citation": name} for name in sets}
    (tmp_path / "datasets.yaml").write_text(yaml.safe_dump(catalogue))
    for name, (own_cells, own_truth) in sets.items():
        write(tmp_path / "data" / name, own_cells, own_truth)
        write_json(tmp_path / "data" / name / "report.json", catalogue[name] | {"dataset": name})
    return tmp_path


def join(folder, *members) -> int:
    words = ["--datasets", str(folder / "datasets.yaml"), "--data", str(folder / "data"), "--members"]
    return dispatch(
        "atlas", COMMANDS, about="", argv=["join", *words, *members, "--out", str(folder / "both.h5ad")]
    )


def test_joined_data_sets_share_labels_and_keep_a_donor_on_one_side(two, capsys) -> None:
    assert join(two, "one", "two") == 0
    entry = yaml.safe_load(capsys.readouterr().out)["both"]
    assert entry["citation"] == "one; two"
    assert entry["public_since"] == "2020"
    about = json.loads((two / "both.json").read_text())
    assert about["labels"]["one"][CD4] == about["labels"]["two"]["T cell"] == "T cell"
    assert about["shared_cells"] == {"one and two": 30}
    assert about["joined_units"] == [["one:donor:d0", "two:donor:xd0"]]
    cells = ad.read_h5ad(two / "both.h5ad")
    assert cells.shape == (510, 120)
    np.testing.assert_array_equal(cells.X[:240].toarray(), CELLS.X.toarray())
    obs = cells.obs.astype(str)
    assert set(obs["cell_type"]) == {"", "B cell", "T cell", "monocyte"}
    label = obs["cell_type"].where(obs["cell_type"] != "", None).to_numpy(dtype=object)
    group, unit = (obs[name].to_numpy(dtype=object) for name in ("batch", "donor_id"))
    folds = make_folds(Protocol(held_out="batch"), group=group, unit=unit, label=label)
    assert sorted("".join(set(group[fold.test])) for fold in folds) == ["one", "two"]
    for fold in folds:
        assert not set(unit[fold.train]) & set(unit[fold.test])
        assert fold.n_left_out > 0


def test_what_cannot_be_joined_is_said(two, capsys) -> None:
    assert join(two, "one", "one") == 2
    assert "each once" in capsys.readouterr().err
