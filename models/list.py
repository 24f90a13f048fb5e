"""``python -m models list``: the contestants of a catalogue, one a line."""

import argparse
from pathlib import Path

from contract.cli import table
from models.catalogue import Contestant, read_models
from models.registry import ADAPTERS

COLUMNS = ["name", "adapter", "corpus", "fits", "stochastic", "saw", "source", "license"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``--models``."""
    parser.add_argument("--models", type=Path, default=Path("models.yaml"), metavar="PATH")


def main(args: argparse.Namespace) -> None:
    """Print the table, then the adapters that an entry may name."""
    catalogue = read_models(args.models)
    print(table([_row(contestant) for contestant in catalogue.contestants.values()], columns=COLUMNS))
    print()
    rows = [
        {"adapter": name, "what it is": adapter.about, "options": ", ".join(_options(adapter.options))}
        for name, adapter in ADAPTERS.items()
    ]
    print(table(rows, columns=["adapter", "what it is", "options"]))


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
