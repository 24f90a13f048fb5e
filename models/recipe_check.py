"""Whether a recipe and its size are there: asked when a catalogue is read, so nothing heavy is imported."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from contract.catalogue import read_yaml
from contract.errors import UserError, suggestion

RECIPES = Path(__file__).resolve().parent / "transformer" / "recipes"


def check_recipe(options: Mapping[str, Any], *, where: str) -> None:
    """An unknown ``recipe`` or ``size``, or a ``context`` that cannot be read, is a ``UserError``."""
    recipe, size = options["recipe"], options["size"]
    known = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    if recipe not in known:
        raise UserError(f"{where}: recipe", found=repr(recipe), todo=suggestion(recipe, known))
    sizes = list(recipe_choices(recipe)["sizes"])
    if size not in sizes:
        raise UserError(f"{where}: size", found=repr(size), todo=suggestion(size, sizes))
    if options["context"] is not None:
        _check_context(options, where=f"{where}: options.context")


def _check_context(options: Mapping[str, Any], *, where: str) -> None:
    choices = recipe_choices(options["recipe"])
    tokeniser, length = choices["tokeniser"], choices["sizes"][options["size"]]["length"]
    if tokeniser["kind"] == "panel":
        found = f"one for {options['recipe']!r}, which reads every gene of its panel"
        raise UserError(where, found=found, todo="leave it out")
    around = len(tokeniser.get("prefix", ())) + len(tokeniser.get("suffix", ()))
    least = around + 2 * tokeniser.get("groups", 0) + 1
    if not least <= options["context"] <= length:
        expected = f"{least} to {length}, the length that it is trained with"
        raise UserError(where, found=str(options["context"]), expected=expected)


@cache
def recipe_choices(recipe: str) -> dict[str, Any]:
    """What a recipe's file says; read once, for many entries may name it."""
    return read_yaml(RECIPES / f"{recipe}.yaml")
