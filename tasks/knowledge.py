"""What is known about cell types beyond their labels: the Cell Ontology, and distances along it.

The reference of scGraph-OntoRWR takes seconds for a whole ontology, so it is kept on
disk under a hash of what it was computed from.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from atlas.ontology import Ontology
from contract.files import atomic
from metrics import TABLE, OntologyGraph, OntoReference, ScGraphReference, Undefined, ontorwr_reference
from tasks.consensus import read_consensus


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """An ontology and a data set's own relations of types, each made when first asked for.

    ``data`` is the folder of the prepared data set.
    """

    ontology: Ontology
    cache: Path
    data: Path

    @cached_property
    def graph(self) -> OntologyGraph:
        """The is_a graph, for LCAD."""
        return OntologyGraph.from_edges(self.ontology.edges, isolated=self.ontology.terms)

    @cached_property
    def reference(self) -> OntoReference:
        """Vectors of all terms, for scGraph-OntoRWR; about six seconds the first time, then read."""
        path = self.cache / f"ontorwr-{self._hash()}.npz"
        if path.is_file():
            with np.load(path, allow_pickle=False) as stored:
                return OntoReference(tuple(map(str, stored["nodes"])), stored["vectors"])
        reference = ontorwr_reference(self.ontology.edges)
        with atomic(path) as temporary:
            np.savez(temporary, nodes=np.array(reference.nodes, dtype=str), vectors=reference.vectors)
        return reference

    @property
    def consensus(self) -> ScGraphReference:
        """Distances of types inside batches, for scGraph; Undefined where no batch is large enough."""
        found = self._consensus
        if isinstance(found, Undefined):
            raise found
        return found

    @cached_property
    def _consensus(self) -> ScGraphReference | Undefined:
        try:
            return read_consensus(self.data)
        except Undefined as why:
            return why

    def _hash(self) -> str:
        version = TABLE["scgraph_ontorwr"].version
        edges = sorted(map(tuple, self.ontology.edges))
        return hashlib.sha256(repr((version, edges)).encode()).hexdigest()[:16]
