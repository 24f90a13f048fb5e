"""``python -m board page``: from score rows to the folder of a leaderboard."""

import argparse
from pathlib import Path

from board.provenance import machine, provenance
from board.publish import publish
from board.results import read_results
from tasks.study import read_study


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m board page``."""
    parser.add_argument("--study", type=Path, required=True, help="the study's YAML file")
    parser.add_argument(
        "--scores", type=Path, nargs="+", required=True, help="score rows, one file a data set"
    )
    parser.add_argument("--reports", type=Path, nargs="+", required=True, help="report.json of each data set")
    parser.add_argument("--out", type=Path, required=True, help="folder of the leaderboard")


def main(args: argparse.Namespace) -> int:
    """Write the page and the data beside it; print where it is."""
    study = read_study(args.study)
    results, rows = read_results(study, scores=args.scores, reports=args.reports)
    facts = provenance(study=args.study, inputs=[*args.scores, *args.reports])
    print(publish(results, rows, provenance=facts, where=machine(), out=args.out))
    return 0
