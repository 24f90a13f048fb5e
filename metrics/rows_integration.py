"""What each score of an embedding is."""

from math import inf

from metrics.row import Metric

SCIB = "10.1038/s41592-021-01336-8"
BRAS = "10.1038/s41587-025-02743-4"
SCFM = "10.1186/s13059-025-03781-6"
ROGI = "10.1021/acs.jcim.2c00903"
LISI = "10.1038/s41592-019-0619-0"
KBET = "10.1038/s41592-018-0254-1"
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
        "the labels.",
        needs=("labels", "batch"),
        invariances=("label_names",),
    ),
    _mixing(
        "batch_correction",
        "Batch correction",
        "Mean of BRAS, iLISI, kBET, graph connectivity and PCR comparison: are batches mixed within types? "
        "Noise mixes perfectly, so never read it without biological conservation.",
        control_order=None,
        reference_space="pca",
        invariances=("label_names", "batch_names"),
    ),
    _mixing(
        "scib_total",
        "scIB total",
        "0.6 × biological conservation + 0.4 × batch correction; the weights are a habit, not a law.",
        control_order=("oracle", "noise"),
        reference_space="pca",
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
        "equal size and round shape; rises a little with the number of types even by chance.",
        chance=0.0,
        invariances=("label_names",),
    ),
    _bio(
        "ari_kmeans",
        "ARI (k-means)",
        "Agreement of cell pairs between types and k-means clusters, corrected for chance. Dominated by the "
        "largest types.",
        worst=-0.5,
        chance=0.0,
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
        "little, and the median hides rare types.",
        doi=LISI,
        invariances=(*GEOMETRY, "label_names"),
    ),
    _mixing(
        "bras",
        "BRAS",
        "Within each type, are cells as far (cosine) from other batches as from their own? Depends on "
        "where the origin lies; noise scores high.",
        doi=BRAS,
        invariances=("rotation", "scale", "cell_order", "label_names", "batch_names"),
    ),
    _mixing(
        "ilisi",
        "iLISI",
        "How many batches the neighbourhood of a typical cell holds. Ignores types, so merging types "
        "unique to a batch raises it.",
        needs=("batch",),
        doi=LISI,
        invariances=(*GEOMETRY, "batch_names"),
    ),
    _mixing(
        "kbet",
        "kBET",
        "Share of cells, per type, whose neighbours' batches look like a fair draw. Strict: at many "
        "neighbours any small effect rejects; fair mixing gives about 0.95.",
        doi=KBET,
        invariances=("rotation", "shift", "scale", "cell_order", "label_names", "batch_names"),
    ),
    _mixing(
        "graph_connectivity",
        "Graph connectivity",
        "Share of each type's cells that can reach each other along directed neighbours. Near 1 for "
        "all decent embeddings; hubs lower it.",
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
        "labels chose it.",
        chance=0.0,
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
        "comparison with papers only.",
        label_optimised=True,
        invariances=("label_names",),
        doi="10.1038/s41592-024-02201-0",
    ),
    _bio(
        "scgraph_ontorwr",
        "scGraph-OntoRWR",
        "Do types that the Cell Ontology calls near lie near? Correlation without the trivial "
        "diagonal; coarse below 8 types, and only as good as the ontology. Not 0 by chance where types "
        "differ in size: centroids of rare types lie further out (noise: 0.24 on kang_ctrl_8donors).",
        worst=-1.0,
        needs=("labels", "ontology"),
        control_order=("ontology_oracle", "noise"),
        reference_space="cell ontology",
        invariances=("shift", "scale", "cell_order"),
        doi=SCFM,
    ),
    _bio(
        "scgraph_ontorwr_published",
        "scGraph-OntoRWR (as published)",
        "The same with the zero diagonal counted in: embeddings without biology reach 0.4–0.9, more in more "
        "dimensions.",
        worst=-1.0,
        needs=("labels", "ontology"),
        control_order=("ontology_oracle", "noise"),
        reference_space="cell ontology",
        invariances=("shift", "scale", "cell_order"),
        doi=SCFM,
    ),
    _bio(
        "scgraph_ontorwr_z",
        "scGraph-OntoRWR (z)",
        "How many standard deviations above shuffled types the agreement with the ontology lies; "
        "grows with the number of types, and with how unequal their sizes are.",
        best=inf,
        worst=-inf,
        needs=("labels", "ontology"),
        control_order=("ontology_oracle", "noise"),
        reference_space="cell ontology",
        invariances=("shift", "scale", "cell_order"),
        doi=SCFM,
    ),
    _bio(
        "rogi",
        "ROGI",
        "How fast types blur when near cells are merged, one type against the rest. Stays near 0.5 "
        "for perfectly separated types; use ROGI-XD.",
        best=0.0,
        worst=1.0,
        control_order=None,
        invariances=("shift", "scale", "cell_order", "label_names"),
        doi=ROGI,
    ),
    _bio(
        "rogi_xd",
        "ROGI-XD",
        "The same along the number of clusters, comparable across dimensions. Depends on how frequent "
        "each type is: compare within one data set only.",
        best=0.0,
        worst=1.0,
        invariances=("shift", "scale", "cell_order", "label_names"),
        doi="10.48550/arXiv.2305.08238",
    ),
)
