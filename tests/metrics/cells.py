"""Small labelled cells with known structure, and every row of the table evaluated on them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

import metrics

# Eight leaves under a binary tree: near leaves share more ancestors.
EDGES = tuple((f"n{i}", f"n{i // 2}") for i in range(2, 16))
LEAVES = tuple(f"n{i}" for i in range(8, 16))


@dataclass(frozen=True)
class Cells:
    Z: np.ndarray
    before: np.ndarray
    labels: np.ndarray
    batch: np.ndarray
    ids: np.ndarray
    answer: np.ndarray
    confidence: np.ndarray

    @cached_property
    def near(self) -> metrics.Neighbors:
        return metrics.neighbors(self.Z, 89)

    def taken(self, order: np.ndarray) -> "Cells":
        return Cells(**{name: getattr(self, name)[order] for name in self.__dataclass_fields__})

    def renamed(self, field: str) -> "Cells":
        """Names in another order: what sorts first now sorts last."""
        new = {name: f"{99 - i:02d}-new" for i, name in enumerate(np.unique(self.labels))}
        if field == "label_names":
            return replace(
                self,
                labels=np.array([new[x] for x in self.labels]),
                answer=np.array([new[x] for x in self.answer]),
            )
        codes = np.unique(self.batch, return_inverse=True)[1]
        return replace(self, batch=np.array(["z", "m", "a", "b"])[codes])

    def with_embedding(self, Z: np.ndarray) -> "Cells":
        return replace(self, Z=Z)


def make(*, seed: int = 0, n: int = 320, width: int = 6) -> Cells:
    random = np.random.default_rng(seed)
    kind, batch = random.integers(0, 8, n), random.integers(0, 3, n)
    tree = np.zeros((16, width))
    for i in range(2, 16):
        tree[i] = tree[i // 2] + random.normal(size=width) * 1.5
    shift = random.normal(size=(3, width)) * 0.8
    before = tree[kind + 8] + shift[batch] + random.normal(size=(n, width))
    Z = tree[kind + 8] + 0.4 * shift[batch] + random.normal(size=(n, width))
    wrong = random.random(n) < 0.3
    answer = np.where(wrong, random.integers(0, 8, n), kind)
    names = np.array([f"type {i}" for i in range(8)])
    return Cells(
        Z=Z,
        before=before,
        labels=names[kind],
        batch=np.array(["p", "q", "r"])[batch],
        ids=np.array(LEAVES)[kind],
        answer=names[answer],
        confidence=random.uniform(0.2, 1, n),
    )


@lru_cache
def reference() -> metrics.OntoReference:
    return metrics.ontorwr_reference(EDGES)


@lru_cache
def graph() -> metrics.OntologyGraph:
    return metrics.OntologyGraph.from_edges(EDGES)


def bio(c: Cells) -> float:
    return metrics.bio_conservation(
        *(
            EVALUATE[name](c)
            for name in ("isolated_labels", "nmi_kmeans", "ari_kmeans", "silhouette_label", "clisi")
        )
    )


def mixing(c: Cells) -> float:
    return metrics.batch_correction(
        *(EVALUATE[name](c) for name in ("bras", "ilisi", "kbet", "graph_connectivity", "pcr_comparison"))
    )


def steps(c: Cells) -> metrics.Lcad:
    leaf = dict(zip(np.unique(c.labels), LEAVES, strict=True))
    return metrics.lcad(c.ids, [leaf[name] for name in c.answer], graph())


EVALUATE: dict[str, Callable[[Cells], float]] = {
    "bio_conservation": bio,
    "batch_correction": mixing,
    "scib_total": lambda c: metrics.scib_total(bio(c), mixing(c)),
    "isolated_labels": lambda c: metrics.isolated_labels(c.Z, c.labels, c.batch),
    "nmi_kmeans": lambda c: metrics.nmi_ari_kmeans(c.Z, c.labels)[0],
    "ari_kmeans": lambda c: metrics.nmi_ari_kmeans(c.Z, c.labels)[1],
    "silhouette_label": lambda c: metrics.silhouette_label(c.Z, c.labels),
    "clisi": lambda c: metrics.clisi(c.near, c.labels),
    "bras": lambda c: metrics.bras(c.Z, c.labels, c.batch),
    "ilisi": lambda c: metrics.ilisi(c.near, c.batch),
    "kbet": lambda c: metrics.kbet(c.near, c.labels, c.batch),
    "graph_connectivity": lambda c: metrics.graph_connectivity(c.near, c.labels),
    "pcr_comparison": lambda c: metrics.pcr_comparison(c.before, c.Z, c.batch),
    "nmi_leiden": lambda c: metrics.nmi_ari_leiden(c.near, c.labels)[0],
    "ari_leiden": lambda c: metrics.nmi_ari_leiden(c.near, c.labels)[1],
    "avg_bio": lambda c: metrics.avg_bio(
        *metrics.nmi_ari_leiden(c.near, c.labels), metrics.silhouette_label(c.Z, c.labels)
    ),
    "scgraph_ontorwr": lambda c: metrics.scgraph_ontorwr(c.Z, c.ids, reference()).without_diagonal,
    "scgraph_ontorwr_published": lambda c: metrics.scgraph_ontorwr(c.Z, c.ids, reference()).published,
    "scgraph_ontorwr_z": lambda c: metrics.scgraph_ontorwr(c.Z, c.ids, reference()).z_score,
    "rogi": lambda c: metrics.rogi_labels(c.Z, c.labels).rogi,
    "rogi_xd": lambda c: metrics.rogi_labels(c.Z, c.labels).rogi_xd,
    "accuracy": lambda c: metrics.accuracy(c.labels, c.answer),
    "balanced_accuracy": lambda c: metrics.balanced_accuracy(c.labels, c.answer),
    "macro_f1": lambda c: metrics.macro_f1(c.labels, c.answer),
    "kappa": lambda c: metrics.kappa(c.labels, c.answer),
    "lcad": lambda c: steps(c).mean_all,
    "lcad_errors": lambda c: steps(c).mean_errors,
    "ece": lambda c: metrics.expected_calibration_error(c.labels == c.answer, c.confidence),
}
