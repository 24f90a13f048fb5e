"""The Cell Ontology as a value: live terms, their names, and who is a kind of whom."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from contract.errors import UserError

PREFIX = "CL:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ontology:
    """A release of an ontology.

    ``names`` has every live term; ``edges`` are is_a pairs (child, parent) between live
    terms, without self loops; ``replaced_by`` leads from an obsolete term to the term that
    the release puts in its place, or to ``""``. A term that is merely worth considering
    (``consider``) is no replacement.
    """

    version: str
    names: dict[str, str]
    edges: tuple[tuple[str, str], ...]
    replaced_by: dict[str, str]

    @property
    def terms(self) -> tuple[str, ...]:
        """Live terms, sorted."""
        return tuple(sorted(self.names))

    def resolve(self, term: str, *, where: str = "Cell Ontology") -> str:
        """Return ``term`` if it is live, else follow its replacements until one is live.

        Raises
        ------
        UserError
            If the ontology has no such term, or no live term in the place of an obsolete one.
        """
        seen: list[str] = []
        at = term
        while at not in self.names:
            if at in seen or not self.replaced_by.get(at):
                raise self._unresolved(term, at=at, where=where)
            seen.append(at)
            at = self.replaced_by[at]
        return at

    def parents(self) -> dict[str, tuple[str, ...]]:
        """Map each live term to its direct parents, sorted; a root has none."""
        up: dict[str, list[str]] = {term: [] for term in self.terms}
        for child, parent in sorted(self.edges):
            up[child].append(parent)
        return {term: tuple(found) for term, found in up.items()}

    def ancestors(self, term: str) -> frozenset[str]:
        """Every live term that ``term`` is a kind of, by whatever path, itself included."""
        up = self.parents()
        seen, waiting = set(), [term]
        while waiting:
            at = waiting.pop()
            if at not in seen:
                seen.add(at)
                waiting.extend(up[at])
        return frozenset(seen)

    def _unresolved(self, term: str, *, at: str, where: str) -> UserError:
        if term not in self.replaced_by:
            found, todo = f"{term!r}, which is no term", "correct the id"
        elif at != term:
            found, todo = f"{term}, which is obsolete and leads to {at}, no live term", "choose a live term"
        else:
            found, todo = f"{term}, which is obsolete and has no replacement", "choose a live term"
        expected = f"a live term of the Cell Ontology {self.version}"
        return UserError(where, found=found, expected=expected, todo=todo)


@functools.cache
def cell_ontology() -> Ontology:
    """Load the Cell Ontology that CELLxGENE pins, from the files of ``cellxgene-ontology-guide`` (0.05 s)."""
    from cellxgene_ontology_guide.supported_versions import CXGSchema

    schema = CXGSchema()
    entries = schema.ontology("CL")
    live = {term: entry["label"] for term, entry in entries.items() if not entry.get("deprecated")}
    parents = {
        term: [up for up, steps in entries[term].get("ancestors", {}).items() if steps == 1] for term in live
    }
    obsolete = {
        term: entry.get("replaced_by", "") for term, entry in entries.items() if entry.get("deprecated")
    }
    return _ontology(schema.supported_ontologies["CL"]["version"], live, parents, obsolete)


def read_obo(path: Path) -> Ontology:
    """Read an ontology of one's own; alternative ids count as replaced by the term that lists them.

    Raises
    ------
    UserError
        If the file is missing, is no OBO, or has no live term.
    """
    import obonet

    try:
        graph = obonet.read_obo(path, ignore_obsolete=False)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise UserError(str(path), found=f"no readable OBO file ({error})", expected="an .obo file") from None
    obsolete: dict[str, str] = {}
    live: dict[str, str] = {}
    parents: dict[str, list[str]] = {}
    for term, entry in graph.nodes(data=True):
        if entry.get("is_obsolete") == "true":
            obsolete[term] = (entry.get("replaced_by") or [""])[0]
        elif "name" in entry:
            live[term], parents[term] = entry["name"], entry.get("is_a", [])
            obsolete.update(dict.fromkeys(entry.get("alt_id", []), term))
    if not live:
        raise UserError(str(path), found="no live term", expected="[Term] entries with a name")
    version = graph.graph.get("data-version", "unknown")
    return _ontology(version, live, parents, {t: by for t, by in obsolete.items() if t not in live})


def _ontology(
    version: str,
    names: Mapping[str, str],
    parents: Mapping[str, Iterable[str]],
    replaced_by: Mapping[str, str],
) -> Ontology:
    """Keep edges between two live terms; a term that lists itself as its parent is no edge."""
    edges = {(c, p) for c, found in parents.items() for p in found if p != c and p in names}
    return Ontology(
        version=version, names=dict(names), edges=tuple(sorted(edges)), replaced_by=dict(replaced_by)
    )
