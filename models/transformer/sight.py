"""Who sees whom."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.transformer.quirk_names import Quirk


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sight:
    """Who may see whom in a batch; made once a forward pass.

    ``real`` bool (B, T), or none where there is no padding. ``mask`` bool, broadcastable to
    (B, heads, T, T), true where a key may be seen (softmax and kernel mixers). ``hidden`` bool
    (B, T), or none: tokens without a value. ``bias`` float (B, 1, T, T) is added to scores.
    """

    real: Tensor | None
    mask: Tensor | None
    hidden: Tensor | None = None
    bias: Tensor | None = None


def see(
    real: Tensor,
    *,
    mask: str,
    hidden: Tensor | None = None,
    weight: Tensor | None = None,
    quirks: tuple[Quirk, ...] = (),
) -> Sight:
    """The sight of a batch; log(1 + ``weight``) (B, T) of a key is added to its score, but for oneself.

    ``quirks`` as of ``quirks.Quirk``.
    """
    full = bool(real.all())
    if "pads_score_one" in quirks and not full:
        extra = (~real).float()[:, None, None, :].expand(-1, 1, real.shape[1], -1)
        return Sight(real=None, mask=None, hidden=hidden, bias=extra)
    keys = None if full else real[:, None, None, :]
    t = real.shape[1]
    if mask == "causal":
        earlier = torch.ones(t, t, dtype=torch.bool, device=real.device).tril()
        keys = earlier[None, None] if keys is None else keys & earlier
    if mask == "known" and hidden is not None:
        oneself = torch.eye(t, dtype=torch.bool, device=real.device)
        known = ~hidden[:, None, None, :] | oneself
        keys = known if keys is None else keys & known
    if keys is not None and mask != "full":
        keys = keys | torch.eye(t, dtype=torch.bool, device=real.device)  # padding sees itself, not nothing
    bias = None
    if weight is not None:
        bias = torch.log1p(weight)[:, None, None, :].expand(-1, 1, t, -1)
        if "bias_on_itself" not in quirks:
            bias = bias.masked_fill(torch.eye(t, dtype=torch.bool, device=real.device), 0.0)
    return Sight(real=None if full else real, mask=keys, hidden=hidden, bias=bias)
