"""One row of the table of scores."""

from dataclasses import dataclass
from typing import Literal

Need = Literal[
    "labels",
    "batch",
    "ontology",
    "reference",
    "expression",
    "native",
    "answers",
    "confidence",
    "novelty",
    "profiles",
]
Change = Literal[
    "rotation",
    "shift",
    "scale",
    "cell_order",
    "label_names",
    "batch_names",
    "rescoring",
    "gene_order",
    "effect_size",
]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One row of the table.

    ``chance``: value of an embedding without information, None where it depends on the data (``about`` says
    on what). ``control_order``: controls from best to worst as they must come out, None where no order
    holds. ``reference_space``: what the score compares with; a contestant close to it is self-referential.
    ``invariances``: changes of the input that leave the value alone (``rescoring``: any rising function of a
    novelty score; ``effect_size``: a predicted change, stretched). ``per``: what is averaged. ``doi``
    of the definition, or ``code`` (repository@commit) where no paper states it; neither for textbook ones.
    """

    name: str
    title: str
    task: Literal["integration", "structure", "annotation", "novelty", "perturbation"]
    best: float
    worst: float
    about: str
    chance: float | None = None
    version: str = "1"
    needs: tuple[Need, ...] = ("labels",)
    per: Literal["set", "cell", "type", "perturbation"] = "set"
    label_optimised: bool = False
    control_order: tuple[str, ...] | None = None
    reference_space: str | None = None
    invariances: tuple[Change, ...] = ()
    doi: str = ""
    code: str = ""

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger value is the better one."""
        return self.best > self.worst

    @property
    def source(self) -> str:
        """Where the definition comes from."""
        return self.doi or self.code
