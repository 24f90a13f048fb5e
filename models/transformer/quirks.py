"""What the published bugs of ``quirk_names`` need done to a batch."""

import dataclasses

from torch import Tensor
from torch.nn import functional as F

from models.transformer.batch import Batch


def padded(batch: Batch, *, length: int) -> Batch:
    """The batch with padding up to ``length`` tokens."""
    by = length - batch.ids.shape[1]

    def wide(values: Tensor, fill: float) -> Tensor:
        return F.pad(values, (0, by), value=fill)

    numbers = {name: wide(getattr(batch, name), float("nan")) for name in ("values", "targets", "counts")}
    hidden = None if batch.hidden is None else wide(batch.hidden, False)
    return dataclasses.replace(batch, ids=wide(batch.ids, 0), hidden=hidden, **numbers)
