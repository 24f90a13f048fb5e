"""``python -m atlas list``: the catalogue as a table."""

import argparse
from pathlib import Path

from atlas.catalogue import Dataset, read_datasets
from contract.cli import table

COLUMNS = ("id", "organism", "source", "units", "label_source", "tasks", "licence")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``list``."""
    parser.add_argument("--datasets", type=Path, default=Path("datasets.yaml"), help="the catalogue")


def main(args: argparse.Namespace) -> int:
    """Print one line a data set."""
    print(table([_row(dataset) for dataset in read_datasets(args.datasets).values()], columns=COLUMNS))
    return 0


def _row(dataset: Dataset) -> dict[str, str]:
    return {
        "id": dataset.id,
        "organism": dataset.organism,
        "source": dataset.source["kind"],
        "units": dataset.units,
        "label_source": dataset.label_source,
        "tasks": ", ".join(dataset.tasks),
        "licence": dataset.license,
    }
