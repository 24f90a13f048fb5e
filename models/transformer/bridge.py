"""From a vector of a cell, or of a text, into a space that both share."""

from torch import Tensor, nn
from torch.nn import functional as F

from models.transformer.block import initialise


class Bridge(nn.Module):
    """Linear, norm, ReLU, linear, beside one linear map; the norm of their sum (CellWhisperer's shape).

    The inner norm is of layers, not of batches, by which a cell would depend on its companions.
    """

    def __init__(self, into: int, out: int, *, eps: float, std: float) -> None:
        super().__init__()
        self.up, self.down, self.past = nn.Linear(into, out), nn.Linear(out, out), nn.Linear(into, out)
        self.inner, self.norm = nn.LayerNorm(out, eps=eps), nn.LayerNorm(out, eps=eps)
        initialise(self, std=std)

    def forward(self, x: Tensor) -> Tensor:
        """(N, ``into``) → (N, ``out``)."""
        return self.norm(self.down(F.relu(self.inner(self.up(x)))) + self.past(x))
