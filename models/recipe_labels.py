"""Which contestants are told the types of their corpus' cells; asked before anything heavy is imported."""

from collections.abc import Mapping
from typing import Any

from models.recipe_check import recipe_choices

# As the engine has it (`models.transformer.recipe`), which is not imported: else an edited recipe would be
# part of every step that reads the catalogue.
OF_TYPES = frozenset({"cell_type", "prototype", "ontology", "text", "clip", "match"})


def is_told_types(adapter: str, options: Mapping[str, Any]) -> bool:
    """Whether training a contestant on its corpus needs labels."""
    return adapter == "recipe" and learns_types(options)


def learns_types(options: Mapping[str, Any]) -> bool:
    """Whether these options are of a recipe, not left untrained, whose pre-training is told types."""
    if "recipe" not in options or options["init"] != "trained":
        return False
    return asks_for_types(options["recipe"])


def asks_for_types(recipe: str) -> bool:
    """Whether an objective of the recipe is about the types of cells."""
    objectives = recipe_choices(recipe)["objectives"]
    return not OF_TYPES.isdisjoint(one["kind"] for one in objectives)
