"""One row of the table of scores."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One row of the table.

    ``chance``: value of an embedding without information, None where it depends on the data.
    ``control_order``: controls from best to worst as they must come out, None where no order holds.
    ``reference_space``: what the score compares with; a contestant close to it is self-referential.
    ``invariances``: changes of the input that leave the value alone; ``per``: what is averaged.
    """

    name: str
    title: str
    task: Literal["integration", "annotation"]
    best: float
    worst: float
    about: str
    chance: float | None = None
    version: str = "1"
    needs: tuple[Literal["labels", "batch", "ontology", "reference", "donors"], ...] = ("labels",)
    per: Literal["set", "cell", "type"] = "set"
    label_optimised: bool = False
    control_order: tuple[str, ...] | None = None
    reference_space: str | None = None
    invariances: tuple[str, ...] = ()
    doi: str = ""

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger value is the better one."""
        return self.best > self.worst
