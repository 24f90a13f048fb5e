"""``python -m atlas search``: which public data sets CELLxGENE Discover has, by what is in them."""

import argparse
import sys
from collections.abc import Iterable
from typing import Any

from atlas.discover import api_base, public_datasets
from atlas.web import Patience, SourceFailed
from contract.cli import table
from contract.errors import UserError

COLUMNS = (
    "dataset_id",
    "dataset_version_id",
    "cells",
    "donors",
    "organism",
    "tissue",
    "disease",
    "assay",
    "published",
    "title",
)
WORDS = ("tissue", "disease", "assay", "organism", "cell_type")
"""Fields that hold ``{label, ontology_term_id}``."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``search``."""
    for word in WORDS:
        parser.add_argument(
            "--" + word.replace("_", "-"), metavar="TEXT", help="part of a label, or a whole ontology id"
        )
    parser.add_argument("--min-cells", type=int, metavar="N", help="at least so many cells")
    parser.add_argument("--max-cells", type=int, metavar="N", help="at most so many cells")
    parser.add_argument("--min-donors", type=int, metavar="N", help="at least so many donors")
    parser.add_argument("--since", metavar="DATE", help="first published then or later, such as 2025-01-01")


def main(args: argparse.Namespace) -> int:
    """Print one line a data set, the largest first."""
    base = api_base()
    try:
        known = public_datasets(base=base, patience=Patience())
    except SourceFailed as error:
        raise UserError(base, found=f"no answer ({error})", todo="check the network") from None
    found = [one for one in known if _matches(one, args)]
    found.sort(key=lambda one: (-(one.get("cell_count") or 0), str(one.get("dataset_id"))))
    print(table([_row(one) for one in found], columns=COLUMNS))
    print(
        f"{len(found)} of {len(known)} data sets; python -m atlas add <dataset_id> writes an entry",
        file=sys.stderr,
    )
    return 0


def labels(dataset: dict[str, Any], word: str) -> list[str]:
    """Names of one field of a data set, in its order; an element without one is left out."""
    return [one["label"] for one in _elements(dataset, word) if isinstance(one.get("label"), str)]


def _elements(dataset: dict[str, Any], word: str) -> list[dict[str, Any]]:
    return [one for one in dataset.get(word) or [] if isinstance(one, dict)]


def _matches(dataset: dict[str, Any], args: argparse.Namespace) -> bool:
    cells, donors = dataset.get("cell_count") or 0, len(dataset.get("donor_id") or [])
    return (
        not dataset.get("tombstone")
        and all(_named(dataset, word, getattr(args, word)) for word in WORDS)
        and (args.min_cells is None or cells >= args.min_cells)
        and (args.max_cells is None or cells <= args.max_cells)
        and (args.min_donors is None or donors >= args.min_donors)
        and (args.since is None or _published(dataset) >= args.since)
    )


def _named(dataset: dict[str, Any], word: str, wanted: str | None) -> bool:
    if wanted is None:
        return True
    elements = _elements(dataset, word)
    low = wanted.lower()
    return any(one.get("ontology_term_id") == wanted for one in elements) or any(
        low in name.lower() for name in labels(dataset, word)
    )


def _published(dataset: dict[str, Any]) -> str:
    return str(dataset.get("published_at") or "")[:10]


def _row(dataset: dict[str, Any]) -> dict[str, object]:
    row = {key: dataset.get(key) for key in ("dataset_id", "dataset_version_id", "title")}
    row |= {"cells": dataset.get("cell_count"), "donors": len(dataset.get("donor_id") or []) or None}
    row |= {word: _short(labels(dataset, word)) for word in ("organism", "tissue", "disease", "assay")}
    return row | {"published": _published(dataset)}


def _short(names: Iterable[str], *, most: int = 2) -> str:
    names = list(names)
    more = f" +{len(names) - most}" if len(names) > most else ""
    return ", ".join(names[:most]) + more
