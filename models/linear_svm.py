"""Linear support vectors on a dense table, where scikit-learn's solver is slow and may not converge."""

from typing import Self

import numpy as np
from scipy.optimize import minimize

MOST_STEPS = 2000
FLAT = 1e-4


class LinearSvm:
    """One against the rest by squared hinge, minimised by L-BFGS: what ``sklearn.svm.LinearSVC`` minimises.

    The intercept is penalised, as there. On thousands of cells by a thousand genes liblinear, which reads
    tables as if they were sparse, takes ten times as long and stops short at C = 1 (``docs/LOG.md``).
    Without chance. O(N D L) a step.
    """

    def __init__(self, C: float) -> None:
        self.C = C

    def fit(self, Z: np.ndarray, label: np.ndarray) -> Self:
        """Weights of each class of ``label`` (N,) on ``Z`` (N, D)."""
        self.classes_ = np.unique(label)
        table = _with_ones(Z)
        sign = np.where(label[:, None] == self.classes_, 1.0, -1.0)

        def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
            weights = flat.reshape(len(self.classes_), -1)
            gap = np.maximum(1 - sign * (table @ weights.T), 0)
            slope = weights - 2 * self.C * (sign * gap).T @ table
            return flat @ flat / 2 + self.C * np.sum(gap**2), slope.ravel()

        start = np.zeros(len(self.classes_) * table.shape[1])
        options = {"maxiter": MOST_STEPS, "maxfun": 2 * MOST_STEPS, "gtol": FLAT}
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
        self.coef_ = found.x.reshape(len(self.classes_), -1)
        return self

    def decision_function(self, Z: np.ndarray) -> np.ndarray:
        """Margins (N, classes), higher is more like the class."""
        return _with_ones(Z) @ self.coef_.T


def _with_ones(Z: np.ndarray) -> np.ndarray:
    return np.column_stack([Z, np.ones(len(Z))])
