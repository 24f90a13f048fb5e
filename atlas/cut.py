"""A common cut of the Cell Ontology: one vocabulary for labels of data sets that were annotated apart.

One data set says ``T cell`` where another says ``CD8-positive, alpha-beta T cell``: whoever learns the
second and is tested on the first is wrong whatever it answers. So labels are lifted until no class is a
kind of another.
"""

from collections.abc import Collection, Iterable

from atlas.ontology import Ontology


def common_cut(terms: Collection[str], ontology: Ontology) -> dict[str, str]:
    """Map each of T live terms to its class, such that no class is a kind of another.

    Terms of which one is a kind of the other share a class, and so on along the chain. The class is the
    nearest term that all of them are kinds of: the highest of them, or, where there are several highest
    ones, what joins these (nearest: most ancestors, then the id that sorts first). That may lie above
    another class; so until nothing changes. Costs O(T²) a round.
    """
    found = {term: term for term in terms}
    while True:
        above = {own: ontology.ancestors(own) for own in sorted(set(found.values()))}
        lifted = {own: _name(group, ontology) for group in _chains(above, above) for own in group}
        if all(own == name for own, name in lifted.items()):
            return found
        found = {term: lifted[own] for term, own in found.items()}


def _chains(classes: Iterable[str], above: dict[str, frozenset[str]]) -> list[set[str]]:
    """Classes that are kinds of one another, directly or by way of others."""
    groups: list[set[str]] = []
    for own in classes:
        near = [group for group in groups if any(own in above[one] or one in above[own] for one in group)]
        groups = [group for group in groups if group not in near] + [{own}.union(*near)]
    return groups


def _name(group: set[str], ontology: Ontology) -> str:
    """The nearest term that all of a group are kinds of; its first id where there is none."""
    shared = frozenset.intersection(*(ontology.ancestors(one) for one in group)) or frozenset(group)
    return min(shared, key=lambda term: (-len(ontology.ancestors(term)), term))
