"""``python -m metrics list``: the table of scores, readable for people and for machines."""

import json
import textwrap
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from math import isinf

from contract.cli import table
from metrics.table import TABLE, Metric

COLUMNS = ("name", "task", "best", "worst", "chance", "per", "needs", "version", "source")
WIDTH = 100


def add_arguments(parser: ArgumentParser) -> None:
    """Offer the long form and the one for machines."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--about", action="store_true", help="say what each score means and when it misleads")
    form.add_argument("--json", action="store_true", help="all fields as JSON; null where there is no bound")


def main(args: Namespace) -> int:
    """Print the table: a line or a paragraph a metric, or one JSON list."""
    if args.json:
        print(json.dumps([_record(metric) for metric in TABLE.values()], indent=2, ensure_ascii=False))
    elif args.about:
        print("\n\n".join(_paragraph(metric) for metric in TABLE.values()))
    else:
        print(table([_row(metric) for metric in TABLE.values()], columns=COLUMNS))
        print("\nchance -: it depends on the data; see --about")
    return 0


def _row(metric: Metric) -> dict[str, object]:
    row = {column: getattr(metric, column) for column in COLUMNS}
    numbers = {
        column: None if row[column] is None else f"{row[column]:g}" for column in ("best", "worst", "chance")
    }
    return row | numbers | {"needs": ",".join(metric.needs)}


def _paragraph(metric: Metric) -> str:
    chance = "depends on the data" if metric.chance is None else f"{metric.chance:g}"
    head = f"{metric.name} · {metric.title} · best {metric.best:g}, worst {metric.worst:g}, chance {chance}"
    text = textwrap.wrap(metric.about, WIDTH, initial_indent="  ", subsequent_indent="  ")
    return "\n".join([head, *text])


def _record(metric: Metric) -> dict[str, object]:
    fields = {name: None if _unbounded(value) else value for name, value in asdict(metric).items()}
    return fields | {"higher_is_better": metric.higher_is_better, "source": metric.source}


def _unbounded(value: object) -> bool:
    return isinstance(value, float) and isinf(value)
