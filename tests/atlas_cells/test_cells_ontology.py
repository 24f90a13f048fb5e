import pytest

from atlas.ontology import Ontology, cell_ontology, read_obo
from contract.errors import UserError

OBO = """format-version: 1.2
data-version: toy/1

[Term]
id: CL:0000001
name: root

[Term]
id: CL:0000002
name: left
is_a: CL:0000001 ! root
is_a: CL:0000002 ! left

[Term]
id: CL:0000003
name: right
alt_id: CL:0000030
is_a: CL:0000001 ! root
is_a: CL:0000009 ! gone

[Term]
id: CL:0000004
name: leaf
is_a: CL:0000002
is_a: CL:0000003
relationship: part_of CL:0000001

[Term]
id: CL:0000008
name: obsolete older
is_obsolete: true
replaced_by: CL:0000009

[Term]
id: CL:0000009
name: obsolete old
is_obsolete: true
replaced_by: CL:0000004

[Term]
id: CL:0000010
name: obsolete lost
is_obsolete: true
consider: CL:0000004
"""


@pytest.fixture
def toy(tmp_path):
    path = tmp_path / "toy.obo"
    path.write_text(OBO)
    return read_obo(path)


def test_obo_is_read_with_is_a_between_live_terms_only(toy):
    assert toy.terms == ("CL:0000001", "CL:0000002", "CL:0000003", "CL:0000004")
    assert toy.version == "toy/1"
    assert set(toy.edges) == {
        ("CL:0000002", "CL:0000001"),
        ("CL:0000003", "CL:0000001"),
        ("CL:0000004", "CL:0000002"),
        ("CL:0000004", "CL:0000003"),
    }
    assert toy.ancestors("CL:0000004") == frozenset(toy.terms)
    assert toy.parents()["CL:0000001"] == ()


def test_replacements_are_followed_until_live(toy):
    assert toy.resolve("CL:0000008") == "CL:0000004"
    assert toy.resolve("CL:0000030") == "CL:0000003"
    assert toy.resolve("CL:0000002") == "CL:0000002"


@pytest.mark.parametrize(
    ("term", "words"), [("CL:0000010", "obsolete and has no replacement"), ("CL:9", "no term")]
)
def test_consider_is_no_replacement_and_unknown_ids_are_named(toy, term, words):
    with pytest.raises(UserError, match=words) as error:
        toy.resolve(term)
    assert term in str(error.value)


def test_replacements_in_a_circle_end():
    loop = Ontology(version="x", names={"A": "a"}, edges=(), replaced_by={"B": "C", "C": "B"})
    with pytest.raises(UserError, match="B"):
        loop.resolve("B")


def test_no_obo_is_one_line(tmp_path):
    (tmp_path / "no.obo").write_text("nothing")
    for name in ("no.obo", "absent.obo"):
        with pytest.raises(UserError, match=name):
            read_obo(tmp_path / name)


def test_the_pinned_cell_ontology_is_a_dag_whose_terms_hang_together():
    ontology = cell_ontology()
    assert len(ontology.names) > 3000
    assert all(a in ontology.names and b in ontology.names and a != b for a, b in ontology.edges)
    assert not set(ontology.names) & set(ontology.replaced_by)
    from graphlib import TopologicalSorter

    assert len(list(TopologicalSorter(ontology.parents()).static_order())) == len(ontology.names)
    assert ontology.names["CL:0000236"] == "B cell"
    assert {"CL:0000236", "CL:0000542", "CL:0000000"} <= ontology.ancestors("CL:0000788")


def test_obsolete_ids_of_the_pinned_ontology_resolve_to_live_ones_or_are_named():
    ontology = cell_ontology()
    assert ontology.resolve("CL:0000003") == "CL:0000000"
    with pytest.raises(UserError, match="CL:0000274"):  # its replacement is no cell type
        ontology.resolve("CL:0000274")


def test_ancestors_agree_with_the_guide_that_the_edges_came_from():
    """The guide lists ancestors itself; we walk its direct parents."""
    from cellxgene_ontology_guide.ontology_parser import OntologyParser

    parser, ontology = OntologyParser(), cell_ontology()
    for term in ontology.terms[::97]:
        assert ontology.ancestors(term) == set(parser.get_term_ancestors(term, include_self=True)) & set(
            ontology.names
        )
