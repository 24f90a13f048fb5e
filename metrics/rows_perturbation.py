"""What each score of a predicted perturbation is: mean log expression, predicted and observed."""

from math import inf

from metrics.row import Metric

AHLMANN = "10.1038/s41592-025-02772-6"
SYSTEMA = "10.1038/s41587-025-02777-8"


def _perturbation(name: str, title: str, about: str, **rest: object) -> Metric:
    given = {
        "best": 1.0,
        "worst": 0.0,
        "needs": ("profiles",),
        "per": "perturbation",
        "invariances": ("gene_order",),
    } | rest
    return Metric(name=name, title=title, about=about, task="perturbation", **given)


ROWS = (
    _perturbation(
        "l2",
        "L2",
        "Distance of predicted and observed profile over the 1,000 genes highest in control. By chance there "
        "is no fixed value: read it beside no change, the mean and the sum of single effects.",
        best=0.0,
        worst=inf,
        doi=AHLMANN,
    ),
    _perturbation(
        "mse",
        "Mean squared error",
        "L2 squared over the number of genes; by chance, too, it depends on the spread of the data.",
        best=0.0,
        worst=inf,
    ),
    _perturbation(
        "pearson_delta",
        "Pearson delta",
        "Correlation of predicted and observed change. Blind to the size of the change: read L2 beside it. "
        "Against control, predicting the mean of all perturbations scores high by what they share; against "
        "the training centroid chance is 0.",
        worst=-1.0,
        invariances=("gene_order", "effect_size"),
        doi=AHLMANN,
    ),
    _perturbation(
        "delta_overlap",
        "Changed genes found",
        "Share of the 20 most changed genes that are among the 20 most changed as predicted. By chance "
        "20 / genes.",
        invariances=("gene_order", "effect_size"),
    ),
    _perturbation(
        "centroid_accuracy",
        "Centroid accuracy",
        "Share of the other perturbations whose observed profile lies farther from the prediction than its "
        "own. Predicting one profile for all scores 0.5.",
        chance=0.5,
        doi=SYSTEMA,
    ),
)
