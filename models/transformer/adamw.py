"""AdamW by torch's fused kernel, without torch's class, which loads its compiler: seconds a process."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

BETAS = (0.9, 0.999)
EPS = 1e-8
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class AdamW:
    """``torch.optim.AdamW(fused=True)``, to the bit on a processor (arXiv:1711.05101); not yet run on a GPU.

    A weight that never had a gradient has no moments and is left alone, decay included.
    """

    def __init__(self, weights: Sequence[nn.Parameter], *, decay: float) -> None:
        self.weights, self.decay = list(weights), decay
        self._moments: dict[int, tuple[Tensor, Tensor, Tensor]] = {}

    def forget_gradients(self) -> None:
        """Before the next batch."""
        for weight in self.weights:
            weight.grad = None

    @torch.no_grad()
    def step(self, *, rate: float) -> None:
        """Move the weights that have a gradient."""
        moved = [i for i, weight in enumerate(self.weights) if weight.grad is not None]
        if not moved:
            return
        for i in moved:
            if i not in self._moments:
                weight = self.weights[i]
                steps = torch.zeros((), device=weight.device)
                self._moments[i] = (steps, torch.zeros_like(weight), torch.zeros_like(weight))
        steps, means, squares = (list(each) for each in zip(*(self._moments[i] for i in moved), strict=True))
        torch._foreach_add_(steps, 1)
        torch._fused_adamw_(
            [self.weights[i] for i in moved],
            [self.weights[i].grad for i in moved],
            means,
            squares,
            [],
            steps,
            lr=rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=self.decay,
            eps=EPS,
            amsgrad=False,
            maximize=False,
        )

    def state(self) -> dict[str, Tensor]:
        """The moments, named ``<number of the weight>.<name>``."""
        return {
            f"{i}.{name}": moment
            for i, moments in self._moments.items()
            for name, moment in zip(MOMENTS, moments, strict=True)
        }

    def take_up(self, state: dict[str, Tensor]) -> None:
        """Go on from what ``state`` gave."""
        numbers = {int(name.split(".")[0]) for name in state}
        self._moments = {
            i: tuple(state[f"{i}.{name}"].to(self.weights[i].device) for name in MOMENTS) for i in numbers
        }
