"""What each score of kept structure is: an embedding against the space it was made from, without labels."""

from metrics.row import Metric

HEISER = "10.1016/j.celrep.2020.107576"
GEOMETRY = ("rotation", "shift", "scale", "cell_order")


def _structure(name: str, title: str, about: str, **rest: object) -> Metric:
    given = {
        "best": 1.0,
        "worst": 0.0,
        "needs": ("native",),
        "control_order": ("oracle", "noise"),
        "reference_space": "native",
        "invariances": GEOMETRY,
        "doi": HEISER,
    } | rest
    return Metric(name=name, title=title, about=about, task="structure", **given)


ROWS = (
    _structure(
        "knn_preservation",
        "Neighbours kept",
        "Share of a cell's nearest neighbours in the native space that are its neighbours in the embedding, "
        "too. Batch effects of the native space count as structure. By chance k / (N - 1).",
        per="cell",
    ),
    _structure(
        "distance_correlation",
        "Distances kept",
        "Correlation of all pairwise distances in the native space and the embedding. Ruled by the far "
        "pairs: collapsed islands reach 0.9.",
        worst=-1.0,
        chance=0.0,
    ),
    _structure(
        "distance_emd",
        "Distance distribution kept",
        "How far apart the two distributions of pairwise distances are, each scaled to 0–1. Blind to which "
        "pair is which, so that noise may beat a good embedding: never read it alone.",
        best=0.0,
        worst=1.0,
        control_order=None,
    ),
    _structure(
        "szekely_correlation",
        "Székely's distance correlation",
        "Any dependence, linear or not, of the two spaces. By chance above 0, more with fewer cells.",
        doi="10.1214/009053607000000505",
    ),
    _structure(
        "intra_type_conservation",
        "Edges kept inside batches",
        "Edges that the embedding shares with the PCA of each batch alone, so that removing batch effects "
        "costs nothing. It asks for no labels; PCA scores well by kinship. By chance k / N of the batch.",
        needs=("batch", "expression"),
        reference_space="pca",
        invariances=(*GEOMETRY, "batch_names"),
        doi="10.1186/s13059-025-03869-z",
    ),
)
