"""Hidden states of a cell's tokens → one vector a cell."""

import torch
from torch import Tensor


def pool(
    hidden: Tensor, ids: Tensor, *, kind: str, specials: int, prefix: int, length: int, pads: bool = False
) -> Tensor:
    """(B, T, D) → float32 (B, D), or (B, 4 D) for ``concat``; kinds as of ``choices.Pooler``.

    ``mean``, ``max`` and ``sum`` run over gene tokens alone (neither padding nor special tokens); a
    cell without any gene has no mean and gives NaN. ``prefix`` is the number of tokens before
    the genes, ``length`` the most tokens a cell. ``pads``: means run over padding, too (a published bug).
    """
    hidden = hidden.float()
    if pads and kind in ("mean", "all"):
        return hidden[:, prefix if kind == "mean" else 0 :].mean(1)
    gene = (ids >= specials).unsqueeze(-1)
    match kind:
        case "cls":
            return hidden[:, 0]
        case "specials":
            return hidden[:, :prefix].mean(1)
        case "last":
            last = (ids != 0).sum(1) - 1
            return hidden[torch.arange(len(hidden), device=hidden.device), last]
        case "all":
            real = (ids != 0).unsqueeze(-1)
            return (hidden * real).sum(1) / real.sum(1)
        case "sum":
            return (hidden * gene).sum(1) / length
        case "max":
            return _most(hidden, gene)
        case "concat":
            return torch.cat([hidden[:, 0], hidden[:, 1], _most(hidden, gene), _mean(hidden, gene)], dim=1)
    return _mean(hidden, gene)


def _mean(hidden: Tensor, gene: Tensor) -> Tensor:
    return (hidden * gene).sum(1) / gene.sum(1)


def _most(hidden: Tensor, gene: Tensor) -> Tensor:
    return hidden.masked_fill(~gene, float("-inf")).amax(1)
