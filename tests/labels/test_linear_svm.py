"""Our linear support vectors beside scikit-learn's, where that converges."""

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from models.linear_svm import LinearSvm


def table(*, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Cells (300, 12) whose type shows in the first columns, not without error."""
    random = np.random.default_rng(seed)
    Z = random.normal(size=(300, 12)) + 0.5
    label = (Z[:, :classes] + 0.7 * random.normal(size=(300, classes))).argmax(axis=1)
    return Z, np.array([f"type {k}" for k in label])


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("C", [0.01, 0.1, 1.0])
def test_the_same_margins_as_liblinear(classes: int, C: float) -> None:
    Z, label = table(classes=classes)
    ours = LinearSvm(C).fit(Z, label).decision_function(Z)
    theirs = LinearSVC(C=C, dual=False, tol=1e-10, max_iter=10_000).fit(Z, label).decision_function(Z)
    if classes == 2:
        theirs = np.column_stack([-theirs, theirs])
    assert ours == pytest.approx(theirs, abs=2e-3)
    assert np.ptp(theirs) > 0.5


def test_classes_are_named_in_order() -> None:
    Z, label = table(classes=3)
    model = LinearSvm(1.0).fit(Z, label)
    assert model.classes_.tolist() == sorted(set(label))
    assert np.mean(model.classes_[model.decision_function(Z).argmax(axis=1)] == label) > 0.7
