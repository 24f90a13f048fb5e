"""Small labelled cells with known structure, and every row of the table evaluated on them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from scipy.spatial.distance import cdist

import metrics

# Eight leaves under a binary tree: near leaves share more ancestors.
EDGES = tuple((f"n{i}", f"n{i // 2}") for i in range(2, 16))
LEAVES = tuple(f"n{i}" for i in range(8, 16))
NEW = "type 7"  # the type that nobody has seen before
GENES = 40


@dataclass(frozen=True)
class Cells:
    """N cells: an embedding ``Z`` of what was ``before``, answers about them, profiles and predicted ones."""

    Z: np.ndarray
    before: np.ndarray
    labels: np.ndarray
    batch: np.ndarray
    ids: np.ndarray
    answer: np.ndarray
    confidence: np.ndarray
    newness: np.ndarray
    profile: np.ndarray
    predicted: np.ndarray
    control: np.ndarray

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

    def with_genes(self, change: Callable[[np.ndarray], np.ndarray], *fields: str) -> "Cells":
        return replace(self, **{field: change(getattr(self, field)) for field in fields})


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
    confidence = random.uniform(0.2, 1, n)
    control = np.tile(random.gamma(1.0, size=GENES), (n, 1))
    effect = random.normal(size=(8, GENES))
    return Cells(
        Z=Z,
        before=before,
        labels=names[kind],
        batch=np.array(["p", "q", "r"])[batch],
        ids=np.array(LEAVES)[kind],
        answer=names[answer],
        confidence=confidence,
        newness=far_from_known(Z, names[kind]),
        profile=control + effect[kind],
        predicted=control + 0.5 * effect[kind] + random.normal(size=(n, GENES)),
        control=control,
    )


def far_from_known(Z: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Distance (N,) of each cell to the nearest other cell of a known type."""
    distances = cdist(Z, Z)
    np.fill_diagonal(distances, np.inf)
    return distances[:, labels != NEW].min(axis=1)


@lru_cache
def reference() -> metrics.OntoReference:
    return metrics.ontorwr_reference(EDGES)


@lru_cache
def graph() -> metrics.OntologyGraph:
    return metrics.OntologyGraph.from_edges(EDGES)


def of(c: Cells, *names: str) -> list[float]:
    return [EVALUATE[name](c) for name in names]


def bio(c: Cells) -> float:
    return metrics.bio_conservation(
        *of(c, "isolated_labels", "nmi_kmeans", "ari_kmeans", "silhouette_label", "clisi")
    )


def mixing(c: Cells) -> float:
    return metrics.batch_correction(*of(c, "bras", "ilisi", "kbet", "graph_connectivity", "pcr_comparison"))


def scibe(c: Cells) -> float:
    batch = np.mean(of(c, "silhouette_batch", "ilisi", "kbet", "graph_connectivity"))
    return metrics.scibe_total(batch, bio(c), np.mean(of(c, "pcr_comparison", "intra_type_conservation")))


def steps(c: Cells) -> metrics.Lcad:
    leaf = dict(zip(np.unique(c.labels), LEAVES, strict=True))
    return metrics.lcad(c.ids, [leaf[name] for name in c.answer], graph())


def scgraph(c: Cells) -> metrics.ScGraph:
    return metrics.scgraph(c.Z, c.labels, metrics.scgraph_reference(c.before, c.batch, c.labels))


def ontorwr(c: Cells) -> metrics.OntoRwr:
    return metrics.scgraph_ontorwr(c.Z, c.ids, reference())


def known(value: float) -> float:
    """Fields of a result tell of the undefined by NaN."""
    if np.isnan(value):
        raise metrics.Undefined("nothing to correlate")
    return value


