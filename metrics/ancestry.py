"""How wrong is a wrong answer: steps in the ontology from the lowest common ancestor to the truth."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.checks import Floats, Undefined


@dataclass(frozen=True)
class OntologyGraph:
    """Terms and their direct parents, without cycles."""

    parents: Mapping[str, tuple[str, ...]]

    @classmethod
    def from_edges(cls, edges: Iterable[tuple[str, str]], *, isolated: Iterable[str] = ()) -> "OntologyGraph":
        """Build from (child, parent) pairs; terms without edges are given as ``isolated``.

        A term that lists itself as its parent (a known slip of the Cell Ontology) keeps its other
        parents. ValueError on any longer cycle.
        """
        parents: dict[str, set[str]] = {term: set() for term in isolated}
        for child, parent in edges:
            parents.setdefault(parent, set())
            if child != parent:
                parents.setdefault(child, set()).add(parent)
        graph = cls({term: tuple(sorted(above)) for term, above in sorted(parents.items())})
        graph._refuse_cycles()
        return graph

    def _refuse_cycles(self) -> None:
        waiting = {term: len(above) for term, above in self.parents.items()}
        ready = [term for term, count in waiting.items() if not count]
        settled = 0
        while ready:
            settled += 1
            for child in self.children[ready.pop()]:
                waiting[child] -= 1
                if not waiting[child]:
                    ready.append(child)
        if settled < len(waiting):
            raise ValueError(
                f"the ontology has a cycle among {sorted(t for t, c in waiting.items() if c)[:5]}"
            )

    @cached_property
    def children(self) -> dict[str, list[str]]:
        """Direct children of every term."""
        below: dict[str, list[str]] = {term: [] for term in self.parents}
        for child, above in self.parents.items():
            for parent in above:
                below[parent].append(child)
        return below

    @cached_property
    def _heights(self) -> dict[str, dict[str, int]]:
        return {}

    def ancestors(self, term: str) -> dict[str, int]:
        """Return every ancestor of a term, itself included, with the fewest steps up to it.

        ValueError on a term the graph does not hold.
        """
        if term not in self._heights:
            if term not in self.parents:
                raise ValueError(f"{term!r} is not in the ontology; map obsolete ids first")
            steps, level = {term: 0}, [term]
            while level:
                level = sorted({p for child in level for p in self.parents[child]} - steps.keys())
                steps |= dict.fromkeys(level, max(steps.values()) + 1)
            self._heights[term] = steps
        return self._heights[term]

    @cached_property
    def depths(self) -> dict[str, int]:
        """Fewest steps of every term down from a root."""
        depth = {term: 0 for term, above in self.parents.items() if not above}
        level = list(depth)
        while level:
            level = sorted({child for parent in level for child in self.children[parent]} - depth.keys())
            depth |= dict.fromkeys(level, max(depth.values()) + 1)
        return depth

    def lowest_common(self, a: str, b: str) -> tuple[str, ...]:
        """Common ancestors without a common ancestor below them, sorted; empty where none is shared."""
        common = self.ancestors(a).keys() & self.ancestors(b).keys()
        above = {high for low in common for high in self.ancestors(low) if high != low}
        return tuple(sorted(common - above))


@dataclass(frozen=True)
class Lcad:
    """Steps down to the truth: ``per_cell`` (N,), right answers 0, NaN where no ancestor is shared.

    ``symmetric`` (N,) takes the sum of both sides, least over common ancestors. ``mean_all`` and
    ``mean_symmetric_all`` run over all defined cells; ``mean_errors`` and ``mean_symmetric_errors`` over the
    defined wrong ones (NaN where there is none). ``n_undefined`` cells are in no mean. ``n_below``:
    wrong answers below the truth, which cost 0.
    """

    per_cell: Floats
    symmetric: Floats
    mean_all: float
    mean_errors: float
    mean_symmetric_all: float
    mean_symmetric_errors: float
    n_errors: int
    n_undefined: int
    n_below: int


def lcad(true_ids: ArrayLike, pred_ids: ArrayLike, graph: OntologyGraph) -> Lcad:
    """Lowest common ancestor distance of answers (N,) from truths (N,); 0 best, no upper bound.

    Steps from the lowest common ancestor down to the truth, the least over several such ancestors.
    An answer below the truth is its own ancestor's child: it costs 0 and is counted in ``n_below``
    (a finer answer than the label is not held against a model; the symmetric form does).
    Undefined where no pair shares an ancestor; ValueError on ids outside the ontology.
    One search a distinct pair. Source: 10.1186/s13059-025-03781-6, made deterministic.
    """
    truth, answer = np.asarray(true_ids, dtype=object), np.asarray(pred_ids, dtype=object)
    if truth.shape != answer.shape or truth.ndim != 1:
        raise ValueError(f"truths and answers differ in shape: {truth.shape} and {answer.shape}")
    if not len(truth):
        raise Undefined("no cells")
    pairs = list(zip(truth.tolist(), answer.tolist(), strict=True))
    known = {pair: _distance(*pair, graph) for pair in sorted(set(pairs), key=str)}
    per_cell, symmetric = np.array([known[pair] for pair in pairs], dtype=np.float64).T
    defined, wrong = ~np.isnan(per_cell), _differ(truth, answer)
    if not defined.any():
        raise Undefined("no truth shares an ancestor with its answer")
    counted = defined & wrong
    return Lcad(
        per_cell=per_cell,
        symmetric=symmetric,
        mean_all=float(per_cell[defined].mean()),
        mean_errors=float(per_cell[counted].mean()) if counted.any() else np.nan,
        mean_symmetric_all=float(symmetric[defined].mean()),
        mean_symmetric_errors=float(symmetric[counted].mean()) if counted.any() else np.nan,
        n_errors=int(wrong.sum()),
        n_undefined=int((~defined).sum()),
        n_below=int((counted & (per_cell == 0)).sum()),
    )


def _differ(truth: NDArray, answer: NDArray) -> NDArray[np.bool_]:
    return np.array([a != b for a, b in zip(truth, answer, strict=True)])


def _distance(truth: str, answer: str, graph: OntologyGraph) -> tuple[float, float]:
    up, across = graph.ancestors(truth), graph.ancestors(answer)
    lowest = graph.lowest_common(truth, answer)
    if not lowest:
        return np.nan, np.nan
    return min(up[term] for term in lowest), min(
        up[term] + across[term] for term in up.keys() & across.keys()
    )
