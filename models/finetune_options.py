"""Options of a fine-tuned recipe, and whose training it starts from. Imports nothing heavy."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from contract.errors import UserError
from models.options import RecipeOptions

if TYPE_CHECKING:
    from models.catalogue import Contestant

PRETRAINING = [option.name for option in dataclasses.fields(RecipeOptions)]
WITH_PROTOCOL = ("geneformer", "scgpt")
"""Recipes whose authors state in full how they fine-tune (``transformer.finetune_published``)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FineTuneOptions(RecipeOptions):
    """What of a recipe's network learns from labels; the other options are those of its pre-training.

    ``finetune``: the ``head`` alone (the frozen probe), the ``last`` ``blocks``, ``lora``
    (adapters of ``rank`` in every block), or ``full``. ``tune_cells``: cells that each run of the
    search may show, repeats counted; ``null``: five passes, 2,000 cells at least.
    ``protocol``: the ``common`` one, or that which the recipe's authors ``published`` (all weights).
    """

    finetune: Literal["head", "last", "lora", "full"]
    blocks: int = field(default=1, metadata={"least": 1, "most": 1000})
    rank: int = field(default=8, metadata={"least": 1, "most": 10_000})
    tune_cells: int | None = field(default=None, metadata={"least": 1, "most": 10**12})
    protocol: Literal["common", "published"] = "common"


def trained_as(
    contestant: "Contestant", contestants: Mapping[str, "Contestant"], *, where: str
) -> str | None:
    """Name of the entry whose training on a corpus a contestant starts from; null without a corpus.

    A fine-tuned entry starts from the one that says the same without ``finetune``: so all ways of
    fine-tuning share one training, and its frozen probe is always there to stand beside them. One
    that reads less of a cell starts from the one without ``context``: one training serves all lengths.

    Raises
    ------
    UserError
        If there is no such entry, or no such published protocol.
    """
    if contestant.corpus is None:
        return None
    tuned, options = contestant.adapter == "finetuned", contestant.options
    if not tuned and (contestant.adapter != "recipe" or options["context"] is None):
        return contestant.name
    if tuned:
        _check_protocol(options, where=f"{where}: options.protocol")
    wanted = {name: options[name] for name in PRETRAINING} | {"context": None}
    for name, other in contestants.items():
        if (other.adapter, other.corpus, other.options) == ("recipe", contestant.corpus, wanted):
            return name
    raise UserError(
        where,
        found=f"no entry that is the same without '{'finetune' if tuned else 'context'}'",
        expected="the frozen network that it starts from" if tuned else "the one that is trained for it",
        todo="add one with the same recipe, size, corpus and options of its pre-training",
    )


def _check_protocol(options: Mapping[str, Any], *, where: str) -> None:
    if options["protocol"] == "common":
        return
    if options["recipe"] not in WITH_PROTOCOL:
        raise UserError(where, found=options["recipe"], expected=f"one of {', '.join(WITH_PROTOCOL)}")
    if options["finetune"] != "full" or options["tune_cells"] is not None:
        raise UserError(
            where, found="published", expected="finetune: full and no tune_cells: its authors train all"
        )
