"""The types of a data set as a tree, for people to read errors along it."""

from collections.abc import Iterable, Mapping
from typing import Any

from atlas.ontology import Ontology


def type_tree(terms: Iterable[str], ontology: Ontology) -> list[dict[str, Any]]:
    """The part of the ontology that holds these terms, as ``{id, name, parent}``, parents first.

    A term with several parents stands under the narrowest one that holds more of these terms than
    it does itself (ties: the first id), so that kin stand together. Inner terms with a single child
    are left out; roots have the parent ``None``.
    """
    wanted = sorted(set(terms))
    above = {term: ontology.ancestors(term) for term in wanted}
    holds = {
        node: sum(node in found for found in above.values()) for found in above.values() for node in found
    }
    parents = ontology.parents()
    up = {
        node: min(parents[node], key=lambda p, own=holds[node]: (holds[p] <= own, holds[p], p), default=None)
        for node in holds
    }
    kept = _joints(wanted, up)
    nodes = [{"id": node, "name": ontology.names[node], "parent": _next(node, up, kept)} for node in kept]
    return sorted(nodes, key=lambda node: (_depth(node["id"], up), node["id"]))


def _joints(wanted: list[str], up: Mapping[str, str | None]) -> set[str]:
    """The wanted terms, and those where the ways up from two of them meet."""
    children: dict[str, set[str]] = {}
    for term in wanted:
        at = term
        while (parent := up[at]) is not None:
            children.setdefault(parent, set()).add(at)
            at = parent
    return set(wanted) | {node for node, below in children.items() if len(below) > 1}


def _next(node: str, up: Mapping[str, str | None], kept: set[str]) -> str | None:
    at = up[node]
    while at is not None and at not in kept:
        at = up[at]
    return at


def _depth(node: str, up: Mapping[str, str | None]) -> int:
    depth, at = 0, node
    while (at := up[at]) is not None:
        depth += 1
    return depth
