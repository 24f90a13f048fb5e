"""Whether a recipe and its size are there: asked when a catalogue is read, so nothing heavy is imported."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from contract.catalogue import read_yaml
from contract.errors import UserError, suggestion

RECIPES = Path(__file__).resolve().parent / "transformer" / "recipes"


def check_recipe(options: Mapping[str, Any], *, where: str) -> None:
    """An unknown ``recipe`` or ``size`` is a ``UserError`` with the nearest known one."""
    recipe, size = options["recipe"], options["size"]
    known = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    if recipe not in known:
        raise UserError(f"{where}: recipe", found=repr(recipe), todo=suggestion(recipe, known))
    sizes = list(recipe_choices(recipe)["sizes"])
    if size not in sizes:
        raise UserError(f"{where}: size", found=repr(size), todo=suggestion(size, sizes))


@cache
def recipe_choices(recipe: str) -> dict[str, Any]:
    """What a recipe's file says; read once, for many entries may name it."""
    return read_yaml(RECIPES / f"{recipe}.yaml")
