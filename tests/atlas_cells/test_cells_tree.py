"""Types as a tree: on a small ontology, and on the Cell Ontology."""

from atlas.ontology import Ontology, cell_ontology
from atlas.tree import type_tree

SMALL = Ontology(
    version="toy",
    names={term: term.lower() for term in "ABCDEFGX"},
    edges=(("B", "A"), ("C", "B"), ("D", "C"), ("E", "C"), ("F", "B"), ("G", "A"), ("D", "X"), ("X", "A")),
    replaced_by={},
)


def parents(terms, ontology=SMALL) -> dict[str, str | None]:
    found = type_tree(terms, ontology)
    places = [node["id"] for node in found]
    for node in found:
        assert node["parent"] is None or places.index(node["parent"]) < places.index(node["id"])
    return {node["id"]: node["parent"] for node in found}


def test_only_terms_and_forks_are_kept_and_kin_stand_together() -> None:
    assert parents("DEFG") == {"A": None, "G": "A", "B": "A", "F": "B", "C": "B", "D": "C", "E": "C"}
    assert parents("DG") == {"A": None, "D": "A", "G": "A"}, "terms with one child are left out"


def test_a_wanted_term_may_be_an_inner_one() -> None:
    assert parents("CD") == {"C": None, "D": "C"}


def test_one_term_and_none() -> None:
    assert parents("D") == {"D": None}
    assert type_tree([], SMALL) == []
    assert type_tree("D", SMALL) == [{"id": "D", "name": "d", "parent": None}]


def test_t_cells_are_kin_in_the_cell_ontology() -> None:
    cd4, cd8, b, platelet = "CL:0000624", "CL:0000625", "CL:0000236", "CL:0000233"
    found = parents([cd4, cd8, b, platelet], cell_ontology())
    assert found[cd4] == found[cd8] != found[b]
    assert found[found[cd4]] == found[b], "lymphocytes"
    assert found[platelet] == found[found[b]]
