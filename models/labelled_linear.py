"""Linear baselines that see the labels from the first step on: CellTypist's way, and Souza and Mehta's.

Their inverse penalty is chosen among as many values, on the same validation units, as that of any head;
the published one, 1, is the first.
"""

from collections.abc import Callable
from typing import Self

import numpy as np
import pandas as pd
import scipy.linalg
import scipy.sparse as sp
from anndata import AnnData
from sklearn.feature_selection import f_classif
from sklearn.linear_model import LogisticRegression

from contract.errors import NotApplicable
from models.classifiers import HEADS
from models.labelled import Labels, Prediction
from models.normalise import find_genes, log_normalised
from models.options import CellTypistOptions, SouzaMehtaOptions
from models.rank_normal import normal_scores
from models.registry import ADAPTERS
from models.validation import choose, validation_cells

STRENGTHS = HEADS["logistic"].values
ITERATIONS = 1000
CLIP = 10.0


class CellTypist:
    """Logistic regression on standardised log-normalised genes, twice: on all, then on each type's best.

    After 10.1126/science.abl5197 (Teichlab/celltypist): the second round keeps the ``top_genes`` of the
    largest coefficients of each type. Values beyond 10 standard deviations are cut. Fitted exactly, where
    the published first round is a stochastic descent; one model of all types, where the published
    one is one against the rest. The first round has the published penalty, the second the chosen one.
    """

    card = ADAPTERS["celltypist_style"].card

    def __init__(self, options: CellTypistOptions) -> None:
        self.options = options
        self.genes: list[str] = []
        self.mean = self.scale = np.zeros(0)
        self.model: LogisticRegression | None = None
        self.chosen: dict[str, float] = {}

    def fit(self, train: AnnData, *, labels: Labels, seed: int) -> Self:
        """Learn from the labelled cells; means and spreads are those of all training cells."""
        label, validation = _labels(labels), _validation(labels)
        values = log_normalised(train)
        mean, variance = _moments(values)
        there = np.flatnonzero(variance > 0)
        found = _standardised(values[labels.given][:, there], mean[there], variance[there] ** 0.5)
        found = found.astype(np.float32)
        strength = _chosen(label, validation, lambda fit: found[:, self._best(found[fit], label[fit])])
        best = self._best(found, label)
        kept = there[best]
        self.genes, self.mean, self.scale = train.var_names[kept].tolist(), mean[kept], variance[kept] ** 0.5
        self.model, self.chosen = _logistic(strength).fit(found[:, best], label), {"C": strength}
        return self

    def _best(self, found: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Columns with the largest coefficients of each type, in order."""
        first = _logistic(STRENGTHS[0]).fit(found, label)
        order = np.argsort(-np.abs(first.coef_), axis=1, kind="stable")
        return np.unique(order[:, : self.options.top_genes])

    def predict(self, cells: AnnData) -> Prediction:
        """Name the cells; a gene that they lack counts as its mean."""
        there, columns = find_genes(cells, self.genes)
        found = np.zeros((cells.n_obs, len(self.genes)))
        values = log_normalised(cells)[:, columns]
        found[:, there] = _standardised(values, self.mean[there], self.scale[there])
        return _said(self.model, found, chosen=self.chosen)


class SouzaMehta:
    """Normal scores, the genes that differ most between types, whitened components, logistic regression.

    As published (arXiv:2602.16696): 20,000 genes by analysis of variance, 220 components, classes weighted
    evenly. Genes are chosen by the labelled cells, components by all training cells.
    """

    card = ADAPTERS["souza_mehta"].card

    def __init__(self, options: SouzaMehtaOptions) -> None:
        self.options = options
        self.genes: list[str] = []
        self.mean = self.scale = np.zeros(0)
        self.axes = np.zeros((0, 0))
        self.model: LogisticRegression | None = None
        self.chosen: dict[str, float] = {}

    def fit(self, train: AnnData, *, labels: Labels, seed: int) -> Self:
        """Learn from the training cells; ``seed`` changes nothing."""
        label, validation = _labels(labels), _validation(labels)
        scores = normal_scores(sp.csr_matrix(train.X)).dense()
        rows = np.flatnonzero(labels.given)

        def components(fit: np.ndarray) -> np.ndarray:
            self._fit_axes(scores, rows[fit], label[fit], names=train.var_names)
            return self._components(scores[rows][:, train.var_names.get_indexer(self.genes)])

        strength = _chosen(label, validation, components, balanced=True)
        values = components(np.ones(len(label), dtype=bool))
        self.model, self.chosen = _logistic(strength, balanced=True).fit(values, label), {"C": strength}
        return self

    def _fit_axes(self, scores: np.ndarray, rows: np.ndarray, label: np.ndarray, *, names: pd.Index) -> None:
        """Choose genes by these labelled rows of ``scores`` (N, G), components by all of them."""
        told = scores[rows]
        differs = f_classif(told, label)[0] if len(label) > len(set(label)) else told.var(axis=0)
        worth = np.where((scores.var(axis=0) > 0) & np.isfinite(differs), differs, -1.0)
        kept = np.sort(np.argsort(-worth, kind="stable")[: self.options.n_genes])
        kept = kept[worth[kept] >= 0]
        if not len(kept):
            raise NotApplicable("the cells to be fitted are all alike")
        self.genes = names[kept].tolist()
        self.mean, self.scale = scores[:, kept].mean(axis=0), scores[:, kept].std(axis=0)
        self.axes = _whitening((scores[:, kept] - self.mean) / self.scale, most=self.options.components)

    def predict(self, cells: AnnData) -> Prediction:
        """Name the cells; a gene that they lack counts as its mean."""
        return _said(self.model, self._places(cells), chosen=self.chosen)

    def embed(self, cells: AnnData) -> np.ndarray:
        """Components (N, ≤ components), float32."""
        return self._places(cells).astype(np.float32)

    def _places(self, cells: AnnData) -> np.ndarray:
        there, columns = find_genes(cells, self.genes)
        scores = np.tile(self.mean, (cells.n_obs, 1))
        scores[:, there] = normal_scores(sp.csr_matrix(cells.X)).columns(columns).dense()
        return self._components(scores)

    def _components(self, scores: np.ndarray) -> np.ndarray:
        return (scores - self.mean) / self.scale @ self.axes


def _labels(labels: Labels) -> np.ndarray:
    if len(labels.classes) < 2:
        raise NotApplicable(f"the labelled training cells are of {len(labels.classes)} type(s)")
    return labels.label[labels.given].astype(str)


def _validation(labels: Labels) -> np.ndarray:
    """Mask of the validation cells among the labelled ones."""
    known = labels.take(labels.given)
    return validation_cells(known.unit, given=known.given)


def _chosen(
    label: np.ndarray,
    validation: np.ndarray,
    values_by: Callable[[np.ndarray], np.ndarray],
    *,
    balanced: bool = False,
) -> float:
    """The inverse penalty; ``values_by`` gives all labelled cells (N, ·) as learned from a mask of them."""
    if not validation.any() or len(set(label[~validation])) < 2:
        return STRENGTHS[0]
    fit = ~validation
    values = values_by(fit)

    def name(strength: float) -> np.ndarray:
        return _logistic(strength, balanced=balanced).fit(values[fit], label[fit]).predict(values[validation])

    return choose(STRENGTHS, label, validation, name=name)


def _logistic(strength: float, *, balanced: bool = False) -> LogisticRegression:
    weight = "balanced" if balanced else None
    return LogisticRegression(C=strength, max_iter=ITERATIONS, class_weight=weight)


def _moments(values: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    mean = np.asarray(values.mean(axis=0)).ravel()
    squares = np.asarray(values.multiply(values).mean(axis=0)).ravel()
    return mean, np.maximum(squares - mean**2, 0.0)


def _standardised(values: sp.csr_matrix, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.minimum((values.toarray() - mean) / scale, CLIP)


def _whitening(values: np.ndarray, *, most: int) -> np.ndarray:
    """Axes (G, ≤ most) onto which these centred values (N, G) have unit variance."""
    n, genes = values.shape
    smaller = values.T @ values if genes <= n else values @ values.T
    size = len(smaller)
    power, vectors = scipy.linalg.eigh(smaller, subset_by_index=[max(0, size - most), size - 1])
    kept = power > 1e-10 * power[-1]
    power, vectors = power[kept], vectors[:, kept]
    axes = vectors if genes <= n else values.T @ vectors / np.sqrt(power)
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    return axes * np.sqrt(n / power)


def _said(model: LogisticRegression | None, values: np.ndarray, *, chosen: dict[str, float]) -> Prediction:
    if model is None:
        raise RuntimeError("fit comes first")
    probability = model.predict_proba(values)
    return Prediction(
        classes=[str(name) for name in model.classes_],
        probabilities=probability,
        unseen_score=1 - probability.max(axis=1),
        chosen=chosen,
    )
