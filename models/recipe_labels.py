"""Which contestants are told the types of their corpus' cells; asked before anything heavy is imported."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from models.transformer.recipe import load_recipe


def is_told_types(adapter: str, options: Mapping[str, Any]) -> bool:
    """Whether training a contestant on its corpus needs labels."""
    return adapter == "recipe" and learns_types(options)


def learns_types(options: Mapping[str, Any]) -> bool:
    """Whether these options are of a recipe, not left untrained, whose pre-training is told types."""
    if "recipe" not in options or options["init"] != "trained":
        return False
    return _asks(options["recipe"], options["size"])


@cache
def _asks(recipe: str, size: str) -> bool:
    return load_recipe(recipe).design(size).told[0]
