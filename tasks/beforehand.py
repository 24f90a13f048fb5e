"""What can be known of an embedding before its test, from training units alone, for choosing contestants.

These rows (unit ``train``) bear no verdict and stand in no table of values; the page weighs how
well they foretell the test (``board/advice.py``). They cost a neighbour search each, so that
only studies of enough data sets to weigh them have them.
"""

import numpy as np

import metrics
from tasks.annotation import sampling_unit
from tasks.cells import Cells
from tasks.measured import Measured, measure
from tasks.probes import knn
from tasks.table import BEFOREHAND


def score_beforehand(Z: np.ndarray, cells: Cells) -> list[Measured]:
    """ROGI-XD of the labelled training cells, and balanced accuracy of 15-NN over left-out training units.

    ``Z`` (N, D) is an embedding of N cells. Both undefined with fewer than two types, the
    second with fewer than two training units as well. Costs O(N_train²·D).
    """
    fit = cells.known("label") & (cells.part == "train")
    Z, label, n = np.asarray(Z, dtype=np.float64)[fit], cells.label[fit].astype(str), int(fit.sum())
    unit = sampling_unit(cells)[fit].astype(str)
    return [
        measure("rogi_xd", lambda: roughness(Z, label), n=n, unit=BEFOREHAND),
        measure(
            "balanced_accuracy",
            lambda: left_out_accuracy(Z, label, unit),
            n=n,
            unit=BEFOREHAND,
            readout="knn",
        ),
    ]


def roughness(Z: np.ndarray, label: np.ndarray) -> float:
    """ROGI-XD (0 to 1, lower is smoother) of the labels ``label`` (N,) over ``Z`` (N, D)."""
    if len(set(label)) < 2:
        raise metrics.Undefined(f"the training cells are of {len(set(label))} type(s); two are needed")
    return metrics.rogi_labels(Z, label).rogi_xd


def left_out_accuracy(Z: np.ndarray, label: np.ndarray, unit: np.ndarray) -> float:
    """Balanced accuracy (0 to 1) of 15-NN, each unit's cells named by the cells of the others."""
    units = sorted(set(unit))
    if len(units) < 2:
        raise metrics.Undefined(f"{len(units)} training unit(s); leaving one out needs two")
    named = np.empty(len(label), dtype=object)
    for name in units:
        held_out = unit == name
        named[held_out] = knn(Z[~held_out], label[~held_out], Z[held_out]).label
    return metrics.balanced_accuracy(label, named.astype(str))
