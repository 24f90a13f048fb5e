"""What each score of named cells is."""

from math import inf

from metrics.row import Metric

SCFM = "10.1186/s13059-025-03781-6"


def _annotation(name: str, title: str, about: str, **rest: object) -> Metric:
    given = {
        "best": 1.0,
        "worst": 0.0,
        "control_order": ("oracle", "noise"),
        "invariances": ("label_names", "cell_order"),
    } | rest
    return Metric(name=name, title=title, about=about, task="annotation", **given)


ROWS = (
    _annotation(
        "accuracy",
        "Accuracy",
        "Share of cells named rightly; large types decide it. Chance is the share of the largest type.",
        per="cell",
    ),
    _annotation(
        "balanced_accuracy",
        "Balanced accuracy",
        "Mean recall over the types present; a type of three cells counts as much as one of three thousand.",
    ),
    _annotation(
        "macro_f1",
        "Macro F1",
        "Mean F1 over types seen in truth or prediction; a type only predicted adds a zero.",
    ),
    _annotation(
        "kappa",
        "Cohen's kappa",
        "Agreement beyond what the type frequencies alone would give.",
        worst=-1.0,
        chance=0.0,
    ),
    _annotation(
        "lcad",
        "LCAD (all cells)",
        "Ontology steps from the lowest common ancestor of truth and answer down to the truth, right "
        "answers 0. An answer below the truth costs nothing.",
        best=0.0,
        worst=inf,
        needs=("labels", "ontology"),
        per="cell",
        reference_space="cell ontology",
        invariances=("cell_order",),
        doi=SCFM,
    ),
    _annotation(
        "lcad_errors",
        "LCAD (errors only)",
        "The same over wrong cells only, as published: it can worsen while a model improves.",
        best=0.0,
        worst=inf,
        needs=("labels", "ontology"),
        per="cell",
        control_order=None,
        reference_space="cell ontology",
        invariances=("cell_order",),
        doi=SCFM,
    ),
    _annotation(
        "ece",
        "Calibration error",
        "Mean gap between stated confidence and accuracy in ten bins; a model that always states the "
        "base rate scores perfectly.",
        best=0.0,
        worst=1.0,
        control_order=None,
        invariances=("cell_order",),
        doi="10.1609/aaai.v29i1.9602",
    ),
)
