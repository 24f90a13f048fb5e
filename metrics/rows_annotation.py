"""What each score of named cells, and of cells flagged as new, is."""

from math import inf

from metrics.row import Metric

SCFM = "10.1186/s13059-025-03781-6"


def _annotation(name: str, title: str, about: str, **rest: object) -> Metric:
    given = {
        "best": 1.0,
        "worst": 0.0,
        "needs": ("answers",),
        "control_order": ("oracle", "noise"),
        "invariances": ("label_names", "cell_order"),
        "version": "2",  # since probes bring embeddings to one common scale, not each column to its own
    } | rest
    return Metric(name=name, title=title, about=about, task="annotation", **given)


def _novelty(name: str, title: str, about: str, **rest: object) -> Metric:
    given = {
        "best": 1.0,
        "worst": 0.0,
        "needs": ("novelty",),
        "control_order": ("oracle", "noise"),
        "invariances": ("cell_order", "rescoring"),
        "doi": SCFM,
    } | rest
    return Metric(name=name, title=title, about=about, task="novelty", **given)


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
        "Mean recall over the types present; a type of three cells counts as much as one of three thousand. "
        "By chance 1 / types.",
        doi="10.1109/ICPR.2010.764",
    ),
    _annotation(
        "macro_f1",
        "Macro F1",
        "Mean F1 over types seen in truth or prediction; a type only predicted adds a zero. By chance about "
        "1 / types, or less.",
    ),
    _annotation(
        "kappa",
        "Cohen's kappa",
        "Agreement beyond what the type frequencies alone would give.",
        worst=-1.0,
        chance=0.0,
        doi="10.1177/001316446002000104",
    ),
    _annotation(
        "lcad",
        "LCAD (all cells)",
        "Ontology steps from the lowest common ancestor of truth and answer down to the truth, right "
        "answers 0. An answer below the truth costs nothing. By chance what the ontology and the shares of "
        "the types give.",
        best=0.0,
        worst=inf,
        needs=("answers", "ontology"),
        per="cell",
        reference_space="cell ontology",
        invariances=("cell_order",),
        doi=SCFM,
    ),
    _annotation(
        "lcad_errors",
        "LCAD (errors only)",
        "The same over wrong cells only, as published: it can worsen while a model improves, and stay low by "
        "chance where types are alike.",
        best=0.0,
        worst=inf,
        needs=("answers", "ontology"),
        per="cell",
        control_order=None,
        reference_space="cell ontology",
        invariances=("cell_order",),
        doi=SCFM,
    ),
    _annotation(
        "lcad_sym",
        "LCAD (both sides)",
        "Steps from truth and answer to their nearest common ancestor, added; right answers 0. An answer "
        "below the truth costs its steps, too. By chance what the ontology and the shares of the types give.",
        best=0.0,
        worst=inf,
        needs=("answers", "ontology"),
        per="cell",
        reference_space="cell ontology",
        invariances=("cell_order",),
        code="cellxgene-ontology-guide 1.11.1",
    ),
    _annotation(
        "ece",
        "Calibration error",
        "Mean gap between stated confidence and accuracy in ten bins; a model without skill that always "
        "states its chance to be right scores perfectly.",
        needs=("answers", "confidence"),
        best=0.0,
        worst=1.0,
        control_order=None,
        invariances=("cell_order",),
        doi="10.1609/aaai.v29i1.9602",
    ),
    _novelty(
        "auroc",
        "AUROC",
        "How often a cell of a new type scores as newer than one of a known type.",
        chance=0.5,
    ),
    _novelty(
        "aupr",
        "AUPR",
        "Mean share of truly new cells among those flagged, over all thresholds. By chance the share of new "
        "cells: compare within one data set only.",
    ),
    _novelty(
        "fpr95",
        "FPR95",
        "Share of known cells flagged at the threshold that flags 95 % of the new ones. Rests on few cells.",
        best=0.0,
        worst=1.0,
        chance=0.95,
    ),
)
