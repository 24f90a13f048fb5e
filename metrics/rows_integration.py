"""What each score of types and batches in an embedding is."""

from metrics.row import Metric

SCIB = "10.1038/s41592-021-01336-8"
BRAS = "10.1038/s41587-025-02743-4"
SCIBE = "10.1186/s13059-025-03869-z"
LISI = "10.1038/s41592-019-0619-0"
KBET = "10.1038/s41592-018-0254-1"
STACAS = "10.1038/s41467-024-45240-z"
GEOMETRY = ("rotation", "shift", "scale", "cell_order")


def _bio(name: str, title: str, about: str, **rest: object) -> Metric:
    given = {"best": 1.0, "worst": 0.0, "control_order": ("oracle", "noise"), "doi": SCIB} | rest
    return Metric(name=name, title=title, about=about, task="integration", **given)


def _mixing(name: str, title: str, about: str, **rest: object) -> Metric:
    given = {"needs": ("labels", "batch"), "control_order": ("noise", "batch_only")} | rest
    return _bio(name, title, about, **given)


ROWS = (
    _bio(
        "bio_conservation",
        "Biological conservation",
        "Mean of isolated labels, k-means NMI and ARI, silhouette and cLISI: are the annotated types "
        "kept apart? It rewards islands and is blind to how types relate and to anything finer than "
        "the labels. By chance not 0: two parts are then 0.5, and cLISI depends on the types' shares.",
        needs=("labels", "batch"),
        version="3",
        invariances=("label_names",),
    ),
    _mixing(
        "batch_correction",
        "Batch correction",
        "Mean of BRAS, iLISI, kBET, graph connectivity and PCR comparison: are batches mixed within types? "
        "Noise mixes perfectly, so never read it without biological conservation.",
        control_order=None,
        reference_space="pca",
        version="2",
        invariances=("label_names", "batch_names"),
    ),
    _mixing(
        "scib_total",
        "scIB total",
        "0.6 × biological conservation + 0.4 × batch correction; the weights are a habit, "
        "not a law. Noise reaches 0.4 or more: it mixes perfectly.",
        control_order=("oracle", "noise"),
        reference_space="pca",
        version="3",
        invariances=("label_names", "batch_names"),
    ),
    _bio(
        "isolated_labels",
        "Isolated labels",
        "Silhouette of the types found in the fewest batches. Where every type is in every batch, as with "
        "one batch, it is the mean over all types and says nothing new.",
        needs=("labels", "batch"),
        chance=0.5,
        invariances=(*GEOMETRY, "label_names", "batch_names"),
    ),
    _bio(
        "nmi_kmeans",
        "NMI (k-means)",
        "Shared information of types and k-means clusters, k = number of types. Favours types of "
        "equal size and round shape. Near 0 by chance only with many cells a type: noise had 0.22 with "
        "20 cells a type.",
        version="3",
        invariances=("label_names",),
    ),
    _bio(
        "ari_kmeans",
        "ARI (k-means)",
        "Agreement of cell pairs between types and k-means clusters, corrected for chance. Dominated by the "
        "largest types.",
        worst=-0.5,
        chance=0.0,
        version="3",
        invariances=("label_names",),
    ),
    _bio(
        "silhouette_label",
        "Silhouette (types)",
        "How much nearer a cell is to its own type than to the next one, scaled to 0–1. Assumes round "
        "compact types: trajectories score badly, collapsed islands perfectly.",
        chance=0.5,
        invariances=(*GEOMETRY, "label_names"),
    ),
    _bio(
        "clisi",
        "cLISI",
        "How pure in type the neighbourhood of a typical cell is. Saturates near 1: small differences carry "
        "little, and the median hides rare types. By chance what the shares of the types give.",
        doi=LISI,
        invariances=(*GEOMETRY, "label_names"),
    ),
    _mixing(
        "bras",
        "BRAS",
        "Within each type, are cells as far (cosine) from other batches as from their own? Depends on "
        "where the origin lies; noise scores near 1.",
        doi=BRAS,
        invariances=("rotation", "scale", "cell_order", "label_names", "batch_names"),
    ),
    _mixing(
        "ilisi",
        "iLISI",
        "How many batches the neighbourhood of a typical cell holds. Ignores types, so merging types "
        "unique to a batch raises it. Noise scores what the sizes of the batches allow, 1 if equal.",
        needs=("batch",),
        doi=LISI,
        invariances=(*GEOMETRY, "batch_names"),
    ),
    _mixing(
        "kbet",
        "kBET",
        "Share of cells, per type, whose neighbours' batches look like a fair draw. Strict: at many "
        "neighbours any small effect rejects; fair mixing, noise included, gives about 0.95.",
        doi=KBET,
        version="2",
        invariances=("rotation", "shift", "scale", "cell_order", "label_names", "batch_names"),
    ),
    _mixing(
        "graph_connectivity",
        "Graph connectivity",
        "Share of each type's cells that can reach each other along directed neighbours. Near 1 for "
        "all decent embeddings; hubs lower it. Noise keeps large types whole, small ones not.",
        needs=("labels",),
        control_order=("oracle", "noise"),
        invariances=(*GEOMETRY, "label_names"),
    ),
    _mixing(
        "pcr_comparison",
        "PCR comparison",
        "By how much the share of variance explained by batch fell against the uncorrected PCA. Zero when it "
        "rose; a ratio of chances where batches hardly differ (even noise then scores low); blind to "
        "non-linear effects and confounded where batches differ in types.",
        needs=("batch", "reference"),
        reference_space="pca",
        invariances=(*GEOMETRY, "batch_names"),
    ),
    _bio(
        "nmi_leiden",
        "NMI (Leiden, label-optimised)",
        "NMI of the Leiden clustering whose resolution suits the labels best: optimistic, since the "
        "labels chose it. By chance above 0 with few cells a type, as with k-means.",
        label_optimised=True,
        invariances=("label_names",),
    ),
    _bio(
        "ari_leiden",
        "ARI (Leiden, label-optimised)",
        "ARI at the resolution where NMI with the labels was best: optimistic, since the labels chose it.",
        worst=-0.5,
        chance=0.0,
        label_optimised=True,
        invariances=("label_names",),
    ),
    _bio(
        "avg_bio",
        "AvgBIO",
        "Mean of label-optimised Leiden NMI and ARI and the silhouette, as published with scGPT; for "
        "comparison with papers only. Noise scores about 0.2.",
        label_optimised=True,
        invariances=("label_names",),
        doi="10.1038/s41592-024-02201-0",
    ),
    _mixing(
        "silhouette_batch",
        "Silhouette (batches)",
        "Within each type, are cells as near to the nearest other batch as to their own? It misses effects "
        "where batches are nested, for it looks at the nearest only: prefer BRAS. Noise scores near 1.",
        invariances=(*GEOMETRY, "label_names", "batch_names"),
    ),
    _mixing(
        "cilisi",
        "CiLISI",
        "iLISI inside each type: unlike iLISI it cannot be raised by mixing types. Noise scores what the "
        "sizes of the batches allow, 1 if equal.",
        invariances=(*GEOMETRY, "label_names", "batch_names"),
        doi=STACAS,
    ),
    _mixing(
        "avg_batch",
        "AvgBATCH",
        "Mean of the batch silhouette and graph connectivity, as in scFM-Bench; for comparison with papers "
        "only. Noise scores high.",
        control_order=None,
        invariances=(*GEOMETRY, "label_names", "batch_names"),
        doi="10.1186/s13059-025-03781-6",
    ),
    _mixing(
        "scibe_total",
        "scIB-E total",
        "0.2 × batch mixing + 0.4 × types kept apart + 0.4 × PCR comparison and edges kept inside batches. "
        "Noise scores what its parts do.",
        needs=("labels", "batch", "reference", "expression"),
        control_order=None,
        reference_space="pca",
        invariances=("label_names", "batch_names"),
        doi=SCIBE,
    ),
)
