"""``python -m board check``: did anything on a leaderboard fail that was not expected to?"""

import argparse
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from contract.cli import table
from contract.errors import UserError
from contract.files import read_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m board check``."""
    parser.add_argument("--out", type=Path, required=True, help="folder of the leaderboard")
    parser.add_argument(
        "--expect-failed",
        action="append",
        default=[],
        metavar="DATASET",
        help="a data set that is meant to fail; it is an error if it does not (may be given again)",
    )


def main(args: argparse.Namespace) -> int:
    """Print what failed, one line a data set, contestant and reason; 1 if that is not as expected."""
    path = args.out / "scores.parquet"
    if not path.is_file():
        raise UserError(str(path), found="no such file", todo="run `python -m board page` first")
    rows = read_table(path, columns=["dataset", "model", "metric", "status", "reason"])
    wrong = failures(rows, expected=args.expect_failed)
    if wrong:
        print(table(wrong, columns=["dataset", "model", "failed", "reason"]))
    return 1 if wrong else 0


def failures(rows: pd.DataFrame, *, expected: Collection[str]) -> list[dict[str, object]]:
    """Failed rows outside the data sets that were expected to fail, and such data sets that did not."""
    bad = rows[rows["status"] == "failed"]
    fine = sorted(set(expected) - set(bad["dataset"]))
    wrong = [{"dataset": name, "reason": "was expected to fail and did not"} for name in fine]
    groups = bad[~bad["dataset"].isin(list(expected))].groupby(["dataset", "model", "reason"])["metric"]
    for (dataset, model, reason), names in groups:
        some = sorted(set(names))
        told = ", ".join(some) if len(some) <= 3 else f"{len(some)} metrics"
        wrong.append({"dataset": dataset, "model": model, "failed": told, "reason": reason})
    return wrong
