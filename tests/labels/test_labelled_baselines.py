"""Baselines that are given labels name held-out donors' cells, in whatever order these come."""

import anndata as ad
import numpy as np
import pytest
from labelled_cells import simulate

from contract.errors import NotApplicable
from models.labelled import Labels, predict_checked
from models.labelled_linear import CellTypist, SouzaMehta
from models.options import CellTypistOptions, ScanviOptions, SouzaMehtaOptions

CELLS, TRUTH = simulate()
TRAIN = TRUTH["donor"].isin(["d0", "d1", "d2", "d3"]).to_numpy()


def make(name: str):
    if name == "celltypist":
        return CellTypist(CellTypistOptions(top_genes=10))
    if name == "souza_mehta":
        return SouzaMehta(SouzaMehtaOptions(n_genes=80, components=10))
    from models.scanvi import Scanvi

    return Scanvi(ScanviOptions(n_genes=80, latent=5, layers=1, hidden=32, epochs=60, epochs_with_labels=30))


def told(truth, *, few: bool = False) -> Labels:
    label = truth["label"].where(truth["label"].notna(), None).to_numpy(dtype=object)
    if few:
        label = np.where(truth.index % 4 == 0, label, None)
    nothing = np.full(len(label), None, dtype=object)
    return Labels(label=label, ontology_id=nothing, unit=truth["unit"].to_numpy(dtype=object))


def accuracy(found, truth) -> float:
    label = truth["label"].to_numpy(dtype=object)
    known = np.array([name is not None and name == name for name in label])
    answer = np.array(found.classes, dtype=object)[found.probabilities.argmax(axis=1)]
    return float((answer[known] == label[known]).mean())


@pytest.mark.parametrize(
    ("name", "few"),
    [(name, few) for name in ("celltypist", "souza_mehta") for few in (False, True)] + [("scanvi", True)],
)
def test_held_out_donors_are_named(name, few) -> None:
    truth = TRUTH[TRAIN].reset_index(drop=True)
    labels = told(truth, few=few)
    model = make(name).fit(CELLS[TRAIN].copy(), labels=labels, seed=0)
    found = predict_checked(model, CELLS[~TRAIN].copy(), told=labels.classes)
    assert accuracy(found, TRUTH[~TRAIN]) > 0.7
    order = np.random.default_rng(0).permutation(80)
    turned = predict_checked(model, CELLS[~TRAIN][order].copy(), told=labels.classes)
    np.testing.assert_allclose(turned.probabilities, found.probabilities[order], atol=1e-5)


@pytest.mark.parametrize("name", ["celltypist", "souza_mehta"])
def test_genes_that_the_test_cells_lack_count_as_their_mean(name) -> None:
    """A gene more or less hardly matters; cells with hardly any of the genes cannot be named."""
    labels = told(TRUTH[TRAIN].reset_index(drop=True))
    model = make(name).fit(CELLS[TRAIN].copy(), labels=labels, seed=0)
    assert accuracy(model.predict(CELLS[~TRAIN, :100].copy()), TRUTH[~TRAIN]) > 0.6
    strange = ad.AnnData(CELLS[~TRAIN].X, obs=CELLS.obs[~TRAIN])
    with pytest.raises(NotApplicable, match=r"of the .* genes"):
        model.predict(strange)


@pytest.mark.parametrize("name", ["celltypist", "souza_mehta", "scanvi"])
def test_one_type_cannot_be_learned(name) -> None:
    truth = TRUTH[TRAIN].reset_index(drop=True).assign(label="B cell")
    with pytest.raises(NotApplicable, match=r"1 type\(s\)"):
        make(name).fit(CELLS[TRAIN].copy(), labels=told(truth), seed=0)
