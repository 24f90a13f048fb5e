"""``python -m models list``: the contestants of a catalogue, the adapters, and the transformer recipes."""

import argparse
import json
from pathlib import Path
from typing import Any

from contract.cli import table
from models.catalogue import Contestant, read_models
from models.registry import ADAPTERS

COLUMNS = ["name", "adapter", "corpus", "fits", "stochastic", "saw", "source", "license"]

RECIPE_COLUMNS = [
    "recipe",
    "tokeniser",
    "value",
    "identity",
    "backbone",
    "objectives",
    "pooler",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``--models``, ``--parameters`` and ``--json``."""
    parser.add_argument("--models", type=Path, default=Path("models.yaml"), metavar="PATH")
    parser.add_argument("--parameters", action="store_true", help="count those of each recipe (loads torch)")
    parser.add_argument("--json", action="store_true", help="all of it, with whole cards, as JSON")


def main(args: argparse.Namespace) -> None:
    """Print contestants, the adapters that an entry may name, and the recipes."""
    from models.recipes import about_recipes

    contestants = list(read_models(args.models).contestants.values())
    recipes = about_recipes(count=args.parameters or args.json)
    if args.json:
        cards = [_row(contestant) | {"card": contestant.card.as_dict()} for contestant in contestants]
        print(json.dumps({"contestants": cards, "adapters": _adapters(), "recipes": recipes}, indent=1))
        return
    print(table([_row(contestant) for contestant in contestants], columns=COLUMNS))
    print()
    print(table(_adapters(), columns=["adapter", "what it is", "options"]))
    print()
    columns = RECIPE_COLUMNS + (["tiny", "published"] if args.parameters else [])
    print(table([_recipe(recipe) for recipe in recipes], columns=columns))


def _adapters() -> list[dict[str, object]]:
    return [
        {"adapter": name, "what it is": adapter.about, "options": ", ".join(_options(adapter.options))}
        for name, adapter in ADAPTERS.items()
    ]


def _recipe(recipe: dict[str, Any]) -> dict[str, object]:
    """A recipe in one line; parameters with 20,000 genes."""
    sizes = {name: f"{n / 1e6:,.1f} M" for name, n in recipe.get("parameters", {}).items()}
    return {"recipe": recipe["recipe"], **recipe["parts"], **sizes}


def _row(contestant: Contestant) -> dict[str, object]:
    card = contestant.card
    return {
        "name": contestant.name,
        "adapter": contestant.adapter,
        "corpus": contestant.corpus,
        "fits": ", ".join(contestant.fits),
        "stochastic": "yes" if contestant.stochastic else "no",
        "saw": ", ".join(card.saw),
        "source": card.source,
        "license": card.license,
    }


def _options(kind: type) -> list[str]:
    return list(getattr(kind, "__dataclass_fields__", {}))
