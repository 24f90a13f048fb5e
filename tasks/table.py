"""The tasks: which question each asks, and which metrics answer it. Imports nothing heavy."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Primary:
    """The one metric of a task that earns verdicts, and the gain (> 0) below which nobody would care."""

    metric: str
    readout: str | None
    margin: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One question.

    ``metrics`` are in the order of the page. ``composites`` maps a metric to the parts
    without which it does not exist. ``readouts`` are the probes put on an embedding
    (none: it is measured as it is); ``only`` names metrics that exist for some of
    them alone. ``per_unit`` metrics have one value a unit (paired over units); every
    other one has one value a set (its uncertainty comes from leaving one unit out).
    ``by_protocol``: answered by predictions on the folds of a study's protocol, not by embeddings.
    """

    id: str
    title: str
    question: str
    metrics: tuple[str, ...]
    primary: Primary
    readouts: tuple[str, ...] = ()
    composites: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    per_unit: tuple[str, ...] = ()
    by_protocol: bool = False

    def metrics_of(self, readout: str | None) -> tuple[str, ...]:
        """Metrics that exist for a readout, in order."""
        return tuple(m for m in self.metrics if m not in self.only or readout in self.only[m])


BIO = ("isolated_labels", "nmi_kmeans", "ari_kmeans", "silhouette_label", "clisi")
BATCH = ("bras", "ilisi", "kbet", "graph_connectivity", "pcr_comparison")
ANNOTATION = ("accuracy", "balanced_accuracy", "macro_f1", "kappa", "lcad", "lcad_errors", "ece")
NOVELTY = ("auroc", "aupr", "fpr95", "lcad")

# What is known of an embedding before its test (`tasks/beforehand.py`): the unit of these rows, and how many
# data sets a study needs before they are measured, and weighed on the page.
BEFOREHAND = "train"
FEWEST_DATASETS = 10

TASKS = {
    "integration": Task(
        id="integration",
        title="Embedding quality",
        question="Does the embedding keep cell types apart and mix batches?",
        metrics=(
            *("bio_conservation", "batch_correction", "scib_total"),
            *BIO,
            *BATCH,
            *("cilisi", "nmi_leiden", "ari_leiden", "avg_bio"),
            *("scgraph", "scgraph_z"),
            *("scgraph_ontorwr", "scgraph_ontorwr_published", "scgraph_ontorwr_z"),
            *("rogi", "rogi_xd"),
        ),
        primary=Primary(metric="bio_conservation", readout=None, margin=0.02),
        composites={
            "bio_conservation": BIO,
            "batch_correction": BATCH,
            "scib_total": ("bio_conservation", "batch_correction"),
            "avg_bio": ("nmi_leiden", "ari_leiden", "silhouette_label"),
        },
    ),
    "annotation": Task(
        id="annotation",
        title="Naming cell types",
        question="Can a simple probe, fitted on some donors, name the types of other donors' cells?",
        metrics=ANNOTATION,
        primary=Primary(metric="balanced_accuracy", readout="logistic", margin=0.02),
        readouts=("knn", "logistic"),
        only={"ece": ("logistic",)},
        per_unit=ANNOTATION,
    ),
    "mapping": Task(
        id="mapping",
        title="Learning cell types from labels",
        question="Given labels of some donors' cells, can it name the types of other donors' cells?",
        metrics=ANNOTATION,
        primary=Primary(metric="balanced_accuracy", readout=None, margin=0.02),
        per_unit=ANNOTATION,
        by_protocol=True,
    ),
    "novelty": Task(
        id="novelty",
        title="Noticing unseen types",
        question="Are cells of a type that was hidden in training told from those of types that were not?",
        metrics=NOVELTY,
        primary=Primary(metric="auroc", readout=None, margin=0.02),
        per_unit=NOVELTY,
        by_protocol=True,
    ),
}
