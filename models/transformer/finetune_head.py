"""The linear readout of cell vectors: the frozen probe, and where every fine-tuning starts."""

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

MAX_ITERATIONS = 500
TOLERANCE = 1e-7


class Head(nn.Module, ABC):
    """What reads classes off cell vectors: (B, D) → logits (B, C), in float32 also under autocast."""

    @abstractmethod
    def logits(self, cells: Tensor) -> Tensor:
        """Float32 cell vectors → logits; each head says how."""

    def forward(self, cells: Tensor) -> Tensor:
        """Cell vectors (B, D) → logits (B, C)."""
        with torch.autocast(cells.device.type, enabled=False):
            return self.logits(cells.float())

    @torch.no_grad()
    def probabilities(self, Z: np.ndarray) -> np.ndarray:
        """Cell vectors float32 (N, D) → float64 (N, C), rows that add up to 1."""
        found = self.eval().forward(torch.from_numpy(Z).to(next(self.parameters()).device))
        return found.double().softmax(1).cpu().numpy()


class Readout(Head):
    """Centred and brought to one common scale by the training cells, then one linear map.

    The scale is the root of the columns' mean variance, as of every linear head: one scale a column would
    blow up those that hold next to nothing. A column that is constant in training counts as 0.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, Z: np.ndarray, *, classes: int) -> None:
        super().__init__()
        centre, spread = Z.mean(axis=0, dtype=np.float64), Z.std(axis=0, dtype=np.float64)
        varies = spread > 1e-6 * np.maximum(1.0, np.abs(centre))
        scale = varies / np.sqrt(np.mean(spread[varies] ** 2)) if varies.any() else np.zeros(len(spread))
        self.register_buffer("centre", torch.from_numpy(centre).float())
        self.register_buffer("scale", torch.from_numpy(scale).float())
        self.linear = nn.Linear(Z.shape[1], classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def logits(self, cells: Tensor) -> Tensor:
        """(B, D) → (B, C)."""
        return self.linear((cells - self.centre) * self.scale)


def fit_readout(Z: np.ndarray, label: np.ndarray, *, classes: int, strength: float) -> Readout:
    """Multinomial logistic regression of ``label`` (N,) in 0 … C − 1 on ``Z`` (N, D).

    No class has a weight of its own. ``strength`` is the inverse L2 penalty of scikit-learn's ``C``: the sum
    of the cells' cross-entropies, in units of half the squared weights. Full-batch L-BFGS in float64,
    so the answer has no seed. Costs O(N·D·C) an iteration, at most 500.
    """
    readout = Readout(Z, classes=classes)
    x = (torch.from_numpy(Z).double() - readout.centre.double()) * readout.scale.double()
    y = torch.from_numpy(label)
    weight = torch.zeros(classes, Z.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weight, bias],
        max_iter=MAX_ITERATIONS,
        tolerance_grad=TOLERANCE,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        penalty = weight.square().sum() / (2 * strength * len(y))
        value = F.cross_entropy(F.linear(x, weight, bias), y) + penalty
        value.backward()
        return value

    with torch.enable_grad():
        optimiser.step(loss)
    with torch.no_grad():
        readout.linear.weight.copy_(weight)
        readout.linear.bias.copy_(bias)
    return readout


def cross_entropy(probabilities: np.ndarray, label: np.ndarray) -> float:
    """Mean negative log-probability of the true class, in nats; 0 is best."""
    own = probabilities[np.arange(len(label)), label]
    return float(-np.log(np.maximum(own, 1e-12)).mean())


def balanced_accuracy(probabilities: np.ndarray, label: np.ndarray) -> float:
    """Mean over the classes present of the share of their cells that is named right, 0 to 1."""
    right = probabilities.argmax(axis=1) == label
    return float(np.mean([right[label == own].mean() for own in np.unique(label)]))
