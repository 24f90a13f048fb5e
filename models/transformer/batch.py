"""Some cells, padded to a rectangle of tensors."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.transformer.tokenise import Tokens

PAD_TOKEN = 0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Batch:
    """B cells of up to T tokens; the fields are those of ``tokenise.Tokens``, padded on the right.

    ``ids`` int64 (B, T), 0 is padding. ``values``, ``targets``, ``counts`` float32 (B, T), NaN where a
    token has none. ``hidden`` bool (B, T): tokens whose value is not shown; none where all are.
    ``marks`` int64 (B, 2): number of the cell's type and batch, where training asks for them.
    """

    ids: Tensor
    values: Tensor
    targets: Tensor
    counts: Tensor
    queries: Tensor
    answers: Tensor
    hidden: Tensor | None = None
    marks: Tensor | None = None

    @property
    def real(self) -> Tensor:
        """Where a token is, bool (B, T)."""
        return self.ids != PAD_TOKEN

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        moved = {
            field.name: value.to(device)
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) is not None
        }
        return Batch(**moved)


def batch_of(tokens: Tokens, cells: np.ndarray) -> Batch:
    """The given cells, in the given order; as wide as the longest of them."""
    lengths = tokens.lengths[cells]
    columns = np.arange(lengths.max(initial=0))
    inside = columns < lengths[:, None]
    where = (tokens.offsets[:-1][cells][:, None] + columns)[inside]
    ids = np.zeros(inside.shape, dtype=np.int64)
    ids[inside] = tokens.ids[where]
    numbers = {}
    for name in ("values", "targets", "counts"):
        padded = np.full(inside.shape, np.nan, dtype=np.float32)
        padded[inside] = getattr(tokens, name)[where]
        numbers[name] = torch.from_numpy(padded)
    return Batch(
        ids=torch.from_numpy(ids),
        queries=torch.from_numpy(tokens.queries[cells]),
        answers=torch.from_numpy(tokens.answers[cells]),
        marks=None if tokens.marks is None else torch.from_numpy(tokens.marks[cells]),
        **numbers,
    )
