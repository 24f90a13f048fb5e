"""Contestants that are given labels: what they are, and the one door that every prediction passes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import numpy as np

from models.card import ModelCard
from models.door import ContractError

if TYPE_CHECKING:
    from anndata import AnnData

ROUNDING = 1e-3
"""Probabilities of a cell may add up to 1 only so nearly: float32, many classes."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Labels:
    """What is told of N training cells: text (N,), ``None`` where it is not told.

    A cell without a ``label`` may be learned from, its type may not be asked for: in a question of
    few shots all training cells give their counts and few their labels. ``unit`` is the donor or
    batch; validation cells are to be whole units. ``ontology_id`` is known only where the label is.
    """

    label: np.ndarray
    ontology_id: np.ndarray
    unit: np.ndarray

    @property
    def given(self) -> np.ndarray:
        """Boolean mask (N,): cells whose label is told."""
        return np.array([name is not None for name in self.label], dtype=bool)

    @property
    def classes(self) -> list[str]:
        """The labels that are told, sorted."""
        return sorted({str(name) for name in self.label if name is not None})

    def take(self, rows: np.ndarray) -> "Labels":
        """Labels of a boolean mask or row numbers."""
        return Labels(label=self.label[rows], ontology_id=self.ontology_id[rows], unit=self.unit[rows])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prediction:
    """What is said of M test cells.

    ``classes`` (C) are sorted; ``probabilities`` (M, C) lie in 0 to 1, a row adds up to 1;
    ``unseen_score`` (M,) is higher for a cell that looks less like any training type, on any scale.
    ``curve`` holds the rows of a training curve (numbers by name), ``chosen`` the hyper-parameters that a
    search on training units took.
    """

    classes: Sequence[str]
    probabilities: np.ndarray
    unseen_score: np.ndarray
    curve: Sequence[dict[str, float]] = ()
    chosen: dict[str, float | int | str] | None = None


@runtime_checkable
class Labelled(Protocol):
    """A contestant that learns from labels. Cells come in as for an ``Embedder``, never with a label.

    One that has a place for each cell after training also has ``embed(cells)``, as an ``Embedder`` does.
    """

    card: ModelCard

    def fit(self, train: "AnnData", *, labels: Labels, seed: int) -> Self:
        """Learn from N training cells and what is told of them; nothing else is ever handed over."""

    def predict(self, cells: "AnnData") -> Prediction:
        """Name M cells; rows in input order."""


@runtime_checkable
class Choosy(Protocol):
    """A contestant that can tell before it learns that it will not be able to read the test cells.

    It saves hours of training. The one that is asked is thrown away, and another one learns.
    """

    def check(self, cells: "AnnData") -> None:
        """Raise ``NotApplicable`` if no prediction of these cells is possible, whatever is learnt."""


def predict_checked(model: Labelled, cells: "AnnData", *, told: Collection[str]) -> Prediction:
    """Ask for a prediction and check it: shapes, classes that were ``told``, probabilities, finiteness.

    Raises
    ------
    ContractError
        One line that names the first thing that is wrong.
    """
    found = model.predict(cells)
    n, classes = cells.n_obs, list(found.classes)
    strange = sorted(set(classes) - set(told))
    if strange:
        raise ContractError("prediction", found=f"class {strange[0]!r}", expected="labels of training cells")
    if classes != sorted(set(classes)) or not classes:
        raise ContractError("prediction", found=f"classes {classes}", expected="sorted, each once")
    _check_array("probabilities", found.probabilities, shape=(n, len(classes)))
    _check_array("unseen_score", found.unseen_score, shape=(n,))
    low, high = found.probabilities.min(initial=0.0), found.probabilities.max(initial=0.0)
    off = float(np.abs(found.probabilities.sum(axis=1) - 1).max(initial=0.0))
    if low < 0 or high > 1 + ROUNDING or off > ROUNDING:
        raise ContractError(
            "prediction",
            found=f"probabilities of {low:.3g} to {high:.3g} that miss a sum of 1 by {off:.2g}",
            expected="0 to 1, a row adds up to 1",
        )
    return found


def _check_array(name: str, values: np.ndarray, *, shape: tuple[int, ...]) -> None:
    found = f"{name} {type(values).__name__} of shape {np.shape(values)}"
    if not isinstance(values, np.ndarray) or values.shape != shape or values.dtype.kind != "f":
        raise ContractError("prediction", found=found, expected=f"floats of shape {shape}")
    broken = int((~np.isfinite(values.reshape(len(values), -1))).any(axis=1).sum())
    if broken:
        raise ContractError("prediction", found=f"NaN or infinity in {broken} rows of {name}")
