"""Simulated cells of 3 types and 6 donors as `atlas prepare` leaves them, and a few contestants."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from contract.files import write_json
from contract.outcome import Outcome

TYPES = {"B cell": "CL:0000236", "T cell": "CL:0000084", "monocyte": "CL:0000576"}
DONORS = 6
MODELS = """models:
  noise: {adapter: noise, options: {width: 8}}
  oracle: {adapter: oracle}
  pca: {adapter: pca, options: {n_genes: 60, components: 8}}
  pca_knn: {adapter: pca, head: knn, options: {n_genes: 60, components: 8}}
  hvg_svm: {adapter: hvg, head: svm, options: {n_genes: 60}}
  souza_mehta: {adapter: souza_mehta, options: {n_genes: 80, components: 10}}
  celltypist_style: {adapter: celltypist_style}
  harmony: {adapter: harmony}
"""


def simulate(*, n: int = 240, n_genes: int = 120, seed: int = 0) -> tuple[ad.AnnData, pd.DataFrame]:
    """Poisson counts; a type raises a third of the genes. Five cells have no label."""
    draw = np.random.default_rng(seed)
    kind, donor = draw.integers(0, 3, n), draw.permutation(np.arange(n) % DONORS)
    rate = draw.gamma(2.0, 0.5, n_genes) * draw.gamma(5.0, 0.2, (n, 1))
    rate = np.where(np.arange(n_genes) % 3 == kind[:, None], 2.5 * rate, rate)
    counts = draw.poisson(rate).astype(np.float32)
    names = [f"cell{i:04d}" for i in draw.permutation(n)]
    donors = np.array([f"d{i}" for i in donor])
    obs = pd.DataFrame({"batch": donors, "donor": donors}, index=names)
    obs = obs.assign(assay="10x", tissue="blood", organism="human", total_counts=np.nan)
    var = pd.DataFrame({"symbol": [f"G{i}" for i in range(n_genes)]})
    var.index = [f"ENSG{i:011d}" for i in range(n_genes)]
    label = np.array(list(TYPES), dtype=object)[kind]
    truth = pd.DataFrame({"cell": names, "label": label, "ontology_id": [TYPES[name] for name in label]})
    truth = truth.assign(batch=donors, donor=donors, condition=np.where(donor % 2, "ill", "well"))
    truth = truth.assign(unit=[f"donor:{name}" for name in donors], part=np.where(donor < 3, "train", "test"))
    truth.loc[:4, ["label", "ontology_id"]] = None
    return ad.AnnData(X=sp.csr_matrix(counts), obs=obs, var=var, uns={"dataset": "toy"}), truth


def write(folder: Path, cells: ad.AnnData, truth: pd.DataFrame) -> Path:
    folder.mkdir(parents=True)
    cells.write_h5ad(folder / "cells.h5ad")
    truth.to_parquet(folder / "truth.parquet")
    truth[["cell", "unit", "part"]].to_parquet(folder / "split.parquet")
    np.save(folder / "reference.npy", np.zeros((len(truth), 2), dtype=np.float32))
    write_json(folder / "report.json", {"units": "donor"})
    Outcome(status="ok", stage="prepare").write(folder / "outcome.json")
    return folder
