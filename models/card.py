"""What is known about a contestant: where it comes from, what it saw, what to expect of it."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

SAW = ("counts", "batch", "train_labels", "pretraining", "pretraining_labels", "truth")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelCard:
    """Facts about a contestant; they stand on the page beside its scores.

    ``saw`` is a selection of ``SAW``. ``pretrained_on`` holds data set ids; ``None`` means *not
    disclosed*, empty means not pre-trained. ``gathered`` is the date until which cells could enter
    what it was pre-trained on (YYYY, YYYY-MM or YYYY-MM-DD), ``None`` where that is not known.
    ``equivariance_tolerance`` is the largest absolute difference by which a permutation of the cells
    may fail to permute the embedding's rows. Both collections are kept as sorted tuples, so that a
    card has one text.
    """

    name: str
    source: str
    revision: str
    license: str
    saw: Collection[str]
    pretrained_on: Collection[str] | None = ()
    needs_gpu: bool = False
    equivariance_tolerance: float = 0.0
    organism: str | None = None
    gathered: str | None = None
    note: str = ""

    def __post_init__(self) -> None:
        unknown = set(self.saw) - set(SAW)
        if unknown:
            raise ValueError(f"saw: {sorted(unknown)}; known: {', '.join(SAW)}")
        if not self.equivariance_tolerance >= 0:
            raise ValueError(f"equivariance_tolerance: {self.equivariance_tolerance}, expected 0 or more")
        object.__setattr__(self, "saw", tuple(sorted(set(self.saw))))
        if self.pretrained_on is not None:
            object.__setattr__(self, "pretrained_on", tuple(sorted(set(self.pretrained_on))))

    def as_dict(self) -> dict[str, Any]:
        """The card as JSON holds it."""
        return asdict(self)
