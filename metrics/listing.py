"""``python -m metrics list``: the table of scores, readable."""

from argparse import ArgumentParser, Namespace

from contract.cli import table
from metrics.table import TABLE, Metric

COLUMNS = ("name", "task", "best", "worst", "chance", "per", "needs", "version", "doi")


def add_arguments(parser: ArgumentParser) -> None:
    """Offer the long form."""
    parser.add_argument("--about", action="store_true", help="say in one line what each score means")


def main(args: Namespace) -> int:
    """Print one line a metric."""
    columns = ("name", "title", "about") if args.about else COLUMNS
    print(table([_row(metric) for metric in TABLE.values()], columns=columns))
    return 0


def _row(metric: Metric) -> dict[str, object]:
    row = {column: getattr(metric, column) for column in (*COLUMNS, "title", "about")}
    numbers = {
        column: None if row[column] is None else f"{row[column]:g}" for column in ("best", "worst", "chance")
    }
    return row | numbers | {"needs": ",".join(metric.needs)}
