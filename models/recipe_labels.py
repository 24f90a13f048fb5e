"""Which contestants are told the types of their corpus' cells; asked before anything heavy is imported."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from models.transformer.recipe import load_recipe


def is_told_types(adapter: str, options: Mapping[str, Any]) -> bool:
    """Whether training a contestant needs labels: a recipe that learns from types, unless left untrained."""
    return adapter == "recipe" and options["init"] == "trained" and _asks(options["recipe"], options["size"])


@cache
def _asks(recipe: str, size: str) -> bool:
    return load_recipe(recipe).design(size).told[0]