def profiles(c: Cells) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Predicted, observed and control profile of each type, taken for a perturbation."""
    groups = {name: c.labels == name for name in np.unique(c.labels)}
    return {
        name: (c.predicted[rows].mean(axis=0), c.profile[rows].mean(axis=0), c.control[rows].mean(axis=0))
        for name, rows in groups.items()
    }


def mean_over(c: Cells, score: Callable[..., float]) -> float:
    return float(np.mean([score(*each) for each in profiles(c).values()]))


def on_expressed(score: Callable[..., float]) -> Callable[..., float]:
    def on_top(guess: np.ndarray, truth: np.ndarray, control: np.ndarray) -> float:
        top = metrics.top_expressed(control, 30)
        return score(guess[top], truth[top])

    return on_top


def matched(c: Cells) -> float:
    guess, truth = ({name: each[i] for name, each in profiles(c).items()} for i in (0, 1))
    return float(np.mean(list(metrics.centroid_accuracy(guess, truth).values())))


EVALUATE: dict[str, Callable[[Cells], float]] = {
    "bio_conservation": bio,
    "batch_correction": mixing,
    "scib_total": lambda c: metrics.scib_total(bio(c), mixing(c)),
    "scibe_total": scibe,
    "isolated_labels": lambda c: metrics.isolated_labels(c.Z, c.labels, c.batch),
    "nmi_kmeans": lambda c: metrics.nmi_ari_kmeans(c.Z, c.labels)[0],
    "ari_kmeans": lambda c: metrics.nmi_ari_kmeans(c.Z, c.labels)[1],
    "silhouette_label": lambda c: metrics.silhouette_label(c.Z, c.labels),
    "silhouette_batch": lambda c: metrics.silhouette_batch(c.Z, c.labels, c.batch),
    "clisi": lambda c: metrics.clisi(c.near, c.labels),
    "cilisi": lambda c: metrics.cilisi(c.Z, c.labels, c.batch),
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
    "avg_batch": lambda c: metrics.avg_batch(*of(c, "silhouette_batch", "graph_connectivity")),
    "scgraph": lambda c: scgraph(c).score,
    "scgraph_correlation": lambda c: scgraph(c).correlation,
    "scgraph_rank": lambda c: scgraph(c).rank,
    "scgraph_z": lambda c: known(scgraph(c).z_score),
    "scgraph_ontorwr": lambda c: known(ontorwr(c).score),
    "scgraph_ontorwr_published": lambda c: ontorwr(c).published,
    "scgraph_ontorwr_z": lambda c: known(ontorwr(c).z_score),
    "rogi": lambda c: metrics.rogi_labels(c.Z, c.labels).rogi,
    "rogi_xd": lambda c: metrics.rogi_labels(c.Z, c.labels).rogi_xd,
    "knn_preservation": lambda c: metrics.knn_preservation(
        metrics.neighbors(c.before, 15), c.near.at_most(15)
    ),
    "distance_correlation": lambda c: metrics.distance_correlation(c.before, c.Z),
    "distance_emd": lambda c: metrics.distance_emd(c.before, c.Z),
    "szekely_correlation": lambda c: metrics.szekely_correlation(c.before, c.Z),
    "intra_type_conservation": lambda c: metrics.intra_type_conservation(c.before, c.Z, c.batch),
    "accuracy": lambda c: metrics.accuracy(c.labels, c.answer),
    "balanced_accuracy": lambda c: metrics.balanced_accuracy(c.labels, c.answer),
    "macro_f1": lambda c: metrics.macro_f1(c.labels, c.answer),
    "kappa": lambda c: metrics.kappa(c.labels, c.answer),
    "lcad": lambda c: steps(c).mean_all,
    "lcad_errors": lambda c: steps(c).mean_errors,
    "lcad_sym": lambda c: steps(c).mean_symmetric_all,
    "ece": lambda c: metrics.expected_calibration_error(c.labels == c.answer, c.confidence),
    "auroc": lambda c: metrics.auroc(c.labels == NEW, c.newness),
    "aupr": lambda c: metrics.aupr(c.labels == NEW, c.newness),
    "fpr95": lambda c: metrics.fpr95(c.labels == NEW, c.newness),
    "l2": lambda c: mean_over(c, on_expressed(metrics.l2)),
    "mse": lambda c: mean_over(c, on_expressed(metrics.mse)),
    "pearson_delta": lambda c: mean_over(c, metrics.pearson_delta),
    "delta_overlap": lambda c: mean_over(c, metrics.delta_overlap),
    "centroid_accuracy": matched,
}
