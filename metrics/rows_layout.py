"""What each score of the layout of types is: centroids, the Cell Ontology, roughness."""

from math import inf

from metrics.row import Metric

SCGRAPH = "10.1038/s41587-025-02702-z"
SCFM = "10.1186/s13059-025-03781-6"
ROGI = "10.1021/acs.jcim.2c00903"
SAME = ("shift", "scale", "cell_order")  # not rotation: centroids are trimmed column by column


def _scgraph(name: str, title: str, about: str, **rest: object) -> Metric:
    given = {
        "best": 1.0,
        "worst": -1.0,
        "needs": ("labels", "batch", "expression"),
        "reference_space": "pca",
        "invariances": (*SAME, "label_names", "batch_names"),
        "doi": SCGRAPH,
    } | rest
    return Metric(name=name, title=title, about=about, task="integration", **given)


def _ontology(name: str, title: str, about: str, **rest: object) -> Metric:
    given = {
        "best": 1.0,
        "worst": -1.0,
        "needs": ("labels", "ontology"),
        "control_order": ("ontology_oracle", "noise"),
        "reference_space": "cell ontology",
        "invariances": SAME,
        "doi": SCFM,
    } | rest
    return Metric(name=name, title=title, about=about, task="integration", **given)


def _rough(name: str, title: str, about: str, **rest: object) -> Metric:
    given = {
        "best": 0.0,
        "worst": 1.0,
        "version": "2",
        "invariances": (*SAME, "label_names"),
    } | rest
    return Metric(name=name, title=title, about=about, task="integration", **given)


ROWS = (
    _scgraph(
        "scgraph",
        "scGraph",
        "Do types keep the distances they have inside single batches? Near pairs weigh most. The "
        "reference is a PCA of each batch, so PCA scores near 1 by kinship; coarse with few types.",
        chance=0.0,
    ),
    _scgraph(
        "scgraph_correlation",
        "scGraph (Corr-PCA)",
        "The same without weights and with the zero diagonal counted in, as published beside it: by chance "
        "far above 0, the more so the fewer the types.",
    ),
    _scgraph(
        "scgraph_rank",
        "scGraph (Rank-PCA)",
        "The same of ranks, the diagonal counted in: by chance far above 0, the more so the fewer the types.",
    ),
    _scgraph(
        "scgraph_z",
        "scGraph (z)",
        "How many standard deviations above shuffled types scGraph lies; grows with the number of types. "
        "By chance 0 where types are of one size, else mostly below it.",
        best=inf,
        worst=-inf,
        invariances=SAME,
    ),
    _ontology(
        "scgraph_ontorwr",
        "scGraph-OntoRWR",
        "Do types that the Cell Ontology calls near lie near? Correlation without the trivial diagonal, of "
        "centroids over equally many cells of each type. Coarse below 8 types, and only as good as the "
        "ontology.",
        chance=0.0,
        version="2",
    ),
    _ontology(
        "scgraph_ontorwr_published",
        "scGraph-OntoRWR (as published)",
        "The same of all cells, with the zero diagonal counted in: by chance 0.4–0.9, more in more "
        "dimensions.",
    ),
    _ontology(
        "scgraph_ontorwr_z",
        "scGraph-OntoRWR (z)",
        "How many standard deviations above shuffled types the agreement with the ontology lies; "
        "grows with the number of types.",
        best=inf,
        worst=-inf,
        chance=0.0,
        version="2",
    ),
    _rough(
        "rogi",
        "ROGI",
        "How fast types blur when near cells are merged, one type against the rest. Stays near 0.5 "
        "for perfectly separated types; use ROGI-XD. By chance what the shares of the types give.",
        doi=ROGI,
    ),
    _rough(
        "rogi_xd",
        "ROGI-XD",
        "The same along the number of clusters, comparable across dimensions. Depends on how frequent "
        "each type is, by chance, too: compare within one data set only.",
        control_order=("oracle", "noise"),
        code="coleygroup/rogi-xd@30639e6",
    ),
)
